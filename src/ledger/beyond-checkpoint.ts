import { CountersignError } from '../errors.ts'
import type { Account } from './account.ts'
import type { LoggedRecord } from './record.ts'
import { dayMilliseconds, isOld, type Sealed } from './retention.ts'
import { damaged } from './segments.ts'

interface Told {
  readonly index: number
  readonly removedBefore: number
  readonly olderThan: number
  /** When it was said. */
  readonly removedThen: number
  readonly oldestOpen: number
}

/**
 * Judges what a start finds beyond the checkpoint. Whoever can write the volume can have put it there, and a start signs it: so what would let a segment go, or would
 * hide that one is gone, has to be what this signer would say of the segments that are here.
 */
export class BeyondCheckpoint {
  readonly #size: number
  readonly #account: Account
  readonly #told: Told[] = []
  #latest = -Infinity
  #removed: Account['removed'] | undefined

  /** Of an account that has not looked at the records yet; so many of them the checkpoint vouches for. */
  constructor(size: number, account: Account) {
    this.#size = size
    this.#account = account
  }

  /** Before the account looks at it. Throws 'ledger/corrupt' for the head of a segment that does not fit the segment before. */
  look(index: number, record: LoggedRecord, path: string): void {
    if (index >= this.#size) {
      this.#removed ??= this.#account.removed
      this.#judge(index, record, path)
    }
    this.#latest = Math.max(this.#latest, Date.parse(record.time))
  }

  #judge(index: number, record: LoggedRecord, path: string): void {
    if (record.kind === 'ledger-segment') {
      if (!this.#account.handsOn(record)) throw damaged(path, 'hands on what is not so')
      // Of a clock that was set back a little nobody is to fall ill.
      if (Date.parse(record.time) < this.#latest - dayMilliseconds) {
        throw damaged(path, `says that it began at ${record.time}, before the records before it`)
      }
    }
    if (record.kind !== 'ledger-retention') return
    this.#told.push({
      index,
      removedBefore: record.removedBefore,
      olderThan: Date.parse(record.olderThan),
      removedThen: this.#account.removed.before,
      oldestOpen: this.#account.oldestOpen,
    })
  }

  /** So many records from the first were removed, as the checkpoint vouches for. */
  get removedBefore(): number {
    return (this.#removed ?? this.#account.removed).before
  }

  /** Throws 'ledger/corrupt' for a record of retention that this signer, as it is set, could not have written. */
  assertBorneOut(sealed: readonly Sealed[], days: number | undefined, now: number): void {
    for (const { index, removedBefore, olderThan, removedThen, oldestOpen } of this.#told) {
      const going = sealed.filter(({ end }) => end <= removedBefore)
      const borneOut =
        days !== undefined &&
        olderThan <= now - days * dayMilliseconds &&
        removedBefore > removedThen &&
        going.at(-1)?.end === removedBefore &&
        going.every((each) => isOld(each, { olderThan, oldestOpen }))
      if (borneOut) continue
      const rule = `record ${index} says that retention removes what is before ${removedBefore}, was never published, and is not what ledger.retentionDays says`
      const hint =
        'where ledger.retentionDays was changed since, set it as it was for one start; else somebody else wrote the record'
      throw new CountersignError('ledger/corrupt', rule, { hint })
    }
  }
}
