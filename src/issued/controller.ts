import { isConflict } from '../kubernetes/api-error.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../kubernetes/backoff.ts'
import { startInformer } from '../kubernetes/informer.ts'
import { issuedCertificates, type IssuedCertificate } from '../kubernetes/issued-certificate.ts'
import { objectKey } from '../kubernetes/object-store.ts'
import { recordEvent } from '../kubernetes/event.ts'
import { readObject } from '../kubernetes/objects.ts'
import { observeClient } from '../kubernetes/reachability.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import { createWorkQueue } from '../kubernetes/work-queue.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { RevocationSource } from '../pki/revocation.ts'
import { createBoard, type Condition } from '../readiness.ts'
import { carryOut, type CarryOutOptions, type Change } from './carry-out.ts'
import { look, type Look, type LookOptions } from './look.ts'
import { errorText, nextStep, type Step, type Told } from './next-step.ts'
import { createRestart } from './restart.ts'
import { issuedRights } from './rights.ts'

export interface IssuedOptions extends LookOptions, CarryOutOptions {
  readonly revocations?: RevocationSource | undefined
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
/** A disruption budget gives way when other pods are ready. */
const evictionBackoff = { baseSeconds: 1, maxSeconds: 60 }
/** Looks for a pod that is not ready, four to eight minutes of them, until that is told. */
const lateLooks = 40
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
      const wanted = issuedRights({
        namespace,
        trustBundle: options.anchorsFrom,
        bouncePods: options.bouncePods,
        revocations: options.revocations !== undefined,
      })
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
      const unheard = options.revocations?.onChange(() => {
        for (const { metadata } of watched.list()) queue.add(objectKey(metadata))
      })
      if (unheard !== undefined) opened.defer(unheard)
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
  const restart = createRestart(options)
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
      const next = await oneStep({ ...options, restart }, seen, { before, signal })
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

interface StepOptions extends IssuedOptions {
  readonly random: () => number
  readonly restart: ReturnType<typeof createRestart>
}

async function oneStep(
  options: StepOptions,
  seen: Look,
  { before, signal }: { readonly before: Waiting; readonly signal: AbortSignal },
): Promise<Next> {
  const { random, now } = options
  const step = nextStep(seen)
  if (step.kind === 'rest') {
    const left = step.until === undefined ? lookSeconds : (step.until - now()) / 1000
    return { waiting: noWaiting, againSeconds: Math.max(1, Math.min(lookSeconds, left)) }
  }
  if (step.kind === 'await') {
    const looks = before.looks + 1
    if (looks >= lateLooks && step.late !== undefined && isNews(seen, step.late)) {
      return changed(options, seen, { change: { kind: 'tell', status: step.late }, before, signal })
    }
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
  if (step.kind === 'evict') return evicted(options, seen, { step, before, signal })
  const change = step.kind === 'retry' ? ({ kind: 'forget' } as const) : step
  return changed(options, seen, { change, before, signal })
}

function isNews({ certificate: { status } }: Look, { error }: Told): boolean {
  return error !== status.error
}

async function changed(
  options: StepOptions,
  seen: Look,
  asked: { readonly change: Change; readonly before: Waiting; readonly signal: AbortSignal },
): Promise<Next> {
  const { change, before, signal } = asked
  try {
    await carryOut(options, seen, { step: change, signal })
  } catch (error) {
    // Somebody was faster, or the answer to the same write was lost before: what stands there now tells.
    if (!isConflict(error)) throw error
    return { waiting: before, againSeconds: 0.1 + options.random() / 10 }
  }
  if (change.kind === 'tell') await toldAlso(options, seen, { status: change.status, signal })
  const refusals = change.kind === 'take' ? 0 : before.refusals
  return {
    waiting: { looks: 0, refusals, retryAt: change.kind === 'tell' ? before.retryAt : undefined },
  }
}

async function evicted(
  options: StepOptions,
  seen: Look,
  asked: {
    readonly step: Extract<Step, { readonly kind: 'evict' }>
    readonly before: Waiting
    readonly signal: AbortSignal
  },
): Promise<Next> {
  const { step, before, signal } = asked
  const { log, random, restart } = options
  const { namespace, name: pod, uid } = step.pod
  const bounce = seen.kept === 'foreign' ? undefined : seen.kept.current?.bounce
  const outcome = await restart(seen.certificate, { bounce, uid, signal })
  if (outcome === 'evicted') {
    const { name } = seen.certificate.metadata
    log.info({ namespace, name, pod }, 'a pod is restarted for its new certificate')
    return { waiting: noWaiting }
  }
  const looks = before.looks + 1
  const waiting = { ...before, looks }
  if (outcome === 'changed') {
    return { waiting, againSeconds: backoffMilliseconds(awaitBackoff, looks, random) / 1000 }
  }
  const status = { ...step.told, error: errorText(outcome.refused) }
  if (isNews(seen, status)) {
    await changed(options, seen, { change: { kind: 'tell', status }, before, signal })
  }
  const pause = backoffMilliseconds(evictionBackoff, looks, random) / 1000
  return { waiting, againSeconds: Math.max(pause, outcome.afterSeconds) }
}

/** In the log, and in an Event where it is about pods: whoever watches those does not look here. */
async function toldAlso(
  { client, log, now }: StepOptions,
  { certificate: { metadata } }: Look,
  told: { readonly status: Told; readonly signal: AbortSignal },
): Promise<void> {
  const { status, signal } = told
  const { namespace = '', name, uid } = metadata
  const { state, error: why } = status
  if (why === undefined) {
    log.info({ namespace, name, state }, 'an IssuedCertificate has another state')
    return
  }
  if (state === 'Failed') {
    log.warn({ namespace, name, why }, 'an IssuedCertificate failed')
    return
  }
  log.warn({ namespace, name, why }, 'a pod is not restarted for its new certificate')
  const { group, version, kind } = issuedCertificates
  const event = {
    regarding: { apiVersion: `${group}/${version}`, kind, namespace, name, uid },
    type: 'Warning',
    reason: 'NotRestarted',
    message: why,
    component: 'countersign-issued-certificates',
    now,
    signal,
  } as const
  await recordEvent(client, event).catch((error: unknown) => {
    if (signal.aborted) throw error
    log.warn({ namespace, name, error }, 'an event is not recorded')
  })
}
