import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { buildTools } from '../tools/build.ts'
import { ToolchainError } from '../tools/toolchain-error.ts'

/** What Go's own implementation of logs says of a folder or of proofs; undefined, in one loud line, where there is no Go. In CI that is an error. */
export interface GoLog {
  /** Resolves with what it has read; rejects with what is wrong. */
  folder(verifierKey: string, folder: string): Promise<string>
  /** `ok`, or what is wrong, for each. */
  proofs(lines: readonly string[]): Promise<readonly string[]>
}

export function goLog(): Promise<GoLog | undefined> {
  return (asked ??= askGo())
}

let asked: Promise<GoLog | undefined> | undefined

async function askGo(): Promise<GoLog | undefined> {
  let program: string | undefined
  try {
    program = (await buildTools(['tlog'], () => {})).get('tlog')
  } catch (error) {
    if (!(error instanceof ToolchainError) || process.env['CI'] === 'true') throw error
    process.stderr.write('NO GO: no log is compared with what Go reads\n')
    return undefined
  }
  if (program === undefined) return undefined
  const file = program
  const run = promisify(execFile)
  return {
    folder: async (key, folder) => (await run(file, ['folder', key, folder])).stdout.trim(),
    async proofs(lines) {
      const running = run(file, ['proofs'], { maxBuffer: 64 * 1024 * 1024 })
      running.child.stdin?.end(lines.map((line) => `${line}\n`).join(''))
      return (await running).stdout.trim().split('\n')
    },
  }
}
