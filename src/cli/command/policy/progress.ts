import { printableText } from './printable.ts'

/** How much of a file is read, told on a line that is written over. */
export interface Progress {
  at(octetsRead: number): void
  /** Takes the line away, as before anything else is told. */
  clear(): void
}

/** Without a size nothing is told. */
export function createProgress(
  file: string,
  size: number | undefined,
  err: (text: string) => void,
): Progress {
  let percent = 0
  let shown = 0
  return {
    at(octetsRead) {
      const now = size === undefined ? 0 : Math.floor((octetsRead / size) * 100)
      if (now <= percent) return
      percent = now
      const text = `${printableText(file)} ${percent} %`
      shown = text.length
      err(`\r${text}`)
    },
    clear() {
      if (shown > 0) err(`\r${' '.repeat(shown)}\r`)
      shown = 0
    },
  }
}
