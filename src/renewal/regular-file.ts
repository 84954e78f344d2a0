import type { Stats } from 'node:fs'
import { readBoundedFile } from '../bounded-file.ts'
import { CountersignError, quoted, type ErrorCode } from '../errors.ts'

export interface RegularFile {
  readonly status: Stats
  readonly text: string
}

/** What a file says, where there is one. Throws what is said, for whatever else stands there. */
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
  const { code, what, octetsMax, flags } = options
  const refused = (why: string, cause?: unknown): CountersignError =>
    new CountersignError(code, `${what}: ${quoted(path, 200)} ${why}`, { cause })
  try {
    const found = await readBoundedFile(path, octetsMax, flags)
    if (found === undefined) throw refused(`is too large, want=..${octetsMax}`)
    const { content, status } = found
    return { status, text: content.toString() }
  } catch (error) {
    if (error instanceof CountersignError) throw error
    const { code: got, message } = error as NodeJS.ErrnoException
    if (got === 'ENOENT') return undefined
    throw refused(`cannot be read, got=${got ?? message}`, error)
  }
}
