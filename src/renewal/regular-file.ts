import { constants, type Stats } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { CountersignError, quoted, type ErrorCode } from '../errors.ts'

export interface RegularFile {
  readonly status: Stats
  readonly text: string
}

/**
 * What a regular file says, where there is one. Waits for nobody, as a pipe would, and reads no more than the file had when it was opened. Throws what is
 * said, for whatever else stands there.
 */
export async function readRegularFile(
  path: string,
  options: {
    readonly code: ErrorCode
    readonly what: string
    readonly octetsMax: number
    /** Beyond those of reading. */
    readonly flags?: number
  },
): Promise<RegularFile | undefined> {
  const { code, what, octetsMax, flags = 0 } = options
  const refused = (why: string, cause?: unknown): CountersignError =>
    new CountersignError(code, `${what}: ${quoted(path, 200)} ${why}`, { cause })
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
    const status = await file.stat()
    if (!status.isFile()) throw refused('is no regular file')
    const { size } = status
    if (size > octetsMax) throw refused(`is too large, want=..${octetsMax} got=${size}`)
    return { status, text: await readOctets(file, size) }
  } catch (error) {
    if (error instanceof CountersignError) throw error
    const got = (error as NodeJS.ErrnoException).code ?? 'unknown'
    if (got === 'ENOENT') return undefined
    throw refused(`cannot be read, got=${got}`, error)
  }
}

async function readOctets(file: FileHandle, size: number): Promise<string> {
  const octets = Buffer.alloc(size)
  let length = 0
  while (length < size) {
    const { bytesRead } = await file.read(octets, length, size - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return octets.toString('utf8', 0, length)
}
