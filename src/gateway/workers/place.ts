import type { Log } from '../../log.ts'
import type { Condition } from '../../readiness.ts'
import type { FromWorker, ToWorker, WorkerPages, WorkerProcess } from './messages.ts'

/** Does the work once, so many milliseconds from now; gives how to give it up. */
export type After = (milliseconds: number, work: () => void) => () => void

/** The place of one worker: a process at a time, the next one when it has ended. */
export interface Place<Settings> {
  readonly number: number
  /** What it said last; undefined while there is none that has begun. */
  readonly conditions: readonly Condition[] | undefined
  readonly pages: WorkerPages
  /** How the last one ended, as long as there is no other. */
  readonly ended: string | undefined
  readonly hasProcess: boolean
  tell(message: ToWorker<Settings>): void
  kill(): void
  /** No other one follows. */
  close(): void
}

export interface PlaceOptions<Settings> {
  readonly number: number
  readonly fork: () => WorkerProcess<Settings>
  readonly settings: Settings
  readonly heard: (message: FromWorker) => void
  readonly exited: (how: string) => void
  readonly after: After
  readonly now: () => number
  readonly log: Log
}

/** The wait before a worker that has ended is started again; it doubles up to the most. */
const restartMillisecondsMin = 500
const restartMillisecondsMax = 30_000
/** Whoever has worked for so long has nothing of the end before in it. */
const steadyMilliseconds = 60_000
/** A worker that says nothing for so long does nothing either. */
const silentMillisecondsMax = 30_000

/** Starts a worker, and starts it again when it ends: unasked, or ended here because it has fallen silent. */
export function openPlace<Settings>(options: PlaceOptions<Settings>): Place<Settings> {
  const { number, fork, settings, after, now, log } = options
  let process: WorkerProcess<Settings> | undefined
  let state: Extract<FromWorker, { kind: 'state' }> | undefined
  let ended: string | undefined
  let forkedAt = 0
  let restarts = 0
  let closed = false
  let cancel = (): void => {}

  function watch(): void {
    cancel()
    cancel = after(silentMillisecondsMax, () => {
      log.error({ worker: number }, 'worker says nothing and is ended')
      process?.kill()
    })
  }
  function start(): void {
    forkedAt = now()
    ended = undefined
    process = fork()
    watch()
    process.onMessage(hear)
    process.onExit(exit)
  }
  function hear(message: FromWorker): void {
    watch()
    if (message.kind === 'here') process?.send({ kind: 'begin', settings })
    if (message.kind === 'state') state = message
    options.heard(message)
  }
  function exit(how: string): void {
    cancel()
    process = undefined
    state = undefined
    ended = how
    if (!closed) startLater(how)
    options.exited(how)
  }
  function startLater(how: string): void {
    if (now() - forkedAt > steadyMilliseconds) restarts = 0
    const milliseconds = Math.min(restartMillisecondsMin * 2 ** restarts, restartMillisecondsMax)
    restarts += 1
    log.error({ worker: number, how, milliseconds }, 'worker has ended and is started again')
    cancel = after(milliseconds, start)
  }

  start()
  return {
    number,
    get conditions() {
      return state?.conditions
    },
    get pages() {
      return state?.pages ?? {}
    },
    get ended() {
      return ended
    },
    get hasProcess() {
      return process !== undefined
    },
    tell: (message) => process?.send(message),
    kill: () => process?.kill(),
    close() {
      closed = true
      if (process === undefined) cancel()
    },
  }
}
