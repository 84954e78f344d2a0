import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { buildTools } from '../tools/build.ts'
import { ToolchainError } from '../tools/toolchain-error.ts'

/** What go-spiffe has read at an endpoint. */
export interface GoBundle {
  readonly trustDomain: string
  readonly sequence: number
  readonly refreshHintSeconds: number
  /** SHA-256, hex. */
  readonly anchors: readonly string[]
}

export interface GoFederation {
  /** Words as test/tools/spiffe-bundle takes them. Rejects with what it says. */
  fetch(words: readonly string[]): Promise<GoBundle>
}

/** The bundle client of go-spiffe, built when it is not there; undefined, in one loud line, where there is no Go. In CI that is an error. */
export async function goFederation(): Promise<GoFederation | undefined> {
  let program: string | undefined
  try {
    program = (await buildTools(['spiffe-bundle'], () => {})).get('spiffe-bundle')
  } catch (error) {
    if (!(error instanceof ToolchainError) || process.env['CI'] === 'true') throw error
    process.stderr.write('NO GO: no bundle is read with go-spiffe\n')
  }
  if (program === undefined) return undefined
  const run = promisify(execFile)
  return {
    async fetch(words) {
      const { stdout } = await run(program, [...words], { timeout: 30_000 })
      return JSON.parse(stdout) as GoBundle
    },
  }
}
