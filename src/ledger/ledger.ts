import type { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import { silentMetrics, type Metrics } from '../metrics.ts'
import { parseLine } from './entry.ts'
import { FileLedger } from './file-ledger.ts'
import { ledgerDisk, type LedgerDisk, type LedgerFile } from './ledger-file.ts'
import { acquireLock, type Lock, type LockOwner } from './lock.ts'
import type { TreeHead } from '../tlog/merkle-tree.ts'
import type { NoteSigner } from '../tlog/note.ts'
import { Publication } from './publication.ts'
import { readBack } from './read-back.ts'
import type { LedgerRecord, LoggedRecord } from './record.ts'
import { firstHeld, sealedOf, SegmentRetention } from './retention.ts'
import { undoSeal } from './seal.ts'
import { damaged, findSegments, readSegments, type Segment } from './segments.ts'
import { orUnavailable, unavailable } from './unavailable.ts'

export interface Appended {
  /** From 0, without gaps. */
  readonly index: number
  /** 64 hex digits: RFC 6962 §2.1 over the record's JSON. */
  readonly leafHash: string
}

/** What was decided, in order and for ever: one line a record, `<leaf hash> <canonical JSON>`. */
export interface Ledger extends AsyncDisposable {
  /**
   * Resolves when the record outlives a power cut. Rejects with 'ledger/record' for a record no reader would take, and
   * with 'ledger/unavailable' from the first refused write on, until the ledger is opened again.
   */
  append(record: LedgerRecord): Promise<Appended>
  /** The tree over the acknowledged records. */
  head(): TreeHead
  /** Resolves with what 'ledger/unavailable' says once the ledger takes no more, asked for a record or not; never when it is closed. */
  readonly failed: Promise<CountersignError>
  /** What a crash had left of a write that was never acknowledged. */
  readonly recovered: { readonly droppedOctets: number }
}

export const segmentOctetsDefault = 67_108_864

/**
 * Opens the ledger for its one writer, hashing its last segment again, and all that no checkpoint vouches for. Throws 'ledger/locked', and 'ledger/corrupt' without
 * touching the file. Whoever can write the file can also rewrite all of it: only a head kept elsewhere shows that.
 */
export async function openLedger(options: {
  readonly file: string
  readonly now: () => number
  readonly log: Log
  readonly metrics?: Metrics
  readonly disk?: LedgerDisk
  readonly lockOwner?: LockOwner
  /** So often a ledger that nothing is written to looks whether its file and its lock are still there. */
  readonly lookSeconds?: number
  /** Signs what the ledger says of itself, in `<file>.log`; without it nothing is published. */
  readonly signer?: NoteSigner | undefined
  /** So often a checkpoint is published while records come. */
  readonly publishSeconds?: number
  /** A file of so many octets is sealed, and a new one begun. */
  readonly segmentOctets?: number
  /** Sealed segments are removed when all in them is so old; never without a signer. */
  readonly retentionDays?: number | undefined
  /** Gives up reading when it aborts: a ledger of years takes a while. */
  readonly signal?: AbortSignal | undefined
}): Promise<Ledger> {
  const { file, now, log, metrics = silentMetrics } = options
  const lock = await orUnavailable(
    acquireLock(`${file}.lock`, {
      now,
      lifeline: true,
      ...(options.lockOwner === undefined ? {} : { owner: options.lockOwner }),
    }),
  )
  try {
    const { disk = ledgerDisk, lookSeconds = 5, publishSeconds = 1, signal, signer } = options
    const opened = await disk.open(file, 'write')
    try {
      const { segmentOctets = segmentOctetsDefault, retentionDays } = options
      const sizes = { lookSeconds, publishSeconds, segmentOctets, retentionDays }
      const parts = { file, disk, now, log, metrics, signal, signer }
      return await recover(opened, lock, { ...parts, ...sizes })
    } catch (error) {
      await opened.close()
      throw error
    }
  } catch (error) {
    await lock.release()
    throw unavailable(error)
  }
}

interface Options {
  readonly file: string
  readonly disk: LedgerDisk
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
  readonly lookSeconds: number
  readonly publishSeconds: number
  readonly segmentOctets: number
  readonly retentionDays: number | undefined
  readonly signal: AbortSignal | undefined
  readonly signer: NoteSigner | undefined
}

async function recover(file: LedgerFile, lock: Lock, options: Options): Promise<Ledger> {
  const { log, metrics, disk } = options
  await using segments = await findSegments(options.file, disk)
  const { firstIndex } = segments.found.at(-1) as Segment
  const read = await readBack(segments, options)
  const { tree, end, tornOctets, account, published } = read
  if (tornOctets > 0) {
    const fields = { file: options.file, droppedOctets: tornOctets, records: tree.size }
    log.warn(fields, 'the ledger ends in a torn write, which is dropped')
    await file.truncate(end)
    await file.sync()
  }
  await undoSeal({ name: options.file, disk, file, firstIndex })
  const held = (): Promise<boolean> => lock.held()
  const publication =
    published &&
    new Publication({ published, tree, held, log, metrics, seconds: options.publishSeconds })
  const { retentionDays: days } = options
  const sealed = sealedOf(segments.found)
  const retention =
    days === undefined
      ? undefined
      : new SegmentRetention({ name: options.file, disk, days, log, sealed })
  const { now, lookSeconds, segmentOctets } = options
  const parts = { name: options.file, disk, file, lock, tree, account, firstIndex, end, now }
  const rest = { hash: read.hash, metrics, lookSeconds, segmentOctets, publication, retention }
  return new FileLedger({ ...parts, ...rest, droppedOctets: tornOctets })
}

/**
 * The records of a ledger from the first; may run beside its writer. Where `heldSince` (milliseconds) is given, sealed segments are left out
 * before the first with a certificate that was held at that time or later, or with an intent that may have no result. Throws
 * 'ledger/corrupt' and 'ledger/record'.
 */
export async function* readLedger(
  file: string,
  options: { readonly disk?: LedgerDisk; readonly heldSince?: number } = {},
): AsyncGenerator<{ index: number; record: LoggedRecord; leafHash: string }, void> {
  await using segments = await orUnavailable(findSegments(file, options.disk ?? ledgerDisk))
  let removedBefore = 0
  const from = options.heldSince === undefined ? 0 : firstHeld(segments.found, options.heldSince)
  for await (const { index, line, leafHash } of readSegments(segments, from)) {
    const record = parseLine(line)
    if ('removedBefore' in record) removedBefore = Math.max(removedBefore, record.removedBefore)
    yield { index, record, leafHash: leafHash.toString('hex') }
  }
  const [{ path, firstIndex }] = segments.found
  // Told after what is there was read: whoever asks for a record sees it all the same.
  if (from === 0 && firstIndex > removedBefore)
    throw damaged(path, 'is there, and not the one before it')
}
