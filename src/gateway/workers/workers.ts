import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Metrics, MetricsSnapshot } from '../../metrics.ts'
import type { Condition } from '../../readiness.ts'
import { createCounts } from './counts.ts'
import type { FromWorker, StartFailure, WorkerPages, WorkerProcess } from './messages.ts'
import { openPlace, type After, type Place } from './place.ts'

/** Several processes that serve one port, and are one gateway to whoever looks. */
export interface Workers {
  /** Resolves when each has begun once; rejects with the first failure until then. */
  readonly begun: Promise<void>
  /** Of all together: what one of them lacks is lacking. */
  conditions(): readonly Condition[]
  /** As the first has it that has it: what they show is the same. */
  page(path: string): WorkerPages[string]
  snapshots(): Promise<readonly MetricsSnapshot[]>
  /** Tells all to drain, and waits for them. */
  end(): Promise<void>
}

export interface WorkersOptions<Settings> {
  readonly count: number
  readonly fork: () => WorkerProcess<Settings>
  /** For the worker of this number, from 1 on. */
  readonly settingsOf: (number: number) => Settings
  /** How long they may take to end, when they are told to. */
  readonly endMilliseconds: number
  /** Told what a worker says of what it does, with how to answer it. */
  readonly carried?: (number: number, message: unknown, answer: (message: unknown) => void) => void
  /** Told that the process of a worker has ended: what follows is of another one. */
  readonly gone?: (number: number) => void
  readonly after?: After
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}

const afterTimeout: After = (milliseconds, work) => {
  const timer = setTimeout(work, milliseconds)
  return () => clearTimeout(timer)
}

/** Starts the workers, and starts again whoever ends. */
export function createWorkers<Settings>(options: WorkersOptions<Settings>): Workers {
  const { count, settingsOf, log, metrics, after = afterTimeout } = options
  const begun = Promise.withResolvers<void>()
  const nobody = Promise.withResolvers<void>()
  const places: Place<Settings>[] = []
  const counts = createCounts(places, after)
  let hasBegun = false
  let ending = false

  function heard(number: number, message: FromWorker): void {
    if (message.kind === 'counted') counts.counted(number, message.ask, message.snapshot)
    if (message.kind === 'carried') carry(places[number - 1], message.message, options)
    if (message.kind === 'failed') failed(number, message.failure)
    const all =
      places.length === count && places.every(({ conditions }) => conditions !== undefined)
    if (message.kind !== 'state' || !all) return
    hasBegun = true
    begun.resolve()
  }
  function failed(number: number, failure: StartFailure): void {
    if (hasBegun) {
      log.error({ worker: number, ...detailOf(failure) }, 'worker could not begin')
      return
    }
    // Whoever started us tells it, once: the others would only say the same.
    for (const place of places) place.close()
    begun.reject(errorOf(failure))
  }
  function exited(number: number, how: string): void {
    counts.retire(number)
    options.gone?.(number)
    if (ending) {
      if (!places.some(({ hasProcess }) => hasProcess)) nobody.resolve()
      return
    }
    metrics.count('countersign_gateway_worker_exits_total')
    begun.reject(new Error(`worker ${number} has ended before it began: ${how}`))
  }

  // Who waits for it is told, and nobody else has to.
  begun.promise.catch(() => {})
  for (let number = 1; number <= count; number += 1) {
    const own = {
      number,
      settings: settingsOf(number),
      after,
      heard: (message: FromWorker): void => heard(number, message),
      exited: (how: string): void => exited(number, how),
    }
    places.push(openPlace({ ...options, ...own }))
  }
  return {
    begun: begun.promise,
    conditions: () => [workersState(places), ...together(places)],
    page: (path) => places.find(({ pages }) => pages[path] !== undefined)?.pages[path],
    snapshots: () => counts.snapshots(),
    async end() {
      ending = true
      for (const place of places) place.close()
      const left = places.filter(({ hasProcess }) => hasProcess)
      if (left.length === 0) return
      for (const place of left) place.tell({ kind: 'end' })
      const cancel = after(options.endMilliseconds, () => {
        for (const place of places) place.kill()
      })
      await nobody.promise
      cancel()
    },
  }
}

function carry<Settings>(
  place: Place<Settings> | undefined,
  message: unknown,
  { carried }: WorkersOptions<Settings>,
): void {
  if (place === undefined) return
  carried?.(place.number, message, (answer) => place.tell({ kind: 'carried', message: answer }))
}

function detailOf({ code, message }: StartFailure): object {
  return { code, detail: message }
}

function errorOf({ code, message, hint }: StartFailure): Error {
  if (code === undefined) return new Error(message)
  return new CountersignError(code, message, hint === undefined ? {} : { hint })
}

type Seen = Pick<Place<never>, 'number' | 'conditions' | 'ended'>

function workersState(places: readonly Seen[]): Condition {
  const name = 'workers'
  const missing = places.filter(({ conditions }) => conditions === undefined)
  if (missing.length === 0) return { name, ok: true, reason: `${places.length} serve` }
  const reason = missing
    .map(({ number, ended }) =>
      ended === undefined ? `worker ${number} begins` : `worker ${number} has ended: ${ended}`,
    )
    .join(', ')
  return { name, ok: false, reason }
}

/** Each condition once: as all have it, or as the first has it that lacks it. */
function together(places: readonly Seen[]): readonly Condition[] {
  const all = places.flatMap(({ number, conditions = [] }) =>
    conditions.map((condition) => ({ number, condition })),
  )
  const names = new Set(all.map(({ condition }) => condition.name))
  return [...names].flatMap((name) => {
    const own = all.filter(({ condition }) => condition.name === name)
    const lacking = own.filter(({ condition }) => !condition.ok)
    const worst = lacking.find(({ condition }) => condition.optional !== true) ?? lacking[0]
    if (worst === undefined) return own.slice(0, 1).map(({ condition }) => condition)
    const { number, condition } = worst
    return [{ ...condition, reason: `worker ${number}: ${condition.reason}` }]
  })
}
