import { Account } from '../account.ts'
import type { Checkpoint } from '../../tlog/checkpoint.ts'
import type { LoggedRecord, Retention, SegmentHead } from '../record.ts'
import { isOld, sealedBefore, type Sealed } from '../retention.ts'
import type { Segment } from '../segments.ts'

export interface Problem {
  /** An octet, a record, a file of the log. */
  readonly place: string
  readonly problem: string
}

/** Holds what a ledger says of its own files against its records: retention and theft are told apart by it. */
export class Marks {
  readonly #problems: Problem[]
  readonly #account = new Account()
  readonly #sealed: Sealed[] = []
  #oldest: Segment | undefined
  #retention: (Retention & { readonly index: number }) | undefined

  constructor(problems: Problem[]) {
    this.#problems = problems
  }

  begin(oldest: Segment): void {
    this.#oldest = oldest
  }

  look(index: number, record: LoggedRecord): void {
    if (record.kind === 'ledger-retention') {
      this.#retention = { ...record, index }
      this.#hold(index, record)
    }
    if (record.kind === 'ledger-segment') this.#sealed.push(sealedBefore(record))
    // Of the oldest one that is there, what it stands on is not.
    if (record.kind === 'ledger-segment' && index !== this.#oldest?.firstIndex) {
      this.#compare(index, record)
    }
    this.#account.look(index, record)
  }

  /** What the segments that are here, and the head of the oldest, say of themselves has to let them go. */
  #hold(index: number, { removedBefore, olderThan, time }: Retention): void {
    const going = this.#sealed.filter(({ end }) => end <= removedBefore)
    const limits = { olderThan: Date.parse(olderThan), oldestOpen: this.#account.oldestOpen }
    // Of a boundary in what was removed since nothing is known.
    const endsNone =
      removedBefore >= (this.#oldest?.firstIndex ?? 0) && going.at(-1)?.end !== removedBefore
    const mayGo =
      !endsNone &&
      limits.olderThan < Date.parse(time) &&
      going.every((sealed) => isOld(sealed, limits))
    if (mayGo) return
    const problem = `retention of what was not old, or not done with, as the segments say: records before ${removedBefore}`
    this.#problems.push({ place: `record ${index}`, problem })
  }

  #compare(index: number, head: SegmentHead): void {
    if (this.#account.handsOn(head)) return
    const problem = 'the head of a segment hands on what is not so'
    this.#problems.push({ place: `record ${index}`, problem })
  }

  end(own: Checkpoint | undefined): void {
    const before = this.#oldest?.firstIndex ?? 0
    if (before === 0) return
    const { removedBefore = 0, index = 0 } = this.#retention ?? {}
    const place = `record 0 to ${before - 1}`
    if (removedBefore < before) {
      this.#problems.push({ place, problem: 'missing, and no retention has removed them' })
    } else if (index >= (own?.size ?? 0)) {
      const problem = `missing, and record ${index}, which says so, was never published`
      this.#problems.push({ place, problem })
    }
  }

  get removed(): { readonly before: number; readonly time: string } | null {
    const before = this.#oldest?.firstIndex ?? 0
    if (before === 0 || this.#retention === undefined) return null
    return { before, time: this.#retention.time }
  }
}

/** A result names the intent that it concludes: where it does not, records were put together of several ledgers. */
export class Intents {
  readonly #open = new Map<number, string | undefined>()
  readonly #problems: Problem[]

  constructor(problems: Problem[]) {
    this.#problems = problems
  }

  look(index: number, record: LoggedRecord): void {
    if (record.kind === 'ledger-segment') this.#handedOn(record)
    if (record.kind === 'issuance-intent') this.#open.set(index, record.issuanceId)
    if (record.kind !== 'issuance-result') return
    const known = this.#open.has(record.intentIndex)
    const intent = this.#open.get(record.intentIndex) ?? record.issuanceId
    if (!known || intent !== record.issuanceId) {
      const problem = `result of record ${record.intentIndex}, which is not its open intent`
      this.#problems.push({ place: `record ${index}`, problem })
    }
    this.#open.delete(record.intentIndex)
  }

  /** Of intents that were removed their index is all that is known. */
  #handedOn({ unsettled }: SegmentHead): void {
    for (const each of unsettled) if (!this.#open.has(each)) this.#open.set(each, undefined)
  }
}
