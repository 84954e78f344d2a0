import { readFileSync, statSync } from 'node:fs'
import { CountersignError, quoted } from '../errors.ts'

const bytesMax = 1024 * 1024

/** A file that a connection is made of. Throws 'kubernetes/configuration', which names the file and never says a word of it. */
export function readSmallFile(path: string, what: string): string {
  try {
    const status = statSync(path)
    if (!status.isFile() || status.size > bytesMax) {
      const got = status.isFile() ? `${status.size} bytes` : 'no file'
      throw unusable(
        `${what} ${quoted(path, 200)}: want=a file of at most ${bytesMax} bytes got=${got}`,
      )
    }
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    const { code = 'unreadable' } = cause as NodeJS.ErrnoException
    throw unusable(`${what} ${quoted(path, 200)}: want=readable got=${code}`, hints[code])
  }
}

const hints: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file: is the path right?',
  EACCES: 'the file belongs to somebody else: read it as them, or have it made readable',
}

export function unusable(message: string, hint?: string): CountersignError {
  return new CountersignError(
    'kubernetes/configuration',
    message,
    hint === undefined ? {} : { hint },
  )
}
