import { open, type FileHandle } from 'node:fs/promises'
import { CountersignError, quoted } from '../../../errors.ts'

/** A decision log that is open, to be read once. */
export interface OpenLog {
  readonly name: string
  /** Undefined of a pipe. */
  readonly size: number | undefined
  readonly read: () => AsyncIterable<Buffer>
}

/** `decisionLog.files` may be 100, with the one that is written to. */
const rotatedMax = 99

/**
 * Opens a decision log with the files that it was moved to when it was full, and gives them oldest first; `-` is standard input. All are
 * open before one is read, the newest first, so that one that moves meanwhile is met twice, and read once, rather than missed. What is
 * among the `known` is not given again. Throws `policy/replay`.
 */
export async function openLogs(
  place: string,
  parts: {
    readonly handles: AsyncDisposableStack
    /** By device and number. */
    readonly known: Set<string>
    readonly stdin: () => AsyncIterable<Buffer>
  },
): Promise<readonly OpenLog[]> {
  const { handles, known, stdin } = parts
  if (place === '-') return [{ name: 'standard input', size: undefined, read: stdin }]
  const logs: OpenLog[] = []
  for (let number = 0; number <= rotatedMax; number += 1) {
    const name = number === 0 ? place : `${place}.${number}`
    const handle = await openFile(name, number > 0)
    if (handle === undefined) continue
    handles.use(handle)
    const status = await handle.stat()
    const key = `${status.dev}:${status.ino}`
    if (known.has(key)) continue
    known.add(key)
    const size = status.isFile() ? status.size : undefined
    logs.push({ name, size, read: () => handle.createReadStream() as AsyncIterable<Buffer> })
  }
  return logs.toReversed()
}

async function openFile(name: string, mayLack: boolean): Promise<FileHandle | undefined> {
  try {
    return await open(name)
  } catch (cause) {
    if (mayLack && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CountersignError('policy/replay', `log cannot be read, got=${quoted(name, 200)}`, {
      cause,
    })
  }
}
