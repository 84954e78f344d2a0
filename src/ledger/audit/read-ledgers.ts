import { readLedger } from '../ledger.ts'
import type { LoggedRecord } from '../record.ts'

/** A record with where it stands. */
export interface Placed {
  readonly ledger: string
  readonly index: number
  readonly record: LoggedRecord
}

/**
 * The records of several ledgers as one, by their time; those of one ledger stay in their order. Holds one record of each in
 * memory. Throws as `readLedger` does.
 */
export async function* readLedgers(files: readonly string[]): AsyncGenerator<Placed, void> {
  const readers = files.map((ledger) => ({ ledger, records: readLedger(ledger) }))
  try {
    const heads = await Promise.all(
      readers.map(async (reader) => ({ reader, next: await reader.records.next() })),
    )
    for (;;) {
      const [first] = heads
        .filter(({ next }) => next.done !== true)
        .toSorted((a, b) => timeOf(a.next.value) - timeOf(b.next.value))
      if (first?.next.value === undefined) return
      const { index, record } = first.next.value
      yield { ledger: first.reader.ledger, index, record }
      first.next = await first.reader.records.next()
    }
  } finally {
    for (const { records } of readers) await records.return()
  }
}

function timeOf(placed: { readonly record: LoggedRecord } | void): number {
  return placed === undefined ? Infinity : Date.parse(placed.record.time)
}
