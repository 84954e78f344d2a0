import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { backoffMilliseconds, realDelay, type Delay } from '../../src/kubernetes/backoff.ts'
import type { RunContainer, RunnablePod } from './container-runner.ts'

/** As kubelet: 10 s, doubling up to 5 minutes, forgotten after 10 minutes of running. */
const backoff = { baseSeconds: 10, maxSeconds: 300 }
const steadyMilliseconds = 10 * 60_000
const killMilliseconds = 3000

/**
 * Runs the first container of each pod as a local process: its command as it is, no shell, the container's own
 * environment and `COUNTERSIGN_VOLUME_<NAME>` for each volume, nothing of ours. A process that ends badly is started
 * again, later each time; output goes to `<folder>/<namespace>_<name>.log`.
 */
export function createProcessRunner(options: {
  readonly folder: string
  /** Takes standard input and output of each process that starts; without it there is no input, and output is logged. */
  readonly attach?: (pod: RunnablePod, child: ChildProcess) => void
  /** What a pod has in its environment besides what its spec says; nothing unless told. */
  readonly inherited?: (pod: RunnablePod) => Readonly<Record<string, string | undefined>>
  readonly delay?: Delay
  readonly random?: () => number
}): RunContainer {
  const { folder, attach, delay = realDelay, random = Math.random } = options
  return async (pod, volumes, signal) => {
    const [program = '', ...words] = pod.spec.containers[0]?.command ?? []
    if (program === '' || signal.aborted) return undefined
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const { namespace, name } = pod.metadata
    const path = join(folder, `${namespace}_${name}.log`)
    const log = createWriteStream(path, { mode: 0o600, flags: 'a' })
    const stopping = new AbortController()
    const ended = AbortSignal.any([signal, stopping.signal])
    const env = { ...options.inherited?.(pod), ...environmentOf(pod, volumes) }
    const start = (): ChildProcess => {
      const child = startProcess({ program, words, env, log, attached: attach !== undefined })
      attach?.(pod, child)
      return child
    }
    const done = superviseProcess({ start, signal: ended, delay, random })
    return {
      async stop() {
        stopping.abort()
        await done
        log.end()
        await once(log, 'close')
      },
    }
  }
}

function environmentOf(
  pod: RunnablePod,
  volumes: Readonly<Record<string, string>>,
): Record<string, string> {
  const own = (pod.spec.containers[0]?.env ?? []).map(({ name, value = '' }) => [name, value])
  const mounted = Object.entries(volumes).map(([name, path]) => [
    `COUNTERSIGN_VOLUME_${name.toUpperCase().replaceAll('-', '_')}`,
    path,
  ])
  return Object.fromEntries([...own, ...mounted]) as Record<string, string>
}

function startProcess(options: {
  readonly program: string
  readonly words: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly log: WriteStream
  readonly attached: boolean
}): ChildProcess {
  const { program, words, env, log, attached } = options
  const child = spawn(program, words, {
    env,
    stdio: [attached ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  if (!attached) child.stdout?.pipe(log, { end: false })
  child.stderr?.pipe(log, { end: false })
  child.once('error', (error) => log.write(`${error.message}\n`))
  return child
}

/** Keeps the process running until the signal, or until it ends well. Never rejects. */
async function superviseProcess(options: {
  readonly start: () => ChildProcess
  readonly signal: AbortSignal
  readonly delay: Delay
  readonly random: () => number
}): Promise<void> {
  const { start, signal, delay, random } = options
  let failures = 0
  while (!signal.aborted) {
    const startedAt = performance.now()
    const code = await runUntil(start(), signal)
    // Aborted meanwhile, or done with its work.
    if (signal.aborted || code === 0) return
    failures = performance.now() - startedAt > steadyMilliseconds ? 1 : failures + 1
    await delay(backoffMilliseconds(backoff, failures, random), signal).catch(() => {})
  }
}

/** The exit code; undefined for a process that a signal ended or that could not be started. */
async function runUntil(child: ChildProcess, signal: AbortSignal): Promise<number | undefined> {
  const closed = new Promise<number | undefined>((resolve) => {
    child.once('close', (code) => resolve(code ?? undefined))
  })
  let hard: NodeJS.Timeout | undefined
  const stop = (): void => {
    child.kill('SIGTERM')
    hard = setTimeout(() => child.kill('SIGKILL'), killMilliseconds)
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const code = await closed
  signal.removeEventListener('abort', stop)
  clearTimeout(hard)
  return code
}
