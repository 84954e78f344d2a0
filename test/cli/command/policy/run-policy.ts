import { run } from '../../../../src/cli/program.ts'

/** How a command has ended, and what it has said. */
export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `countersign policy` with these words, in this process. */
export async function runPolicy(...words: readonly string[]): Promise<Ended> {
  const said = { out: '', err: '' }
  const code = await run(['policy', ...words], {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    signal: new AbortController().signal,
  })
  return { code, ...said }
}
