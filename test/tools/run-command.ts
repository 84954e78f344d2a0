import { spawn } from 'node:child_process'
import { ToolchainError } from './toolchain-error.ts'

/** Runs a program; where that cannot be, or ends otherwise than well, what it has said last is in the `ToolchainError`. */
export async function runCommand(
  program: string,
  words: readonly string[],
  options: {
    /** What is said of it where it fails. Default: the program and its first word. */
    readonly name?: string
    readonly cwd?: string
    readonly environment: Readonly<Record<string, string | undefined>>
    readonly hint: string
  },
): Promise<void> {
  const { name = `${program} ${words[0]}`, cwd, environment, hint } = options
  const child = spawn(program, words, {
    cwd,
    env: { ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-8000)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  }).catch(() => {
    throw new ToolchainError(`the ${program} command cannot be run`, hint)
  })
  if (code === 0) return
  const last = output.trim().split('\n').slice(-20).join('\n')
  throw new ToolchainError(`${name}: want=exit 0 got=exit ${code}\n${last}`, hint)
}
