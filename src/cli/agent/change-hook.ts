import { spawn, type ChildProcess } from 'node:child_process'
import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'

/** What is configured to run after a change. */
export interface HookConfig {
  /** Program and arguments, without a shell. */
  readonly command: readonly string[]
  readonly timeoutSeconds: number
}

export interface ChangeHook {
  /** Runs it, or once more after the one that runs: nobody waits, and what changed last is told of last. */
  changed(): void
  /** Resolves when none runs. */
  idle(): Promise<void>
}

/** One at a time, until the signal aborts, which ends the one that runs. A failure is logged as `renewal/hook`. */
export function createChangeHook(
  hook: HookConfig,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): ChangeHook {
  let isDue = false
  let isRunning = false
  let ended = Promise.resolve()
  const work = async (): Promise<void> => {
    isRunning = true
    while (isDue && !signal.aborted) {
      isDue = false
      await runHook(hook, signal).catch((error: unknown) => {
        log.error({ error }, 'what is to run after a change has failed')
      })
    }
    isRunning = false
  }
  return {
    changed() {
      isDue = true
      if (!isRunning) ended = work()
    },
    idle: () => ended,
  }
}

/**
 * In a process group of its own, which is killed as a whole: a program may ignore every other signal, and so may what it has started. Nothing that it
 * says is read, and its arguments are told of nowhere: one that converts keys says keys. Throws `renewal/hook`.
 */
async function runHook({ command, timeoutSeconds }: HookConfig, stop: AbortSignal): Promise<void> {
  const [file = '', ...args] = command
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutSeconds * 1000)])
  const child = started(file, args)
  const kill = (): void => killGroup(child)
  signal.addEventListener('abort', kill)
  try {
    const why = await endOf(child)
    if (stop.aborted || why === undefined) return
    throw refused(signal.aborted ? `not ended in time, want=..${timeoutSeconds} s` : why)
  } finally {
    signal.removeEventListener('abort', kill)
  }
}

/** What Node says of arguments that it does not take quotes them. */
function started(file: string, args: readonly string[]): ChildProcess {
  try {
    return spawn(file, args, { stdio: 'ignore', detached: true })
  } catch (error) {
    throw refused(`cannot be started, got=${(error as NodeJS.ErrnoException).code ?? 'unknown'}`)
  }
}

/** Why it did not end well. */
function endOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    // Its message and its fields hold the arguments.
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(`cannot be started, got=${error.code ?? 'unknown'}`)
    })
    child.once('exit', (code, signal) => {
      resolve(code === 0 ? undefined : `has failed, want=exit code 0 got=${code ?? signal}`)
    })
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

function refused(why: string): CountersignError {
  return new CountersignError('renewal/hook', `afterChange.command: ${why}`, {
    hint: 'run it by hand in the container of the agent: nothing that it says is logged',
  })
}
