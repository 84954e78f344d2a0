import { createListeners } from '../listeners.ts'
import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Bundle } from '../pki/bundle.ts'
import type { Condition } from '../readiness.ts'
import { fetchBundleDocument, type EndpointProof } from './fetch-bundle.ts'
import { parseBundleDocument, type BundleDocument } from './parse-bundle.ts'

/** The bundle of another trust domain, as its endpoint says it is. */
export interface FollowedBundle extends AsyncDisposable {
  /** Undefined until it was read once, and again when it was last read too long ago: nobody of that trust domain is known then. */
  current(): Bundle | undefined
  condition(): Condition
  /** Calls the listener after each change, also when it has become too old; gives what ends that. */
  onChange(listener: () => void): () => void
}

/** Between two reads: a hint is followed within these bounds (SPIFFE Federation §6.2), five minutes without one. */
const refreshSeconds = { min: 10, max: 3600, without: 300 } as const
/** After a failure, doubled with each, never longer than until the next read. */
const retrySeconds = 5

/** Part of a wait, at random, so that gateways that started together do not ask together. */
const jitter = 0.1

export interface FollowOptions {
  readonly trustDomain: TrustDomain
  readonly url: URL
  /** What the endpoint is known by, given the bundle that was read last. */
  readonly proofOf: (last: Bundle | undefined) => EndpointProof
  /** So long the last good one is used. */
  readonly ageSecondsMax: number
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
  /** Resolves after so many milliseconds, or rejects when the signal aborts. */
  readonly delay: (milliseconds: number, signal: AbortSignal) => Promise<void>
  readonly random?: () => number
}

/**
 * Follows the bundle at an endpoint, keeping the last good one for so long. What is older than the one in force is refused. It is
 * never merged with another: each trust domain has its own.
 */
export function followBundle(options: FollowOptions): FollowedBundle {
  return new Follower(options)
}

class Follower implements FollowedBundle {
  readonly onChange: FollowedBundle['onChange']
  readonly #options: FollowOptions
  readonly #clock: () => number
  readonly #listeners = createListeners()
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  #known: { readonly document: BundleDocument; readonly at: number } | undefined
  /** The bundle that the endpoint was known by when it was read last. */
  #provedBy: Bundle | undefined
  /** Why the last read gave nothing. */
  #problem: string | undefined
  #tooOld: NodeJS.Timeout | undefined

  constructor(options: FollowOptions) {
    this.#options = options
    this.#clock = options.clock ?? ((): number => performance.now())
    this.onChange = this.#listeners.onChange
    this.#done = this.#run()
  }

  current(): Bundle | undefined {
    return this.#isFresh ? this.#known?.document.bundle : undefined
  }

  condition(): Condition {
    const { trustDomain } = this.#options
    const isFresh = this.#isFresh
    return conditionOf({
      trustDomain,
      problem: this.#problem,
      isFresh,
      ...this.#known?.document,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#tooOld)
    this.#listeners.clear()
    await this.#done
  }

  get #isFresh(): boolean {
    const { ageSecondsMax } = this.#options
    const known = this.#known
    return known !== undefined && this.#clock() - known.at < ageSecondsMax * 1000
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    const { trustDomain, delay, metrics, log, random = Math.random } = this.#options
    let failures = 0
    while (!signal.aborted) {
      let seconds: number
      let result: 'read' | 'failed' = 'read'
      try {
        await this.#read()
        failures = 0
        this.#problem = undefined
        seconds = boundedRefresh(this.#known?.document.refreshHintSeconds)
      } catch (error) {
        if (signal.aborted) return
        result = 'failed'
        this.#problem = error instanceof Error ? error.message : String(error)
        const refresh = boundedRefresh(this.#known?.document.refreshHintSeconds)
        seconds = Math.min(refresh, retrySeconds * 2 ** Math.min(failures, 10))
        failures += 1
        log.warn({ trustDomain, failures, error }, 'bundle of another trust domain is not read')
      }
      metrics.count('countersign_federation_reads_total', { trust_domain: trustDomain, result })
      await delay(seconds * 1000 * (1 - jitter * random()), signal).catch(() => {})
    }
  }

  async #read(): Promise<void> {
    const { trustDomain, url, proofOf, ageSecondsMax, log, now } = this.#options
    const known = this.#known?.document
    const proof = proofOf(known?.bundle)
    const text = await fetchBundleDocument({ url, proof, now, signal: this.#closing.signal })
    const document = parseBundleDocument(text, trustDomain)
    const provedBy = proof.profile === 'https_spiffe' ? proof.bundle : undefined
    // Whoever gives another first bundle begins anew; a number that was too high would shut its trust domain out for ever.
    const isGivenAnew = provedBy !== known?.bundle && provedBy !== this.#provedBy
    if (this.#isFresh && !isGivenAnew) refuseOlder(document, known)
    this.#provedBy = provedBy
    const isChanged = !this.#isFresh || known?.bundle.pem !== document.bundle.pem
    // What is the same stays the same object: nobody verifies anew for it.
    const bundle = isChanged ? document.bundle : (known?.bundle ?? document.bundle)
    this.#known = { document: { ...document, bundle }, at: this.#clock() }
    clearTimeout(this.#tooOld)
    this.#tooOld = setTimeout(this.#listeners.tell, ageSecondsMax * 1000 + 1).unref()
    if (!isChanged) return
    const anchors = bundle.anchors.length
    const sequence = String(document.sequence)
    log.info({ trustDomain, anchors, sequence }, 'bundle of another trust domain is in force')
    this.#listeners.tell()
  }
}

/** A warning only: the others are served. */
function conditionOf(state: {
  readonly trustDomain: string
  readonly problem: string | undefined
  readonly isFresh: boolean
  readonly bundle?: Bundle
}): Condition {
  const { trustDomain, problem, isFresh, bundle } = state
  const name = `trust-domain ${trustDomain}`
  const anchors = bundle?.anchors.length ?? 0
  if (isFresh && anchors > 0) {
    const reason = `has ${anchors} anchors`
    return problem === undefined
      ? { name, ok: true, reason }
      : { name, ok: false, optional: true, reason: `${reason}, but not the newest: ${problem}` }
  }
  const why = isFresh ? 'its bundle has no anchor' : (problem ?? 'its bundle is not read yet')
  return { name, ok: false, optional: true, reason: `nobody of it is let in: ${why}` }
}

function boundedRefresh(hintSeconds: number | undefined): number {
  const { min, max, without } = refreshSeconds
  return Math.min(max, Math.max(min, hintSeconds ?? without))
}

/** An anchor that was withdrawn does not come back by an answer of before; what is in force no more forbids nothing. */
function refuseOlder(document: BundleDocument, known: BundleDocument | undefined): void {
  const before = known?.sequence
  if (before === undefined) return
  if (document.sequence !== undefined && document.sequence >= before) return
  throw new CountersignError(
    'federation/bundle',
    `bundle document is older than what was read before, want=${before}.. got=${document.sequence ?? 'no sequence'}`,
  )
}
