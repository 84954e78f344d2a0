import { constants } from 'node:fs'
import { open, readdir, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import { unlessAbsent } from '../../tlog/durable-file.ts'
import { octetsOf, readLines } from '../log-lines.ts'
import { parseHead, type SegmentHead } from './segment-head.ts'

/** A file of a log, open, whatever it is called by now. */
export interface SegmentFile {
  readonly path: string
  readonly handle: FileHandle
  readonly head: SegmentHead
  readonly octets: number
}

export interface FoundFiles {
  /** In the order of their lines. */
  readonly segments: readonly SegmentFile[]
  /** Those that do not say what they stand on, of which nothing can be said. */
  readonly others: readonly string[]
}

const filesMax = 1024

/**
 * Finds the files of a log by what they say: `decisions.jsonl`, and whatever its name goes on with `.` or `-`, as they are called who
 * rotate and pack logs. All are open before one is read. Throws `policy/replay`.
 */
export async function findFiles(file: string, handles: AsyncDisposableStack): Promise<FoundFiles> {
  const segments: SegmentFile[] = []
  const others: string[] = []
  const known = new Set<string>()
  for (const path of await pathsOf(file)) {
    const handle = await openRegular(path)
    if (handle === undefined) continue
    handles.use(handle)
    const { dev, ino, size } = await handle.stat()
    // One that is renamed meanwhile is met twice.
    if (known.has(`${dev}:${ino}`)) continue
    known.add(`${dev}:${ino}`)
    const first = await firstLineOf(handle, path)
    const head = first && parseHead(first)
    if (head !== undefined) segments.push({ path, handle, head, octets: size })
    else if (size > 0) others.push(path)
  }
  segments.sort((a, b) => a.head.firstIndex - b.head.firstIndex)
  return { segments, others }
}

async function pathsOf(file: string): Promise<readonly string[]> {
  const [folder, own] = [dirname(file), basename(file)]
  try {
    const names = (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isFile() && isOf(own, entry.name))
      .map(({ name }) => join(folder, name))
    if (names.length > filesMax) throw new RangeError(`want=..${filesMax} files`)
    return names.toSorted()
  } catch (cause) {
    const message = `log cannot be read, got=${quoted(file, 200)}`
    throw new CountersignError('policy/replay', message, { cause })
  }
}

function isOf(own: string, name: string): boolean {
  if (name === own) return true
  return /^[.-]/.test(name.slice(own.length)) && name.startsWith(own) && !isRecord(own, name)
}

/** What stands beside a log and is none of it: how far it is sent. */
function isRecord(own: string, name: string): boolean {
  return name.startsWith(`${own}.sent`)
}

async function openRegular(path: string): Promise<FileHandle | undefined> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW
  try {
    return await open(path, flags).catch(unlessAbsent)
  } catch (cause) {
    const message = `log cannot be read, got=${quoted(path, 200)}`
    throw new CountersignError('policy/replay', message, { cause })
  }
}

/** Of what cannot be unpacked there is none. */
async function firstLineOf(handle: FileHandle, path: string): Promise<Buffer | undefined> {
  const lines = readLines(await octetsOf(handle), path)
  try {
    const first = await lines.next()
    return first.done === true ? undefined : first.value
  } catch {
    return undefined
  } finally {
    await lines.return(Buffer.alloc(0)).catch(() => {})
  }
}
