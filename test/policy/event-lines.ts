import type { EventFile } from '../../src/policy/event-file.ts'

/** A file of events that is a list of lines, which has room for all. */
export function keepLines(): { readonly file: EventFile; readonly lines: readonly string[] } {
  const lines: string[] = []
  const file = {
    available: true,
    waitingOctets: 0,
    append: (line: string) => lines.push(line) > 0,
    flush: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  return { file, lines }
}
