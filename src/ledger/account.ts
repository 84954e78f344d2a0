import type { LoggedRecord, SegmentHead } from './record.ts'

/** What the records so far leave to those that follow: a segment's head hands it on. */
export class Account {
  readonly #unsettled = new Set<number>()
  #heldUntil = -Infinity
  #removedBefore = 0
  #toldAt = -1

  /** Records in their order. */
  look(index: number, record: LoggedRecord): void {
    switch (record.kind) {
      case 'issuance-intent':
        this.#unsettled.add(index)
        this.#heldUntil = Math.max(this.#heldUntil, Date.parse(record.notAfter))
        return
      case 'issuance-result':
        this.#unsettled.delete(record.intentIndex)
        return
      case 'issuance-refusal':
      case 'node-verdict':
        return
      case 'ledger-retention':
        this.#removed(record.removedBefore, index)
        return
      case 'ledger-segment':
        this.#unsettled.clear()
        for (const each of record.unsettled) this.#unsettled.add(each)
        this.#heldUntil = -Infinity
        this.#removed(record.removedBefore, index)
    }
  }

  #removed(before: number, toldAt: number): void {
    if (before <= this.#removedBefore) return
    this.#removedBefore = before
    this.#toldAt = toldAt
  }

  /** Intents without a result. */
  get unsettled(): ReadonlySet<number> {
    return this.#unsettled
  }

  /** Of the certificates of this segment, in milliseconds; −Infinity without any. */
  get heldUntil(): number {
    return this.#heldUntil
  }

  /** So many records from the first were removed, as the record with this index says first. */
  get removed(): { readonly before: number; readonly toldAt: number } {
    return { before: this.#removedBefore, toldAt: this.#toldAt }
  }

  /** What a new segment's head hands on. */
  handOn(): Pick<SegmentHead, 'unsettled' | 'heldUntil' | 'removedBefore'> {
    const held = this.#heldUntil
    return {
      unsettled: [...this.#unsettled],
      heldUntil: held === -Infinity ? null : new Date(held).toISOString(),
      removedBefore: this.#removedBefore,
    }
  }
}
