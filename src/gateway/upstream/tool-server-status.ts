import { cut } from '../../errors.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { ApiError, isConflict, isNotFound } from '../../kubernetes/api-error.ts'
import type { Delay } from '../../kubernetes/backoff.ts'
import { mergeObject } from '../../kubernetes/objects.ts'
import { createWorkQueue } from '../../kubernetes/work-queue.ts'
import type { Log } from '../../log.ts'
import { isAccepted, type Chosen, type ToolServerVerdict } from './tool-server.ts'
import { toolServerResource, type ToolServerWatch } from './tool-server-watch.ts'

/** Says in the status of each ToolServer whether it is served, and why not. */
export interface StatusWriter extends AsyncDisposable {
  /** This is what was chosen now. */
  tell(chosen: Chosen): void
}

export interface StatusWriterOptions {
  readonly client: ApiClient
  readonly source: Pick<ToolServerWatch, 'find' | 'onStatus'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Log
  readonly random?: () => number
  readonly delay?: Delay
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
}

/** Replicas wait so long at most, each for another time: mostly the first has said it before the others would. */
const spreadSeconds = 1
/** The API server counts what one user asks for: a thousand new ToolServers are told of one after the other. */
const concurrency = 2
const backoff = { baseSeconds: 1, maxSeconds: 300 }
const withoutRightSeconds = 300

/**
 * Who writes is nobody's office: each replica looks whether an object says what it would say, and writes only where not. So replicas of
 * one mind write once, and two gateways that do not agree about an object write ever more seldom.
 */
export function startStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { client, source, now, log, random = Math.random } = options
  const { clock = () => performance.now() } = options
  const pauses = createPauses(clock)
  let verdicts: ReadonlyMap<string, ToolServerVerdict> = new Map()
  let isMissed = false

  /** The conditions that an object is to have; undefined where it has them, or nobody has judged what it is now. */
  function missing(key: string): ReturnType<typeof nextConditions> {
    const object = source.find(key)
    const verdict = verdicts.get(key)
    return object === undefined || verdict?.generation !== object.toolServer.generation
      ? undefined
      : nextConditions(object.conditions, verdict, now())
  }
  async function work(key: string, signal: AbortSignal): Promise<void | { againSeconds: number }> {
    const object = source.find(key)
    const conditions = missing(key)
    if (object === undefined || conditions === undefined) return
    const againSeconds = pauses.left(key)
    if (againSeconds > 0) return { againSeconds }
    const { metadata } = object
    const patch = { status: { conditions } }
    const subresource = 'status'
    try {
      await mergeObject(client, toolServerResource, { metadata, patch, subresource, signal })
      pauses.written(key)
    } catch (error) {
      // It has changed: the watch tells of it. Or it is gone, or is served by a definition that has no status.
      if (isConflict(error) || isNotFound(error)) return
      if (!(error instanceof ApiError) || error.status !== 403) throw error
      if (!isMissed) log.warn({ error }, 'tool servers are not told whether they are served')
      isMissed = true
      return { againSeconds: withoutRightSeconds }
    }
  }
  const queue = createWorkQueue({ ...options, random, clock, work, concurrency, backoff })
  const look = (key: string): void => {
    if (missing(key) !== undefined) queue.add(key, { afterSeconds: random() * spreadSeconds })
  }
  source.onStatus(look)
  return {
    tell(chosen) {
      verdicts = new Map(chosen.verdicts.map((verdict) => [verdict.object, verdict]))
      pauses.keep(verdicts)
      for (const key of verdicts.keys()) look(key)
    },
    [Symbol.asyncDispose]: () => queue.close(),
  }
}

const messageCharactersMax = 1000

/** metav1.Condition. Others' conditions stay as they are. Undefined: nothing changes. */
export function nextConditions(
  observed: readonly unknown[],
  verdict: ToolServerVerdict,
  now: number,
): readonly unknown[] | undefined {
  const old = observed.find(isOurs)
  const said = {
    type: 'Accepted',
    status: isAccepted(verdict) ? 'True' : 'False',
    reason: verdict.reason,
    message: cut(verdict.message, messageCharactersMax),
    observedGeneration: verdict.generation,
  }
  if (Object.entries(said).every(([member, value]) => old?.[member] === value)) return undefined
  // When it became true or false, and not when it was said in other words.
  const lastTransitionTime =
    old?.['status'] === said.status && typeof old['lastTransitionTime'] === 'string'
      ? old['lastTransitionTime']
      : `${new Date(now).toISOString().slice(0, 19)}Z`
  return [...observed.filter((condition) => !isOurs(condition)), { ...said, lastTransitionTime }]
}

function isOurs(condition: unknown): condition is Readonly<Record<string, unknown>> {
  return (
    typeof condition === 'object' &&
    condition !== null &&
    (condition as { readonly type?: unknown }).type === 'Accepted'
  )
}

/** Whoever changes an object by hand has an answer at once for so many changes. */
const freeWrites = 4
const pauseSecondsMin = 5
const pauseSecondsMax = 600

interface Pauses {
  /** Seconds until the object may be written again. */
  left(key: string): number
  written(key: string): void
  /** Forgets all others. */
  keep(keys: ReadonlyMap<string, unknown>): void
}

function createPauses(clock: () => number): Pauses {
  const written = new Map<string, { readonly times: number; readonly at: number }>()
  const seconds = (times: number): number =>
    times < freeWrites
      ? 0
      : Math.min(pauseSecondsMin * 2 ** Math.min(times - freeWrites, 20), pauseSecondsMax)
  const since = (at: number): number => (clock() - at) / 1000
  return {
    left(key) {
      const last = written.get(key)
      return last === undefined ? 0 : Math.max(0, seconds(last.times) - since(last.at))
    },
    written(key) {
      const last = written.get(key)
      const isRow = last !== undefined && since(last.at) < 2 * pauseSecondsMax
      written.set(key, { times: isRow ? last.times + 1 : 1, at: clock() })
    },
    keep(keys) {
      for (const key of written.keys()) {
        if (!keys.has(key)) written.delete(key)
      }
    },
  }
}
