import { CountersignError } from '../../errors.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { backoffMilliseconds, realDelay, type Delay } from '../../kubernetes/backoff.ts'
import type { LeasePlace } from '../../kubernetes/lease.ts'
import type { ServerClock } from '../../kubernetes/server-clock.ts'
import type { Log } from '../../log.ts'
import type { Authority, AuthoritySource } from '../../pki/authority.ts'
import type { CaCertificate } from '../../pki/ca-certificate.ts'
import type { Condition } from '../../readiness.ts'
import {
  anchorsSinceAnnotation,
  createAnchorAges,
  createSeenAnchors,
  systemSteadyNow,
  type AnchorAges,
  type SeenAnchors,
} from './anchor-ages.ts'
import type { AnchorCopies } from './anchor-copies.ts'
import type { AnchorPlace, PublishedText } from './anchor-place.ts'
import { BundleLease } from './bundle-lease.ts'
import {
  bundleSequenceAnnotation,
  countAnchors,
  nextSequence,
  whileSeen,
  type CountedAnchors,
} from './bundle-sequence.ts'
import type { Delivery } from './delivery.ts'
import {
  formatAnchors,
  isPublished,
  mergeAnchors,
  readPublishedAnchors,
} from './published-anchors.ts'

/** How long a replica that says nothing keeps the others from publishing. */
const leaseSecondsDefault = 15

/** A lease has three chances to be renewed, and failures leave it as many. */
const rounds = 3

/**
 * How long readers have to take up an anchor that is added to those they have, unless told. Kubelet tells nobody what it has written, and
 * writes a changed bundle ten seconds to some minutes later (kubernetes#141439).
 */
const propagationSecondsDefault = 300

/** Between two looks at a bundle that another replica has to complete. */
const waitSeconds = 1

const leftToAnother = 'another replica holds the lease, and has not published our anchors yet'

const notReadAgain = 'authority was not read again, and its anchor may have been revoked'

export interface TrustBundlePublisher extends AsyncDisposable {
  /** Resolves when readers can have the anchors of the first authority; rejects when disposed before. */
  readonly published: Promise<void>
  /** The authority whose anchors readers have had time to take up: a new one signs nothing before, and the one before it signs on. */
  readonly authorities: AuthoritySource
  /** What was published at the last look; undefined while it has no number, and where that was too long ago. */
  counted(): CountedAnchors | undefined
  condition(): Condition
  /** Of the replica that writes the bundle now: for how long it has seen each anchor there. */
  held(): Delivery | undefined
}

export interface TrustBundleOptions {
  readonly client: ApiClient
  readonly place: AnchorPlace
  /** Who has them beside; nobody unless told. */
  readonly copies?: AnchorCopies | undefined
  readonly trustDomain: TrustDomain
  readonly authorities: AuthoritySource
  /** Of the replicas that share a lease one writes. */
  readonly lease: LeasePlace & {
    /** This replica, by a name that no other has. */
    readonly holder: string
    /** Whole seconds, default 15. */
    readonly durationSeconds?: number
  }
  /** From an anchor that is added to others until its authority signs, default 300; nobody waits for the first one. */
  readonly propagationSeconds?: number | undefined
  readonly log: Log
  /** What the API server says of it; gone by unless told. */
  readonly serverClock?: Pick<ServerClock, 'problem'> | undefined
  /** The wall clock, by which anchors end. */
  readonly now: () => number
  /** A clock that only goes forward, for the lease. */
  readonly steadyNow?: () => number
  readonly delay?: Delay
  readonly random?: () => number
}

/**
 * Keeps the place where the signer's anchors are published holding those of its authorities, together with those of others that are still valid:
 * before the first certificate, after every change, and every few seconds. Only the replica that holds the lease writes, and only on
 * difference, because every write reaches every kubelet. The others wait until they see their own anchors there.
 */
export function startTrustBundlePublisher(options: TrustBundleOptions): TrustBundlePublisher {
  return new Publisher(options)
}

class Publisher implements TrustBundlePublisher {
  readonly authorities: AuthoritySource
  readonly #options: TrustBundleOptions
  readonly #name: string
  readonly #leaseSeconds: number
  readonly #lease: BundleLease
  readonly #steadyNow: () => number
  readonly #ages: AnchorAges
  readonly #seen: SeenAnchors
  readonly #propagationSeconds: number
  readonly #closing = new AbortController()
  readonly #first = Promise.withResolvers<void>()
  readonly published: Promise<void> = this.#first.promise
  readonly #listeners = new Set<() => void>()
  readonly #stopListening: () => void
  readonly #done: Promise<void>
  #active: Authority | undefined
  /** What the bundle had at the last look. */
  #published: readonly CaCertificate[] = []
  #counted: CountedAnchors | undefined
  #wakeUp = new AbortController()
  /** Why the last round has not published what is in force. */
  #problem: string | undefined
  /** How long what is published has still to wait before it signs. */
  #waitSeconds = 0

