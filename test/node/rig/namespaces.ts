/**
 * Linux namespaces with a first process that holds them and reaps what is orphaned there. Ending it is a power
 * cut: the kernel ends every other process of a PID namespace with its first one, and the mounts and the network go too.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { eventually } from '../../support/eventually.ts'

/** How a command ended that ran inside. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  /** Then it is ended, and its code is 124; 120 unless told. */
  readonly timeoutSeconds?: number
}

type Environment = Readonly<Record<string, string>>

/** The only child of a process, by its id outside of the namespaces. */
function onlyChild(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return children === '' ? undefined : Number(children.split(' ')[0])
  } catch {
    return undefined
  }
}

function runs(pid: number, program: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === program
  } catch {
    return false
  }
}

/** `unshare` ends its child when it ends itself, however that came. */
const holdArguments =
  '--kill-child --fork --pid --mount --net --uts --ipc --mount-proc --propagation private'.split(
    ' ',
  )

export class Namespaces {
  readonly #holder: ChildProcess
  readonly #environment: Environment
  /** The first process, by its id outside. */
  readonly init: number

  private constructor(holder: ChildProcess, init: number, environment: Environment) {
    this.#holder = holder
    this.init = init
    this.#environment = environment
  }

  static async create(options: {
    /** What becomes the first process: it has to wait, and to reap. */
    readonly program: string
    /** What every command inside sees. */
    readonly environment: Environment
    readonly logFile: string
  }): Promise<Namespaces> {
    const { program, environment, logFile } = options
    const log = openSync(logFile, 'a', 0o600)
    const holder = spawn('unshare', [...holdArguments, program], {
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    holder.unref()
    let init: number | undefined
    let failure: string | undefined
    holder.once('error', (error) => (failure = error.message))
    await eventually('namespaces with a first process', () => {
      if (holder.exitCode !== null) failure = readFileSync(logFile, 'utf8').trim()
      if (failure !== undefined) throw new Error(`unshare: ${failure}`)
      init = holder.pid === undefined ? undefined : onlyChild(holder.pid)
      return init !== undefined && runs(init, program)
    })
    return new Namespaces(holder, init ?? 0, environment)
  }

  #enter(command: string, words: readonly string[]): readonly string[] {
    const kinds = ['--pid', '--mount', '--net', '--uts', '--ipc']
    return ['--target', `${this.init}`, ...kinds, '--', command, ...words]
  }

  /** Starts what goes on running; its output goes to an open file. */
  start(command: string, words: readonly string[], log: number): ChildProcess {
    const child = spawn('nsenter', this.#enter(command, words), {
      env: this.#environment,
      stdio: ['ignore', log, log],
      detached: true,
    })
    child.unref()
    return child
  }

  async run(command: string, words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const child = spawn('nsenter', this.#enter(command, words), { env: this.#environment })
    const deadline = setTimeout(
      () => signalInside(child, 'SIGKILL'),
      (options.timeoutSeconds ?? 120) * 1000,
    )
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    // A command that does not read its input closes it early.
    child.stdin.on('error', () => undefined).end(options.input ?? '')
    try {
      const [code] = (await once(child, 'close')) as [number | null]
      return { code: code ?? 124, ...output }
    } finally {
      clearTimeout(deadline)
    }
  }

  /** Ends everything inside, as a power cut does. */
  async end(): Promise<void> {
    const stands = this.#holder.exitCode === null && this.#holder.signalCode === null
    const ended = stands ? once(this.#holder, 'exit') : undefined
    this.#holder.ref()
    try {
      process.kill(this.init, 'SIGKILL')
    } catch {
      // It has ended already.
    }
    await ended
  }
}

/** `nsenter` passes no signal on: what it started is its child. */
export function signalInside(child: ChildProcess, signal: NodeJS.Signals): void {
  const inner = child.pid === undefined ? undefined : onlyChild(child.pid)
  try {
    if (inner !== undefined) process.kill(inner, signal)
    else child.kill(signal)
  } catch {
    // It has ended already.
  }
}
