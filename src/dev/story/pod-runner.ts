import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CountersignError } from '../../errors.ts'
import type { Answer } from '../workloads/commands.ts'

/** What of a pod the runner needs; both kubelets' pods have it. */
export interface RunnablePod {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string }
  readonly spec: {
    readonly containers: readonly {
      readonly command?: readonly string[] | undefined
      readonly env?:
        readonly { readonly name: string; readonly value?: string | undefined }[] | undefined
    }[]
  }
}

/** A running pod that takes commands, one at a time or several. */
export interface Desk {
  /** Asks and waits. Rejects with the workload's own message when it failed. */
  ask(command: { readonly do: string } & Record<string, unknown>): Promise<unknown>
}

export interface PodRunner extends AsyncDisposable {
  /** Starts a pod as a local process whose volumes are folders; a pod without a command only exists. */
  run(
    pod: RunnablePod,
    volumes: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ stop(): Promise<void> } | undefined>
  /** The desk of `<namespace>/<name>`, once it runs. */
  desk(pod: string): Promise<Desk>
}

/** A failure that the workload described: an MCP error with its code, or a connection that was refused. */
export class WorkloadFailure extends CountersignError {
  readonly details: Readonly<Record<string, unknown>>

  constructor(details: { readonly message: string } & Readonly<Record<string, unknown>>) {
    super('dev/workload', details.message)
    this.details = details
  }
}

/** Runs pods as child processes of this one. Their logs go to `<folder>/<namespace>_<name>.log`. */
export function createPodRunner(options: {
  readonly folder: string
  /** In-process containers by the first word of their command. */
  readonly builtIn: Readonly<
    Record<string, (volumes: Readonly<Record<string, string>>) => Promise<AsyncDisposable>>
  >
}): PodRunner {
  const { folder, builtIn } = options
  const desks = new Map<string, PromiseWithResolvers<Desk>>()
  const running = new Set<() => Promise<void>>()

  const deskOf = (name: string): PromiseWithResolvers<Desk> => {
    const known = desks.get(name) ?? Promise.withResolvers<Desk>()
    desks.set(name, known)
    return known
  }
  const track = (stop: () => Promise<void>): { stop(): Promise<void> } => {
    const once = async (): Promise<void> => {
      if (running.delete(once)) await stop()
    }
    running.add(once)
    return { stop: once }
  }

  return {
    async run(pod, volumes, signal) {
      const [container] = pod.spec.containers
      const [program = '', ...words] = container?.command ?? []
      if (program === '' || signal.aborted) return undefined
      const { namespace, name } = pod.metadata
      const inProcess = builtIn[program]
      if (inProcess !== undefined) {
        const handle = await inProcess(volumes)
        return track(() => Promise.resolve(handle[Symbol.asyncDispose]()))
      }
      const child = spawn(process.execPath, words, {
        env: environmentOf(container?.env ?? [], volumes),
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      const log = createWriteStream(join(folder, `${namespace}_${name}.log`), { mode: 0o600 })
      child.stderr.pipe(log)
      deskOf(`${namespace}/${name}`).resolve(openDesk(child))
      return track(() => stopProcess(child))
    },
    desk: (name) => deskOf(name).promise,
    async [Symbol.asyncDispose]() {
      await Promise.all([...running].map((stop) => stop()))
    },
  }
}

function environmentOf(
  env: readonly { readonly name: string; readonly value?: string | undefined }[],
  volumes: Readonly<Record<string, string>>,
): Record<string, string> {
  const own = env.map(({ name, value = '' }) => [name, value])
  const mounted = Object.entries(volumes).map(([name, path]) => [
    `COUNTERSIGN_VOLUME_${name.toUpperCase().replaceAll('-', '_')}`,
    path,
  ])
  return Object.fromEntries([...own, ...mounted]) as Record<string, string>
}

function openDesk(child: ChildProcess): Desk {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let last = 0
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new CountersignError('dev/workload', 'want=pipes')
  // A workload that ended cannot be asked; the pending commands fail with its exit code.
  stdin.on('error', () => {})
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) {
      reject(new CountersignError('dev/workload', `workload ended: exit code ${code}`))
    }
    waiting.clear()
  })
  createInterface({ input: stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer
    const pending = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('ok' in answer) pending?.resolve(answer.ok)
    else if ('failed' in answer) pending?.reject(new WorkloadFailure(answer.failed))
  })
  return {
    ask(command) {
      last += 1
      const pending = Promise.withResolvers<unknown>()
      waiting.set(last, pending)
      stdin.write(`${JSON.stringify({ ...command, id: last })}\n`)
      return pending.promise
    },
  }
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.stdin?.end()
  child.kill('SIGTERM')
  const hard = setTimeout(() => child.kill('SIGKILL'), 3_000)
  await ended
  clearTimeout(hard)
}
