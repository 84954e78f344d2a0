import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { DevFile } from '../dev/story/dev-file.ts'

const main = join(import.meta.dirname, '../dev/session/main.ts')

/** A running `npm run dev` of an example's own, and what its dev.json says. Ends, and leaves nothing, when disposed. */
export interface ExampleSession extends AsyncDisposable {
  readonly dev: DevFile
  /** For an agent's program: the mounted files of acme/researcher, and where the gateway is. */
  readonly environment: Readonly<Record<string, string>>
}

export async function openSession({
  words = [],
}: { readonly words?: readonly string[] } = {}): Promise<ExampleSession> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-example-'))
  const child = spawn(process.execPath, [main, '--json', '--dir', folder, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = async (): Promise<void> => {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    // It says when all of it is ready, and ends without saying so when a step of its story does not hold.
    for await (const line of createInterface({ input: child.stdout })) {
      const { event } = JSON.parse(line) as { event: string }
      if (event === 'ready') break
    }
    const dev = JSON.parse(await readFile(join(folder, 'dev.json'), 'utf8')) as DevFile
    return { dev, environment: environmentOf(dev), [Symbol.asyncDispose]: end }
  } catch (error) {
    await end()
    throw error
  }
}

function environmentOf(dev: DevFile): Record<string, string> {
  const pod = dev.pods.find(({ namespace, name }) => namespace === 'acme' && name === 'researcher')
  return {
    IDENTITY: dirname(pod?.credentialBundle ?? ''),
    GATEWAY: `${dev.gateway.url}/mcp`,
    SERVER_NAME: dev.gateway.serverName,
  }
}

/**
 * Whether a program is on this machine. Where it is not, the example is not run: one line says so, and in CI that is
 * an error.
 */
export function programIsHere(example: string, program: string, ...version: string[]): boolean {
  if (spawnSync(program, version).status === 0) return true
  const line = `${example}: NOT RUN: ${program} is not on this machine`
  if (process.env['CI'] === 'true') throw new Error(line)
  process.stderr.write(`${line}\n`)
  return false
}

/** Runs a program to its end and gives its output; anything but exit code 0 is an error that shows it. */
export async function runToEnd(
  program: string,
  words: readonly string[],
  options: { readonly cwd?: string; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const child = spawn(program, words, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === 0) return output
  throw new Error(`${program} ${words.join(' ')}: want=exit 0 got=${code}\n${output}`)
}
