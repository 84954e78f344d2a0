import { CountersignError } from '../../src/errors.ts'
import { formatEntry } from '../../src/ledger/entry.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { MerkleTree } from '../../src/tlog/merkle-tree.ts'
import type { LedgerRecord } from '../../src/ledger/record.ts'

export interface MemoryLedger extends Ledger {
  readonly records: readonly LedgerRecord[]
  /**
   * The next append rejects with 'ledger/unavailable', and so do all until `mend`. With `keep` the first of them is in
   * the ledger all the same, as a write may be whose sync was never answered.
   */
  breakNext(options?: { readonly keep?: boolean }): void
  mend(): void
}

/** A ledger that forgets with the process: same checks of records, same hashes, and a fault switch. */
export function memoryLedger(): MemoryLedger {
  const tree = new MerkleTree()
  const records: LedgerRecord[] = []
  let fault: 'none' | 'refuse' | 'keep' = 'none'
  return {
    records,
    failed: new Promise(() => {}),
    recovered: { droppedOctets: 0 },
    head: () => tree.head(),
    breakNext: (options = {}) => {
      fault = options.keep === true ? 'keep' : 'refuse'
    },
    mend: () => {
      fault = 'none'
    },
    append: async (record) => {
      const { leafHash } = formatEntry(record)
      if (fault === 'refuse') {
        throw new CountersignError('ledger/unavailable', 'ledger was broken by the test')
      }
      const index = tree.append(leafHash)
      records.push(structuredClone(record))
      if (fault === 'none') return { index, leafHash: leafHash.toString('hex') }
      fault = 'refuse'
      throw new CountersignError('ledger/unavailable', 'ledger was broken by the test')
    },
    [Symbol.asyncDispose]: async () => {},
  }
}
