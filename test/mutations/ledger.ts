import { never, type Mutation } from './mutation.ts'

const ledger = 'src/ledger/file-ledger.ts'
const readBack = 'src/ledger/read-back.ts'
const segments = 'src/ledger/segments.ts'
const seal = 'src/ledger/seal.ts'
const retention = 'src/ledger/retention.ts'
const marks = 'src/ledger/audit/marks.ts'
const lock = 'src/ledger/lock.ts'

/** The defences of the record of what was issued. */
export const ledgerMutations: readonly Mutation[] = [
  {
    claim: 'ledger.file-stands',
    without: 'the look whether the name still leads to the file',
    file: ledger,
    edits: never("name !== 'named'"),
  },
  {
    claim: 'ledger.file-stands',
    without: 'the look at the size of the file',
    file: ledger,
    edits: never('octets !== size'),
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
    edits: [["if (answer === 'lives') return true", '']],
  },
  {
    claim: 'ledger.one-writer',
    without: 'the doubt about a process of another machine',
    file: lock,
    edits: [['if (holder.bootId !== asking.bootId) return !sameHost', '']],
  },
  {
    claim: 'ledger.checkpoint-kept',
    without: 'the look for records that are missing',
    file: readBack,
    edits: never('promised.size > head.size'),
  },
  {
    claim: 'ledger.checkpoint-kept',
    without: 'the comparison with the root of the checkpoint',
    file: readBack,
    edits: [['if (promised.rootHash === head.rootHash) return', 'if (promised.size >= 0) return']],
  },
  {
    claim: 'ledger.checkpoint-kept',
    without: 'the demand for the signature of the ledger’s key',
    file: 'src/tlog/log-folder.ts',
    edits: never('!isSignedBy(note, verifier)'),
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the look at the length of a sealed segment',
    file: segments,
    edits: never('octets !== previous.octets'),
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the look which record a sealed segment begins with',
    file: segments,
    edits: never('segment.firstIndex !== previous.firstIndex'),
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the look for segments that none stands on',
    file: segments,
    edits: [["(await last.standing(each)).name !== 'replaced'", 'each !== file']],
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the comparison of a segment with what the next one stands on',
    file: segments,
    edits: [['  if (same) return', '  if (same || true) return']],
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the look for a head in the middle of a segment',
    file: segments,
    edits: [['if (!isFirst && line', 'if (false && !isFirst && line']],
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the look for a first segment that is missing, at a start',
    file: readBack,
    edits: never('oldest.firstIndex > before'),
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the sync of what the new segment stands on, before it is one',
    file: seal,
    edits: [['    await next.sync()\n', '']],
  },
  {
    claim: 'ledger.segments-stand',
    without: 'the undoing of a seal that was not finished',
    file: seal,
    edits: [["if ((await file.standing(second)).name === 'named') await disk.remove(second)", '']],
  },
  {
    claim: 'ledger.one-writer',
    without: 'the look at the lock before a segment is sealed',
    file: seal,
    edits: [['    await assertHeld()\n    await sealed.link', '    await sealed.link']],
  },
  {
    claim: 'ledger.retention-keeps-proofs',
    without: 'the wait for a checkpoint over the record, before anything is removed',
    file: retention,
    edits: [['if (publishedSize <= removed.toldAt) return', '']],
  },
  {
    claim: 'ledger.retention-keeps-proofs',
    without: 'the demand at a start that the record was published',
    file: readBack,
    edits: [['oldest.firstIndex <= beyond.removedBefore', 'oldest.firstIndex <= before']],
  },
  {
    claim: 'ledger.retention-keeps-proofs',
    without: 'the look whether retention has removed what is missing',
    file: marks,
    edits: [['if (removedBefore < before) {', 'if (removedBefore < 0) {']],
  },
  {
    claim: 'ledger.retention-keeps-proofs',
    without: 'the look whether the record of it was published, at verify',
    file: marks,
    edits: [['else if (index >= (own?.size ?? 0))', 'else if (index < 0)']],
  },
  {
    claim: 'ledger.retention-keeps-proofs',
    without: 'the comparison of tiles with what the oldest segment stands on',
    file: 'src/ledger/audit/published.ts',
    edits: [
      [
        'if (tree.head().rootHash === treeBefore(oldest).head().rootHash) return',
        'if (tree.size === firstIndex) return',
      ],
    ],
  },
  {
    claim: 'ledger.retention-removes-what-cannot-matter',
    without: 'the doubt about a clock that no API server has vouched for',
    file: retention,
    edits: [['Math.min(now, account.vouchedTime)', 'now']],
  },
  {
    claim: 'ledger.retention-removes-what-cannot-matter',
    without: 'the look at certificates that are held',
    file: retention,
    edits: [['heldUntil < olderThan && ', '']],
  },
  {
    claim: 'ledger.retention-removes-what-cannot-matter',
    without: 'the look at intents that are open',
    file: retention,
    edits: [[' && oldestOpen >= end', '']],
  },
  {
    claim: 'ledger.retention-removes-what-cannot-matter',
    without: 'open intents in what a start reads',
    file: retention,
    edits: [['|| unsettled < end,', ',']],
  },
  {
    claim: 'ledger.retention-removes-what-cannot-matter',
    without: 'certificates that are held in what a start reads',
    file: retention,
    edits: [['heldUntil >= heldSince || ', '']],
  },
  {
    claim: 'ledger.published-as-log',
    without: 'the check of a signature',
    file: 'src/tlog/note.ts',
    edits: never('!verifies(note.text, signature, verifier)'),
  },
  {
    claim: 'ledger.published-as-log',
    without: 'the tiles at the edge of the tree',
    file: 'src/tlog/log-folder.ts',
    edits: [['[...full, ...partial]', '[...full, ...partial.slice(9)]']],
  },
  {
    claim: 'ledger.proofs-verify',
    without: 'the side of a node that a record is on',
    file: 'src/tlog/proof.ts',
    edits: [['if (index < middle)', 'if (index <= middle)']],
  },
  {
    claim: 'ledger.one-writer',
    without: 'the look at the lock before a checkpoint takes the place of another',
    file: 'src/tlog/durable-file.ts',
    edits: never('!(await mayReplace())'),
  },
  {
    claim: 'ledger.verify-names-the-place',
    without: 'the comparison with checkpoints',
    file: 'src/ledger/audit/verify-ledger.ts',
    edits: [['size !== tree.size || tree.head().rootHash === rootHash', 'true']],
  },
  {
    claim: 'ledger.verify-names-the-place',
    without: 'the demand for a checkpoint that was named',
    file: 'src/tlog/checked-checkpoint.ts',
    edits: [["mayLack && code === 'ENOENT'", "code === 'ENOENT'"]],
  },
  {
    claim: 'ledger.published-as-log',
    without: 'the look at the records before a log is exported',
    file: 'src/ledger/audit/export-log.ts',
    edits: never('hashed.head().rootHash !== checkpoint.rootHash'),
  },
  {
    claim: 'ledger.published-as-log',
    without: 'the look at the records before anything is proved of them',
    file: 'src/ledger/audit/published.ts',
    edits: never('tree.head().rootHash !== checkpoint.rootHash'),
  },
  {
    claim: 'ledger.verify-names-the-place',
    without: 'the lock on what a witness has seen',
    file: 'src/ledger/audit/witness.ts',
    edits: [
      ['await using lock = await lockState(state, now)', 'const lock = { held: async () => true }'],
    ],
  },
  {
    claim: 'ledger.checkpoint-kept',
    without: 'the look at who can write the key',
    file: 'src/tlog/log-key.ts',
    edits: never('(mode & 0o002) !== 0'),
  },
  {
    claim: 'ledger.verify-names-the-place',
    without: 'the comparison of tiles',
    file: 'src/ledger/audit/verify-ledger.ts',
    edits: [['if (got?.equals(octets) === true) return', 'if (got !== undefined) return']],
  },
  {
    claim: 'ledger.verify-names-the-place',
    without: 'the memory of a witness',
    file: 'src/ledger/audit/witness.ts',
    edits: never('small || !verifyConsistency(proof, old, checkpoint)'),
  },
  {
    claim: 'ledger.who-held-what-when',
    without: 'the time of the question',
    file: 'src/ledger/audit/holdings.ts',
    edits: [['Date.parse(holding.notBefore) <= at && at < Date.parse(holding.notAfter)', 'true']],
  },
  {
    claim: 'ledger.requests-joined-with-audit-log',
    without: 'the node of the pod',
    file: 'src/ledger/audit/join-audit-log.ts',
    edits: [['=== `system:node:${node}`', ".startsWith('system:node:')"]],
  },
  {
    claim: 'ledger.requests-joined-with-audit-log',
    without: 'the look for who acts for another',
    file: 'src/ledger/audit/join-audit-log.ts',
    edits: [["acting === undefined ? '' : ` as ${textIn(acting, 'username')}`", "''"]],
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
