import {
  createLeaseHolder,
  type LeaseHolder,
  type LeaseHolderOptions,
} from '../../kubernetes/lease.ts'
import type { Log } from '../../log.ts'

const releaseSeconds = 2

/** The lease of the replicas that publish one bundle: the one that holds it writes. */
export class BundleLease {
  readonly #options: LeaseHolderOptions & { readonly log: Log }
  readonly #holder: LeaseHolder
  /** Undefined while it is not known: an answer may have been lost. */
  #holds: boolean | undefined
  /** Since when it is ours, until it ends by itself. */
  #heldAt = -Infinity
  /** Since when another replica holds it and has not published our anchors. */
  #leftSince: number | undefined

  constructor(options: LeaseHolderOptions & { readonly log: Log }) {
    this.#options = options
    this.#holder = createLeaseHolder(options)
  }

  isHeld(): boolean {
    const { durationSeconds, now } = this.#options
    return now() - this.#heldAt < durationSeconds * 1000
  }

  /**
   * Takes it or renews it, and answers whether it is ours now. A holder that works publishes what it has within a lease: where anchors are missed
   * for longer, its authority is another one, as while a release is given a new CA, one replica after the other: it would wait for us to be
   * ready, and we for it to end. So it is taken over; what its holder has published stays when we write.
   */
  async hold(signal: AbortSignal, missesAnchors: boolean): Promise<boolean> {
    const { name: lease, durationSeconds, now, log } = this.#options
    if (!missesAnchors) this.#leftSince = undefined
    const before = this.#holds
    this.#holds = undefined
    // Before it is asked for: it lasts no longer than from then.
    const askedAt = now()
    const overdue = askedAt - (this.#leftSince ?? Infinity) >= durationSeconds * 1000
    if (overdue)
      log.info(
        { lease },
        'trust bundle lease is taken over: its holder does not publish our anchors',
      )
    const holds = await (overdue ? this.#holder.takeOver(signal) : this.#holder.tryHold(signal))
    this.#holds = holds
    this.#heldAt = holds ? askedAt : -Infinity
    if (holds) this.#leftSince = undefined
    else if (missesAnchors) this.#leftSince ??= now()
    if (holds !== before) log.info({ lease, holds }, 'trust bundle lease was asked for')
    return holds
  }

  /** It is neither taken nor renewed: others have it once it ends. */
  leave(): void {
    this.#holds = undefined
    this.#heldAt = -Infinity
    this.#leftSince = undefined
  }

  /** A lease that cannot be given back ends by itself. */
  async release(): Promise<void> {
    if (this.#holds === false) return
    await this.#holder.release(AbortSignal.timeout(releaseSeconds * 1000)).catch(() => {})
  }
}