  constructor(options: TrustBundleOptions) {
    this.#options = options
    this.#name = options.place.name
    const { client, lease, steadyNow = systemSteadyNow } = options
    this.#leaseSeconds = lease.durationSeconds ?? leaseSecondsDefault
    this.#steadyNow = steadyNow
    this.#ages = createAnchorAges({ now: options.now, steadyNow })
    this.#seen = createSeenAnchors(steadyNow)
    this.#propagationSeconds = options.propagationSeconds ?? propagationSecondsDefault
    const durationSeconds = this.#leaseSeconds
    const { log } = options
    this.#lease = new BundleLease({ client, ...lease, durationSeconds, now: steadyNow, log })
    this.authorities = {
      current: () => this.#current(),
      anchors: () => options.authorities.anchors(),
      onChange: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    }
    this.#stopListening = options.authorities.onChange(() => this.#wakeUp.abort())
    this.#first.promise.catch(() => {})
    this.#done = this.#run()
  }

  counted(): CountedAnchors | undefined {
    return whileSeen(this.#counted, this.#steadyNow())
  }

  condition(): Condition {
    const name = 'trust-bundle'
    const problem = this.#problem
    const waits = this.#waitSeconds
    if (this.#active === undefined && problem === undefined && waits > 0) {
      const reason = `${this.#name} is published, and readers have ${waits} s more to take it up`
      return { name, ok: false, reason }
    }
    if (this.#active === undefined) {
      return { name, ok: false, reason: `${this.#name} is not published: ${problem ?? 'not yet'}` }
    }
    if (!isPublished(this.#active, this.#published)) {
      const why = problem === undefined ? '' : `: ${problem}`
      return { name, ok: false, reason: `${this.#lacking}${why}` }
    }
    const reason = `${this.#name} is published`
    if (problem === undefined && waits > 0) {
      return { name, ok: true, reason: `${reason}; a new authority signs in ${waits} s` }
    }
    if (problem === undefined) return this.#withCopies({ name, ok: true, reason })
    return { name, ok: false, reason: `${reason}, but not renewed: ${problem}`, optional: true }
  }

  /** Known to the replica that writes them. */
  #withCopies(condition: Condition): Condition {
    const lacking = this.#lease.isHeld() ? this.#options.copies?.problem() : undefined
    if (lacking === undefined) return condition
    return { ...condition, ok: false, reason: `${condition.reason}; ${lacking}`, optional: true }
  }

  held(): Delivery | undefined {
    if (!this.#lease.isHeld()) return undefined
    return { bundle: this.#name, secondsOf: (sha256) => this.#seen.secondsOf(sha256) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening()
    this.#closing.abort()
    const stopped = new CountersignError('signer/stopped', 'trust bundle publisher is stopped')
    this.#first.reject(stopped)
    await this.#done
    await this.#lease.release()
  }

  /** Somebody deleted it, or a revoked authority has not been replaced here yet: what is signed with it nobody trusts. */
  get #lacking(): string {
    return `${this.#name} lacks the anchor of what signs`
  }

  #current(): Authority {
    const { authorities } = this.#options
    const active = this.#active
    if (active !== undefined && !isPublished(active, this.#published)) {
      throw new CountersignError('pki/authority-unavailable', this.#lacking)
    }
    if (active !== undefined) {
      // Says itself why nothing signs, when what may sign is not known any more.
      if (authorities.rotation !== undefined) authorities.current()
      if (authorities.rotation?.maySign(active) !== false) return active
    }
    const waits = this.#waitSeconds
    const why =
      waits > 0
        ? `trust bundle is published, and readers have ${waits} s more to take it up`
        : 'trust bundle is not published yet'
    throw new CountersignError('pki/authority-unavailable', why)
  }

  async #run(): Promise<void> {
    const { log, delay = realDelay, random = Math.random } = this.#options
    const roundSeconds = this.#leaseSeconds / rounds
    const backoff = { baseSeconds: 0.5, maxSeconds: roundSeconds }
    let failures = 0
    while (!this.#closing.signal.aborted) {
      // Before the authority is looked at, so that no change falls between.
      this.#wakeUp = new AbortController()
      const signal = AbortSignal.any([this.#closing.signal, this.#wakeUp.signal])
      let milliseconds: number
      try {
        const published = await this.#round()
        milliseconds = (published ? roundSeconds : waitSeconds) * 1000
        this.#problem = published ? undefined : leftToAnother
        failures = 0
      } catch (error) {
        if (this.#closing.signal.aborted) return
        failures += 1
        this.#problem = error instanceof Error ? error.message : String(error)
        log.warn({ name: this.#name, failures, error }, 'trust bundle is not published')
        milliseconds = backoffMilliseconds(backoff, failures, random)
      }
      await delay(milliseconds, signal).catch(() => {})
    }
  }

  /** True when the anchors of the authority in force are published. */
  async #round(): Promise<boolean> {
    const { place, trustDomain, authorities, now, serverClock } = this.#options
    const { authority, unavailable } = this.#inForce()
    const own = authorities.anchors()
    // Counted from before the lease is taken: a write that is still under way when it ends is somebody else's to make.
    const ends = AbortSignal.timeout(this.#leaseSeconds * 1000)
    const signal = AbortSignal.any([this.#closing.signal, ends])
    const present = await place.read(signal)
    const published = readPublishedAnchors(present?.text ?? '', trustDomain)
    const annotation = present?.metadata.annotations[anchorsSinceAnnotation]
    this.#ages.see(published, annotation)
    this.#published = published
    const number = present?.metadata.annotations[bundleSequenceAnnotation]
    this.#counted = countAnchors(published, {
      trustBundle: present?.text ?? '',
      annotation: number,
      seenAt: this.#steadyNow(),
    })
    this.#seen.look(published)
    // Without the lease as well: who finds its anchors published signs, whatever becomes of the lease.
    const seen = authority !== undefined && this.#activate(authority, published)
    const unfit = (): string | undefined =>
      authorities.rotation?.isFresh() === false ? notReadAgain : serverClock?.problem()
    const late = unfit()
    if (late !== undefined) return this.#leave(seen, late)
    if (!(await this.#lease.hold(signal, !seen && unavailable === undefined))) {
      if (unavailable !== undefined) throw unavailable
      return seen
    }
    // The Lease was answered meanwhile, and a clock may have been set.
    const later = unfit()
    if (later !== undefined) return this.#leave(seen, later)
    const before = present ?? (await place.before(signal))
    const known =
      present === undefined ? readPublishedAnchors(before?.text ?? '', trustDomain) : published
    const withdrawn = authorities.rotation?.withdrawn() ?? []
    const anchors = mergeAnchors({ published: known, own, withdrawn, now: now() })
    if (anchors.length === 0) {
      throw new CountersignError('pki/authority-unavailable', 'authority has no anchor left')
    }
    await this.#write(anchors, { present, known, said: before?.metadata.annotations ?? {}, signal })
    if (unavailable !== undefined) throw unavailable
    return authority !== undefined && this.#activate(authority, anchors)
  }

  /**
   * Readers of copies have what is added before it counts as published, which is what others wait by; what is taken away goes first from where all
   * replicas read.
   */
  async #write(
    anchors: readonly CaCertificate[],
    before: {
      readonly present: PublishedText | undefined
      readonly known: readonly CaCertificate[]
      readonly said: Readonly<Record<string, string>>
      readonly signal: AbortSignal
    },
  ): Promise<void> {
    const { place, copies, log, now } = this.#options
    const { present, known, said, signal } = before
    const text = formatAnchors(anchors)
    const kept = new Set(anchors.map(({ sha256 }) => sha256))
    const takesAway = known.some(({ sha256 }) => !kept.has(sha256))
    if (!takesAway) await copies?.spread(text, signal)
    const since = this.#ages.annotationOf(anchors, known, said[anchorsSinceAnnotation])
    const next = nextSequence(text, { before: said[bundleSequenceAnnotation], now: now() })
    const annotations = { [anchorsSinceAnnotation]: since, [bundleSequenceAnnotation]: next }
    const again = this.#counted === undefined
    const change = await place.write({ present, text, annotations, again, signal })
    if (change !== 'unchanged') {
      log.info(
        { trustBundle: place.name, change, anchors: anchors.length },
        'trust bundle is published',
      )
      this.#ages.see(anchors, since)
      const seenAt = this.#steadyNow()
      this.#counted = countAnchors(anchors, { trustBundle: text, annotation: next, seenAt })
    }
    this.#published = anchors
    this.#seen.look(anchors)
    if (takesAway) await copies?.spread(text, signal)
  }

  /** Where a journal says what follows an authority that has ended, its anchors are published without one that signs. */
  #inForce(): { readonly authority?: Authority; readonly unavailable?: Error } {
    const { authorities } = this.#options
    try {
      return { authority: authorities.current() }
    } catch (error) {
      if (authorities.rotation?.isFresh() === true && error instanceof Error)
        return { unavailable: error }
      throw error
    }
  }

  /**
   * To those who know what is in force. An anchor that is missing here may have been revoked since, so the lease is neither taken nor
   * renewed, and nothing is written.
   */
  #leave(seen: boolean, why: string): boolean {
    this.#lease.leave()
    if (seen) return true
    throw new CountersignError('pki/authority-unavailable', why)
  }

  /** Puts an authority in force whose anchors readers have had time to take up. True when they are all published. */
  #activate(authority: Authority, published: readonly CaCertificate[]): boolean {
    if (!isPublished(authority, published)) return false
    const known = new Map(published.map(({ der, sha256 }) => [der.toString('latin1'), sha256]))
    const ages = authority.anchors.map((anchor) =>
      this.#ages.ageOf(known.get(anchor.toString('latin1')) ?? ''),
    )
    const isDelivered = this.#options.authorities.rotation?.isDelivered(authority) === true
    const wanted = isDelivered ? 0 : this.#propagationSeconds
    this.#waitSeconds = Math.max(0, Math.ceil(wanted - Math.min(...ages) / 1000))
    // Who signs already goes on: its anchors were waited for.
    if (this.#waitSeconds > 0 && this.#active !== authority) return true
    this.#waitSeconds = 0
    const changed = this.#active !== authority
    this.#active = authority
    this.#first.resolve()
    if (changed) for (const listener of this.#listeners) listener()
    return true
  }
}
