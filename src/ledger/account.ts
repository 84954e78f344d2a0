import type { IssuanceApproval, IssuanceIntent, LoggedRecord, SegmentHead } from './record.ts'

/** What the records so far leave to those that follow: a segment's head hands it on. */
export class Account {
  /** With the time of the intent, where it was read. */
  readonly #unsettled = new Map<number, number>()
  #heldUntil = -Infinity
  #removedBefore = 0
  #toldAt = -1
  #vouchedTime = -Infinity

  /** Records in their order. One that may be another's vouches for no time. */
  look(index: number, record: LoggedRecord, isVouched = true): void {
    switch (record.kind) {
      case 'issuance-intent':
        this.#unsettled.set(index, isVouched ? timeOf(record) : -Infinity)
        this.#held(record.notAfter)
        return
      case 'issuance-result':
        if (isVouched && record.outcome === 'published') this.#vouch(record.intentIndex)
        this.#unsettled.delete(record.intentIndex)
        return
      case 'issuance-approval':
        // Whoever signs it gives it no longer life, and does so within the hour that the API server keeps what is approved.
        this.#heldFor(record)
        return
      case 'issuance-refusal':
      case 'node-verdict':
        return
      case 'authority-verdict':
        this.#held(record.authority?.notAfter)
        return
      case 'ledger-retention':
        this.#removed(record.removedBefore, index)
        return
      case 'ledger-segment':
        this.#unsettled.clear()
        for (const each of record.unsettled) this.#unsettled.set(each, -Infinity)
        this.#heldUntil = -Infinity
        this.#removed(record.removedBefore, index)
    }
  }

  #held(notAfter: string | undefined): void {
    if (notAfter !== undefined) this.#heldUntil = Math.max(this.#heldUntil, Date.parse(notAfter))
  }

  #heldFor({ time, lifetimeSeconds }: IssuanceApproval): void {
    const until = Date.parse(time) + lifetimeSeconds * 1000
    this.#heldUntil = Math.max(this.#heldUntil, until)
  }

  #vouch(intentIndex: number): void {
    this.#vouchedTime = Math.max(this.#vouchedTime, this.#unsettled.get(intentIndex) ?? -Infinity)
  }

  #removed(before: number, toldAt: number): void {
    if (before <= this.#removedBefore) return
    this.#removedBefore = before
    this.#toldAt = toldAt
  }

  /** Intents without a result. */
  get unsettled(): ReadonlyMap<number, unknown> {
    return this.#unsettled
  }

  /** Infinity without any. */
  get oldestOpen(): number {
    return Math.min(...this.#unsettled.keys())
  }

  /** Of the certificates of this segment, in milliseconds; −Infinity without any. */
  get heldUntil(): number {
    return this.#heldUntil
  }

  /** So many records from the first were removed, as the record with this index says first. */
  get removed(): { readonly before: number; readonly toldAt: number } {
    return { before: this.#removedBefore, toldAt: this.#toldAt }
  }

  /**
   * The time of the latest certificate that the API server took: it compares `notBefore` of a PodCertificateRequest's with its own clock. Milliseconds;
   * −Infinity before the first one that was read.
   */
  get vouchedTime(): number {
    return this.#vouchedTime
  }

  /** Whether a segment that begins here would have this head, as far as it hands something on. */
  handsOn(head: SegmentHead): boolean {
    const { unsettled, heldUntil, removedBefore } = this.handOn()
    return (
      removedBefore === head.removedBefore &&
      heldUntil === head.heldUntil &&
      unsettled.join() === head.unsettled.join()
    )
  }

  /** What a new segment's head hands on. */
  handOn(): Pick<SegmentHead, 'unsettled' | 'heldUntil' | 'removedBefore'> {
    const held = this.#heldUntil
    return {
      unsettled: [...this.#unsettled.keys()],
      heldUntil: held === -Infinity ? null : new Date(held).toISOString(),
      removedBefore: this.#removedBefore,
    }
  }
}

/** The API server looks at no time of what is asked by CertificateSigningRequest. */
function timeOf({ request, time }: IssuanceIntent): number {
  return request.kind === undefined ? Date.parse(time) : -Infinity
}
