import { CountersignError } from '../errors.ts'
import { Account } from './account.ts'
import { BeyondCheckpoint } from './beyond-checkpoint.ts'
import type { Checkpoint } from '../tlog/checkpoint.ts'
import { parseLine } from './entry.ts'
import { LogFolder, logFolderOf, readCheckpoint } from '../tlog/log-folder.ts'
import type { TreeHead } from '../tlog/merkle-tree.ts'
import type { NoteSigner } from '../tlog/note.ts'
import { sealedOf } from './retention.ts'
import {
  damaged,
  readSegments,
  segmentFile,
  treeBefore,
  type End,
  type Segments,
} from './segments.ts'

/** What a writer knows of the records that are there already. */
export interface Known extends End {
  readonly account: Account
  /** What they are published in, up to them. */
  readonly published: LogFolder | undefined
}

/**
 * Hashes what no checkpoint vouches for: of a ledger that is published the last segment, as a rule, else the one before, too, since all that
 * is known of it is what the last one says. Throws 'ledger/corrupt' where the ledger is not what its checkpoint says, a segment is missing, or one is
 * said to be removed by what no checkpoint vouches for.
 */
export async function readBack(
  segments: Segments,
  options: {
    /** Of the ledger. */
    readonly file: string
    readonly signer: NoteSigner | undefined
    readonly signal: AbortSignal | undefined
    readonly now: () => number
    readonly retentionDays: number | undefined
  },
): Promise<Known> {
  const { file, signer, signal } = options
  const folder = logFolderOf(file)
  const promised = signer && (await readCheckpoint(folder, signer))
  const { from, published } = await beginning(segments, promised, { folder, signer })
  const before = treeBefore(segments.found[from])
  if (promised?.size === before.size) assertKept(promised, before.head())
  const account = new Account()
  // Without a log nothing is removed, and nothing vouched for.
  const size = signer === undefined ? Infinity : (promised?.size ?? 0)
  const beyond = new BeyondCheckpoint(size, account)
  const entries = readSegments(segments, from)
  let step = await entries.next()
  while (step.done !== true) {
    const { index, leafHash, line, path, tree } = step.value
    const record = parseLine(line)
    beyond.look(index, record, path)
    account.look(index, record, index < size)
    published?.append(leafHash)
    if (promised?.size === tree.size) assertKept(promised, tree.head())
    if (signal?.aborted === true) {
      throw new CountersignError('ledger/unavailable', 'ledger is not opened: told to end')
    }
    step = await entries.next()
  }
  const { tree } = step.value
  if (promised !== undefined && promised.size > tree.size) assertKept(promised, tree.head())
  assertNoneMissing(segments, account, beyond)
  beyond.assertBorneOut(sealedOf(segments.found), options.retentionDays, options.now())
  return { ...step.value, account, published }
}

/** The last segment whose head the checkpoint vouches for, where the tiles before it are there; else the first. */
async function beginning(
  { found }: Segments,
  promised: Checkpoint | undefined,
  log: { readonly folder: string; readonly signer: NoteSigner | undefined },
): Promise<{ readonly from: number; readonly published: LogFolder | undefined }> {
  const { folder, signer } = log
  if (signer === undefined) return { from: Math.max(0, found.length - 2), published: undefined }
  const size = promised?.size ?? 0
  const reached = found.findLastIndex(({ firstIndex }) => firstIndex < size)
  for (const from of new Set([reached, 0])) {
    const segment = found[from]
    if (segment === undefined || segment.firstIndex > size) continue
    const before = treeBefore(segment)
    const published = await LogFolder.resume({ folder, signer, before, size })
    if (published !== undefined) return { from, published }
  }
  const rule = `the records before ${found[0].firstIndex} are not here, and the log has no tiles of them: want=${folder}`
  const hint = 'put back the folder of the log, or a copy of it'
  throw new CountersignError('ledger/corrupt', rule, { hint })
}

/** What a checkpoint says was in the ledger still is. */
function assertKept(promised: Checkpoint, head: TreeHead): void {
  if (promised.size > head.size) {
    const rule = `records are missing: want≥${promised.size} as its checkpoint says got=${head.size}`
    throw new CountersignError('ledger/corrupt', rule)
  }
  if (promised.rootHash === head.rootHash) return
  const rule = `the first ${promised.size} records are not those of its checkpoint`
  throw new CountersignError('ledger/corrupt', rule)
}

/** What is not there was removed by retention: it is on the record, and published since. */
function assertNoneMissing(
  { found: [oldest] }: Segments,
  account: Account,
  beyond: BeyondCheckpoint,
): void {
  if (oldest.head === undefined) return
  const { before, toldAt } = account.removed
  const missing = segmentFile('', oldest.head.previous.firstIndex)
  if (oldest.firstIndex > before) throw damaged(missing, 'is missing')
  if (oldest.firstIndex <= beyond.removedBefore) return
  throw damaged(missing, `is missing, and record ${toldAt}, which says so, was never published`)
}
