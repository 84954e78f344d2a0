import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { CountersignError } from '../../src/errors.ts'
import type { RunContainer, RunnablePod, RunningContainer } from '../kubelet/container-runner.ts'
import { createProcessRunner } from '../kubelet/process.ts'
import type { Answer } from '../workloads/commands.ts'

/** A running pod that takes commands, one at a time or several. */
export interface Desk {
  /** Asks and waits. Rejects with the workload's own message when it failed. */
  ask(command: { readonly do: string } & Record<string, unknown>): Promise<unknown>
}

export interface PodRunner extends AsyncDisposable {
  /** Starts a pod; one without a command only exists. */
  readonly run: RunContainer
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

/** Runs pods as child processes with a desk each. What they say on standard error is in `<folder>/<namespace>_<name>.log`. */
export function createPodRunner(options: {
  readonly folder: string
  /** Containers of this process, by the first word of their command. */
  readonly builtIn: Readonly<
    Record<string, (volumes: Readonly<Record<string, string>>) => Promise<AsyncDisposable>>
  >
  /** What a pod has in its environment besides what its spec says. */
  readonly inherited?: (pod: RunnablePod) => Readonly<Record<string, string | undefined>>
}): PodRunner {
  const { folder, builtIn, inherited = () => ({}) } = options
  const desks = new Map<string, PromiseWithResolvers<Desk>>()
  const running = new Set<RunningContainer>()
  const deskOf = (name: string): PromiseWithResolvers<Desk> => {
    const known = desks.get(name) ?? Promise.withResolvers<Desk>()
    desks.set(name, known)
    return known
  }
  const attach = ({ metadata }: RunnablePod, child: ChildProcess): void => {
    const name = `${metadata.namespace}/${metadata.name}`
    const desk = openDesk(child)
    deskOf(name).resolve(desk)
    // A process that was started again has a desk of its own.
    const current = Promise.withResolvers<Desk>()
    current.resolve(desk)
    desks.set(name, current)
  }
  const runProcess = createProcessRunner({ folder, attach, inherited })
  const start: RunContainer = async (pod, volumes, signal) => {
    const inProcess = builtIn[pod.spec.containers[0]?.command?.[0] ?? '']
    if (inProcess === undefined) return runProcess(pod, volumes, signal)
    const handle = await inProcess(volumes)
    return { stop: () => Promise.resolve(handle[Symbol.asyncDispose]()) }
  }
  return {
    async run(pod, volumes, signal) {
      const container = await start(pod, volumes, signal)
      if (container === undefined) return undefined
      const once: RunningContainer = {
        stop: () => (running.delete(once) ? container.stop() : Promise.resolve()),
      }
      running.add(once)
      return once
    },
    desk: (name) => deskOf(name).promise,
    async [Symbol.asyncDispose]() {
      await Promise.all([...running].map((container) => container.stop()))
    },
  }
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
