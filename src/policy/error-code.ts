import { quoted } from '../errors.ts'

/** What the system calls an error, which tells nothing of what was read or sent; its bounded text where it has no name. */
export function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? quoted(message)
}
