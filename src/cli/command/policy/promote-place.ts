import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { CountersignError, quoted } from '../../../errors.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { stageArchive } from './write-archive.ts'

/** What was in the place before. */
export function previousPlace(to: string): string {
  return `${to}.previous`
}

function recordPlace(to: string): string {
  return `${to}.promotions.jsonl`
}

/** Of two who promote at once one is refused: what is kept would else be another one than what was looked at. Throws `policy/bundle`. */
export async function lockPlace(to: string): Promise<AsyncDisposable> {
  const file = `${to}.lock`
  try {
    await using handle = await open(file, 'wx')
    await handle.writeFile(`${process.pid}\n`)
  } catch (cause) {
    const isHeld = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    const why = isHeld ? 'somebody else is promoting there' : 'place cannot be locked'
    const hint = 'When nobody is, the file is left of a process that was killed: remove it.'
    const shown = `${why}, got=${quoted(file, 200)}`
    throw new CountersignError('policy/bundle', shown, isHeld ? { cause, hint } : { cause })
  }
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) }
}

/**
 * Puts files in the place, and what is there beside it. It is written down before anything is changed, and how it ended afterwards; where
 * it ends badly what was there, and what was kept, stay as they were. Throws `policy/bundle`.
 */
export async function replaceAt(
  to: string,
  files: BundleContent['files'],
  record: object,
): Promise<void> {
  // Gateways of another account read it as before.
  const present = await stat(to).catch(() => undefined)
  const options = present === undefined ? {} : { mode: present.mode & 0o777 }
  await using staged = await stageArchive(to, files, options)
  const id = randomUUID()
  await appendRecord(recordPlace(to), { id, ...record })
  let outcome = 'failed'
  try {
    await using kept = await keepPresent(to)
    await staged.place()
    kept.settle()
    outcome = 'done'
  } finally {
    const at = new Date().toISOString()
    const ended = appendRecord(recordPlace(to), { id, at, outcome })
    // What has failed is said, and what is done is done: only its record ends early.
    await ended.catch(() => {})
  }
}

/** Who puts what there is written down before it is there. */
async function appendRecord(file: string, record: object): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW
  try {
    await using handle = await open(file, flags, 0o644)
    await handle.writeFile(`${JSON.stringify(record)}\n`)
    await handle.sync()
  } catch (cause) {
    const shown = quoted(file, 200)
    const message = `it cannot be recorded, so nothing is changed, got=${shown}`
    throw new CountersignError('policy/bundle', message, { cause })
  }
}

/** As it came, and in its place until another one is. What was kept before comes back unless it is settled. */
async function keepPresent(to: string): Promise<AsyncDisposable & { settle(): void }> {
  const previous = previousPlace(to)
  const [beside, before] = [`${previous}.${randomUUID()}.part`, `${previous}.${randomUUID()}.part`]
  let isSettled = false
  let wasKept = false
  async function restore(): Promise<void> {
    if (!isSettled) await (wasKept ? rename(before, previous) : rm(previous, { force: true }))
    // A rename of one link of a file to another one leaves both.
    await rm(before, { force: true })
  }
  try {
    wasKept = await linkIfThere(previous, before)
    if (await linkIfThere(to, beside)) await rename(beside, previous)
    else isSettled = true
  } catch (cause) {
    await restore().catch(() => {})
    const shown = quoted(previous, 200)
    throw new CountersignError('policy/bundle', `what is there cannot be kept, got=${shown}`, {
      cause,
    })
  } finally {
    await rm(beside, { force: true })
  }
  return { settle: () => void (isSettled = true), [Symbol.asyncDispose]: restore }
}

async function linkIfThere(file: string, beside: string): Promise<boolean> {
  try {
    await link(file, beside)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
