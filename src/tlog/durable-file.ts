import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A new file outlives a power cut only when its folder does. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Whoever reads it finds the old octets or the new ones, also after a power cut. Asks once more before the new ones take
 * the place of the old, and gives whether they did.
 */
export async function replaceFile(
  file: string,
  octets: Buffer,
  mayReplace: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // Of nobody else: two writers of one draft would put half of each in place.
  const draft = `${file}.${randomBytes(8).toString('hex')}.new`
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(octets)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    if (!(await mayReplace())) return false
    await rename(draft, file)
    await syncFolder(dirname(file))
    return true
  } finally {
    await rm(draft, { force: true })
  }
}

/** For what may not be there. */
export function unlessAbsent(error: unknown): undefined {
  if (isCode(error, 'ENOENT')) return undefined
  throw error
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
