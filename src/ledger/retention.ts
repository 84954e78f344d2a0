import type { Log } from '../log.ts'
import type { Account } from './account.ts'
import type { LedgerDisk } from './ledger-file.ts'
import type { Retention, SegmentHead } from './record.ts'
import { segmentFile, type Segment } from './segments.ts'

/** A sealed segment, as the head after it says. */
export interface Sealed {
  readonly firstIndex: number
  /** Where the next one begins. */
  readonly end: number
  /** Milliseconds, as is `heldUntil`. */
  readonly sealedAt: number
  readonly heldUntil: number
}

/** What the heads say of the segments before each of them. */
export function sealedOf(found: readonly Segment[]): Sealed[] {
  return found.slice(1).flatMap(({ head }) => (head === undefined ? [] : [sealedBefore(head)]))
}

/** What a head says of the segment before it. */
export function sealedBefore(head: SegmentHead): Sealed {
  return {
    firstIndex: head.previous.firstIndex,
    end: head.firstIndex,
    sealedAt: Date.parse(head.time),
    heldUntil: head.heldUntil === null ? -Infinity : Date.parse(head.heldUntil),
  }
}

/** Whether a segment may go: it was sealed, and each certificate in it had ended, before this time, and no intent in it is open, nor one before it. */
export function isOld(
  { end, sealedAt, heldUntil }: Sealed,
  { olderThan, oldestOpen }: { readonly olderThan: number; readonly oldestOpen: number },
): boolean {
  return sealedAt < olderThan && heldUntil < olderThan && oldestOpen >= end
}

/** The first segment that can matter to whoever asks for what was held since then: no certificate before it was, and no intent is open. */
export function firstHeld(found: readonly Segment[], heldSince: number): number {
  const unsettled = Math.min(...(found.at(-1)?.head?.unsettled ?? []))
  const first = sealedOf(found).findIndex(
    ({ end, heldUntil }) => heldUntil >= heldSince || unsettled < end,
  )
  return first < 0 ? found.length - 1 : first
}

export const dayMilliseconds = 86_400_000

/**
 * Removes whole segments that are old enough, the oldest first, in two steps: a record says so, and they go once a checkpoint has told others of
 * that record. So nobody can pass off a theft as retention without the key of the log; what a start finds beyond its checkpoint is judged there.
 */
export class SegmentRetention {
  readonly #name: string
  readonly #disk: LedgerDisk
  readonly #days: number
  readonly #log: Log
  /** The oldest first. */
  readonly #sealed: Sealed[]
  #told = false

  constructor(parts: {
    /** Of the ledger. */
    readonly name: string
    readonly disk: LedgerDisk
    readonly days: number
    readonly log: Log
    readonly sealed: readonly Sealed[]
  }) {
    this.#name = parts.name
    this.#disk = parts.disk
    this.#days = parts.days
    this.#log = parts.log
    this.#sealed = [...parts.sealed]
  }

  add(sealed: Sealed): void {
    this.#sealed.push(sealed)
  }

  /** What is to be recorded next; undefined while there is nothing to remove. */
  due(account: Account, now: number): Retention | undefined {
    const limits = this.#limits(account, now)
    let removedBefore = 0
    for (const sealed of this.#sealed) {
      if (!isOld(sealed, limits)) break
      removedBefore = sealed.end
    }
    if (removedBefore <= account.removed.before) return undefined
    return {
      kind: 'ledger-retention',
      time: new Date(now).toISOString(),
      removedBefore,
      olderThan: new Date(limits.olderThan).toISOString(),
    }
  }

  #limits(
    account: Account,
    now: number,
  ): { readonly olderThan: number; readonly oldestOpen: number } {
    // A clock that jumps removes nothing: as far as it goes, the API server has taken a certificate of that time.
    const time = Math.min(now, account.vouchedTime)
    return {
      olderThan: time - this.#days * dayMilliseconds,
      oldestOpen: account.oldestOpen,
    }
  }

  /**
   * Removes what was recorded, as far as it is published, and as far as it is due by what is known now, whatever the record says. What cannot be
   * removed now is removed later.
   */
  async remove(account: Account, publishedSize: number, now: number): Promise<void> {
    const { removed } = account
    const limits = this.#limits(account, now)
    if (publishedSize <= removed.toldAt) return
    try {
      for (let [oldest] = this.#sealed; oldest !== undefined; [oldest] = this.#sealed) {
        if (oldest.end > removed.before || !isOld(oldest, limits)) return
        await this.#disk.remove(segmentFile(this.#name, oldest.firstIndex))
        this.#sealed.shift()
        const { firstIndex, end } = oldest
        this.#log.info({ firstIndex, end }, 'a segment of the ledger was removed by retention')
      }
      this.#told = false
    } catch (error) {
      if (!this.#told) this.#log.error({ error }, 'a segment of the ledger cannot be removed')
      this.#told = true
    }
  }
}
