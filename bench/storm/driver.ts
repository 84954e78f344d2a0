/** Who makes the pods and the requests, in Go: see bench/peers/client-go/drive.go. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Answer {
  readonly done: number
  readonly seconds: number
  readonly milliseconds?: readonly number[]
  readonly others?: readonly string[]
}

export interface Driver {
  pods(count: number, signerNames: readonly string[]): Promise<Answer>
  /** As many a second; 0 is as fast as the API server takes them. */
  create(signerName: string, count: number, perSecond: number): Promise<Answer>
  await(count: number, seconds: number): Promise<Answer>
  clear(): Promise<Answer>
  close(): Promise<void>
}

/** Builds the program; undefined, with a line that says so, where there is no Go. */
export function buildPeer(folder: string): string | undefined {
  const program = join(folder, 'client-go')
  const cwd = join(import.meta.dirname, '..', 'peers', 'client-go')
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd, encoding: 'utf8' })
  if (built.status === 0) return program
  process.stderr.write(`NO GO TOOLCHAIN, AND NOTHING MEASURED\n${built.stderr ?? ''}`)
  return undefined
}

export function startDriver(program: string, kubeconfig: string): Driver {
  const child = spawn(program, ['drive', kubeconfig], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const gone = once(child, 'exit')
  const order = async (said: object): Promise<Answer> => {
    const answer = once(lines, 'line')
    child.stdin.write(`${JSON.stringify(said)}\n`)
    const first = await Promise.race([answer, gone.then(() => undefined)])
    if (first === undefined) throw new Error('the driver has ended')
    return JSON.parse(first[0] as string) as Answer
  }
  return {
    pods: (count, signerNames) => order({ do: 'pods', count, signerNames }),
    create: (signerName, count, perSecond) => order({ do: 'create', signerName, count, perSecond }),
    await: (count, seconds) => order({ do: 'await', count, seconds }),
    clear: () => order({ do: 'clear' }),
    async close() {
      child.stdin.end()
      await gone
    },
  }
}
