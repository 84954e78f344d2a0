import { isConflict } from '../kubernetes/api-error.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../kubernetes/backoff.ts'
import { startInformer } from '../kubernetes/informer.ts'
import { issuedCertificates, type IssuedCertificate } from '../kubernetes/issued-certificate.ts'
import { objectKey } from '../kubernetes/object-store.ts'
import { readObject } from '../kubernetes/objects.ts'
import { observeClient } from '../kubernetes/reachability.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import { createWorkQueue } from '../kubernetes/work-queue.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { createBoard, type Condition } from '../readiness.ts'
import { carryOut, type CarryOutOptions } from './carry-out.ts'
import { look, type Look, type LookOptions } from './look.ts'
import { nextStep } from './next-step.ts'
import { issuedRights } from './rights.ts'

export interface IssuedOptions extends LookOptions, CarryOutOptions {
  /** Of this one alone; of all when absent. */
  readonly namespace?: string | undefined
  /** The ClusterTrustBundle that anchors are read from; they come from elsewhere when absent. */
  readonly anchorsFrom?: string | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly random?: () => number
  readonly delay?: Delay
}

/** Keeps what the IssuedCertificates of a cluster ask for. */
export interface IssuedKeeper {
  /** Works until the signal aborts. What is cut short goes on at the next start. */
  run(signal: AbortSignal): Promise<void>
  conditions(): readonly Condition[]
}

const concurrency = 4
/** How often it is looked whether a request was answered: when a signer would have, then ever more seldom, as long as it takes. */
const awaitBackoff = { baseSeconds: 0.25, maxSeconds: 15 }
/** A refusal is no reason to ask again at once, nor to give up: what it lacks may be given. */
const retryBackoff = { baseSeconds: 10, maxSeconds: 600 }
const failureBackoff = { baseSeconds: 1, maxSeconds: 60 }
/** How often it is looked whether other anchors are published, and what the clock says. */
const lookSeconds = 30
const lostSecondsMax = 60
/** More than any way from nothing to a finished certificate takes. */
const stepsMax = 16

/** What is known of the waiting of one resource; nothing of it is needed after a restart. */
interface Waiting {
  /** Looks since something changed. */
  readonly looks: number
  readonly refusals: number
  /** When a key that was refused is forgotten; milliseconds. */
  readonly retryAt: number | undefined
}

const noWaiting: Waiting = { looks: 0, refusals: 0, retryAt: undefined }

export function createIssuedKeeper(options: IssuedOptions): IssuedKeeper {
  const { log, metrics, namespace, now, delay = realDelay, random = Math.random } = options
  const board = createBoard(['kubernetes', 'rights', 'watch issuedcertificates'])
  const client = observeClient(options.client, now)
  board.set('kubernetes', () => client.condition())
  return {
    conditions: () => board.list(),
    async run(signal) {
      await using opened = new AsyncDisposableStack()
      const wanted = issuedRights({ namespace, trustBundle: options.anchorsFrom })
      const rights = opened.use(watchRights({ client, rights: wanted, delay, random }))
      board.set('rights', () => rights.condition())
      const place = namespace === undefined ? {} : { namespace }
      const watched = opened.use(
        startInformer<IssuedCertificate>({
          client,
          resource: issuedCertificates,
          ...place,
          log,
          metrics,
        }),
      )
      board.set('watch issuedcertificates', () => watched.condition(lostSecondsMax))
      const work = createWork({ ...options, client, random })
      const queue = createWorkQueue({
        work,
        concurrency,
        backoff: failureBackoff,
        random,
        delay,
        log,
      })
      opened.defer(() => queue.close())
      const stop = watched.onEvent(({ object }) => queue.add(objectKey(object.metadata)))
      opened.defer(stop)
      await untilAborted(signal)
    },
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}

/** One look after the other, each with the one change that it asks for, until nothing is left to do now. */
export function createWork(
  options: IssuedOptions & { readonly random: () => number },
): (key: string, signal: AbortSignal) => Promise<void | { againSeconds: number }> {
  const waiting = new Map<string, Waiting>()
  return async (key, signal) => {
    const [namespace = '', name = ''] = key.split('/')
    for (let steps = 0; steps < stepsMax; steps += 1) {
      const certificate = await readObject(options.client, issuedCertificates, {
        namespace,
        name,
        signal,
      })
      if (certificate === undefined || certificate.metadata.deletionTimestamp !== undefined) {
        // Its Secret goes with it: it is the owner.
        waiting.delete(key)
        return undefined
      }
      const seen = await look(options, certificate, signal)
      const before = waiting.get(key) ?? noWaiting
      const next = await oneStep(options, seen, { before, signal })
      waiting.set(key, next.waiting)
      if (next.againSeconds !== undefined) return { againSeconds: next.againSeconds }
    }
    return { againSeconds: 1 }
  }
}

interface Next {
  readonly waiting: Waiting
  /** Undefined: looks again at once. */
  readonly againSeconds?: number
}

async function oneStep(
  options: IssuedOptions & { readonly random: () => number },
  seen: Look,
  { before, signal }: { readonly before: Waiting; readonly signal: AbortSignal },
): Promise<Next> {
  const { log, random, now } = options
  const { namespace, name } = seen.certificate.metadata
  const step = nextStep(seen)
  if (step.kind === 'rest') {
    const left = step.until === undefined ? lookSeconds : (step.until - now()) / 1000
    return { waiting: noWaiting, againSeconds: Math.max(1, Math.min(lookSeconds, left)) }
  }
  if (step.kind === 'await') {
    const looks = before.looks + 1
    const againSeconds = backoffMilliseconds(awaitBackoff, looks, random) / 1000
    return { waiting: { ...before, looks }, againSeconds }
  }
  const isDue = before.retryAt !== undefined && now() >= before.retryAt
  if (step.kind === 'retry' && !isDue) {
    const refusals = before.retryAt === undefined ? before.refusals + 1 : before.refusals
    const retryAt = before.retryAt ?? now() + backoffMilliseconds(retryBackoff, refusals, random)
    const againSeconds = Math.max(0.1, (retryAt - now()) / 1000)
    return { waiting: { looks: 0, refusals, retryAt }, againSeconds }
  }
  const change = step.kind === 'retry' ? ({ kind: 'forget' } as const) : step
  try {
    await carryOut(options, seen, { step: change, signal })
  } catch (error) {
    // Somebody was faster, or the answer to the same write was lost before: what stands there now tells.
    if (!isConflict(error)) throw error
    return { waiting: before, againSeconds: 0.1 + random() / 10 }
  }
  if (change.kind === 'tell') {
    const { state, error } = change.status
    if (state === 'Failed') log.warn({ namespace, name, why: error }, 'an IssuedCertificate failed')
    else log.info({ namespace, name, state }, 'an IssuedCertificate has another state')
  }
  const refusals = change.kind === 'take' ? 0 : before.refusals
  return {
    waiting: { looks: 0, refusals, retryAt: change.kind === 'tell' ? before.retryAt : undefined },
  }
}
