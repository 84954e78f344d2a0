import { never, type Mutation } from './mutation.ts'

const ledger = 'src/ledger/ledger.ts'
const lock = 'src/ledger/lock.ts'

/** The defences of the record of what was issued. */
export const ledgerMutations: readonly Mutation[] = [
  {
    claim: 'ledger.file-stands',
    without: 'the look whether the name still leads to the file',
    file: ledger,
    edits: never("standing !== 'named'"),
  },
  {
    claim: 'ledger.file-stands',
    without: 'the look at the size of the file',
    file: ledger,
    edits: never('got !== size'),
  },
  {
    claim: 'ledger.file-stands',
    without: 'the look while nobody writes',
    file: ledger,
    edits: [['this.#flushing ??= this.#lookOnce()', 'this.#flushing ??= this.#flush()']],
  },
  {
    claim: 'ledger.one-writer',
    without: 'the look at the lock',
    file: ledger,
    edits: [['if (!held)', 'if (false && !held)']],
  },
  {
    claim: 'ledger.one-writer',
    without: 'the answer of the socket of a living process',
    file: lock,
    edits: [["return answer === 'lives'", 'return false']],
  },
  {
    claim: 'ledger.one-writer',
    without: 'the doubt about a process of another machine',
    file: lock,
    edits: [['if (holder.bootId !== asking.bootId) return !sameHost', '']],
  },
  {
    claim: 'signer.records-fit',
    without: 'the bound on text as JSON',
    file: 'src/signer/issue/records.ts',
    edits: [
      ['if (jsonOctets(whole) <= octetsMax) return whole', 'if (octetsMax > 0) return whole'],
    ],
  },
  {
    claim: 'signer.records-fit',
    without: 'the bound on what is said of evidence',
    file: 'src/signer/issue/records.ts',
    edits: [['return octets <= evidenceOctetsMax', 'return true']],
  },
  {
    claim: 'signer.records-fit',
    without: 'the bound on paths',
    file: 'src/signer/verdict/workload-checks.ts',
    edits: never('octets > pathOctetsMax'),
  },
]
