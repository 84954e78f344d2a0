import { CountersignError, quoted } from '../errors.ts'
import type { Log } from '../log.ts'
import { silentMetrics, type Metrics } from '../metrics.ts'
import { formatEntry, parseLine, type Entry } from './entry.ts'
import { openLedgerFile, type LedgerFile, type OpenLedgerFile } from './ledger-file.ts'
import { LogFolder, logFolderOf, readCheckpoint } from './log-folder.ts'
import { acquireLock, type Lock, type LockOwner } from './lock.ts'
import type { Checkpoint } from './checkpoint.ts'
import { MerkleTree, type TreeHead } from './merkle-tree.ts'
import type { NoteSigner } from './note.ts'
import { Publication } from './publication.ts'
import { batchOctetsMax, readEntries } from './read-entries.ts'
import type { LedgerRecord } from './record.ts'

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

/**
 * Opens the ledger for its one writer, hashing every record again. Throws 'ledger/locked', and 'ledger/corrupt' without
 * touching the file. Whoever can write the file can also rewrite all of it: only a head kept elsewhere shows that.
 */
export async function openLedger(options: {
  readonly file: string
  readonly now: () => number
  readonly log: Log
  readonly metrics?: Metrics
  readonly openFile?: OpenLedgerFile
  readonly lockOwner?: LockOwner
  /** So often a ledger that nothing is written to looks whether its file and its lock are still there. */
  readonly lookSeconds?: number
  /** Signs what the ledger says of itself, in `<file>.log`; without it nothing is published. */
  readonly signer?: NoteSigner | undefined
  /** So often a checkpoint is published while records come. */
  readonly publishSeconds?: number
  /** Gives up reading when it aborts: a ledger of years takes a while. */
  readonly signal?: AbortSignal
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
    const opened = await (options.openFile ?? openLedgerFile)(file, 'write')
    try {
      const { lookSeconds = 5, publishSeconds = 1, signal, signer } = options
      const waits = { lookSeconds, publishSeconds }
      return await recover(opened, lock, { file, log, metrics, ...waits, signal, signer })
    } catch (error) {
      await opened.close()
      throw error
    }
  } catch (error) {
    await lock.release()
    throw unavailable(error)
  }
}

async function recover(
  file: LedgerFile,
  lock: Lock,
  options: {
    readonly file: string
    readonly log: Log
    readonly metrics: Metrics
    readonly lookSeconds: number
    readonly publishSeconds: number
    readonly signal: AbortSignal | undefined
    readonly signer: NoteSigner | undefined
  },
): Promise<Ledger> {
  const { log, metrics, signer } = options
  const tree = new MerkleTree()
  const folder = logFolderOf(options.file)
  const published = signer && new LogFolder(folder, signer)
  const promised = signer && (await readCheckpoint(folder, signer))
  const entries = readEntries(file)
  let step = await entries.next()
  while (step.done !== true) {
    tree.append(step.value.leafHash)
    published?.append(step.value.leafHash)
    if (promised?.size === tree.size) assertKept(promised, tree.head())
    if (options.signal?.aborted === true) {
      throw new CountersignError('ledger/unavailable', 'ledger is not opened: told to end')
    }
    step = await entries.next()
  }
  const { end, tornOctets } = step.value
  // Before the torn write is cut: what was published was acknowledged, so it was no torn write.
  if (promised !== undefined && promised.size > tree.size) assertKept(promised, tree.head())
  if (tornOctets > 0) {
    const fields = { file: options.file, droppedOctets: tornOctets, records: tree.size }
    log.warn(fields, 'the ledger ends in a torn write, which is dropped')
    await file.truncate(end)
    await file.sync()
  }
  const { lookSeconds, publishSeconds } = options
  const held = (): Promise<boolean> => lock.held()
  const publication =
    published && new Publication({ published, tree, held, log, metrics, seconds: publishSeconds })
  const parts = { file, lock, tree, end, metrics, lookSeconds, publication }
  return new FileLedger({ ...parts, droppedOctets: tornOctets })
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

/** The records of a ledger from the first; may run beside its writer. Throws 'ledger/corrupt' and 'ledger/record'. */
export async function* readLedger(
  file: string,
): AsyncGenerator<{ index: number; record: LedgerRecord; leafHash: string }, void> {
  const opened = await orUnavailable(openLedgerFile(file, 'read'))
  try {
    let index = 0
    for await (const { line, leafHash } of readEntries(opened)) {
      yield { index, record: parseLine(line), leafHash: leafHash.toString('hex') }
      index++
    }
  } finally {
    await opened.close()
  }
}

async function orUnavailable<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw unavailable(error)
  }
}

function unavailable(cause: unknown): CountersignError {
  if (cause instanceof CountersignError) return cause
  const code = cause instanceof Error && 'code' in cause ? cause.code : 'unknown'
  const rule = `ledger is not available: want=durable writes got=${quoted(String(code))}`
  return new CountersignError('ledger/unavailable', rule, { cause })
}

function lost(rule: string): CountersignError {
  return new CountersignError('ledger/unavailable', rule)
}

interface Pending {
  readonly kind: LedgerRecord['kind']
  readonly entry: Entry
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: CountersignError) => void
}

class FileLedger implements Ledger {
  readonly recovered: { readonly droppedOctets: number }
  readonly failed: Promise<CountersignError>
  readonly #tellFailure: (failure: CountersignError) => void
  readonly #look: NodeJS.Timeout
  readonly #file: LedgerFile
  readonly #publication: Publication | undefined
  readonly #lock: Lock
  readonly #metrics: Metrics
  /** Holds the acknowledged records and no others. */
  readonly #tree: MerkleTree
  /** Where the acknowledged records end in the file. */
  #end: number
  #queue: Pending[] = []
  #flushing: Promise<void> | undefined
  /** Set once: what is in the file beyond `#end` is not known from then on. */
  #failure: CountersignError | undefined
  #closed = false

  constructor(parts: {
    readonly file: LedgerFile
    readonly lock: Lock
    readonly tree: MerkleTree
    readonly end: number
    readonly metrics: Metrics
    readonly lookSeconds: number
    readonly publication: Publication | undefined
    readonly droppedOctets: number
  }) {
    const failed = Promise.withResolvers<CountersignError>()
    this.failed = failed.promise
    this.#tellFailure = failed.resolve
    this.#file = parts.file
    this.#lock = parts.lock
    this.#publication = parts.publication
    this.#metrics = parts.metrics
    this.#tree = parts.tree
    this.#end = parts.end
    this.recovered = { droppedOctets: parts.droppedOctets }
    this.#look = setInterval(() => {
      if (this.#failure === undefined) this.#flushing ??= this.#lookOnce()
    }, parts.lookSeconds * 1000).unref()
    this.#publication?.soon(0)
  }

  head(): TreeHead {
    return this.#tree.head()
  }

  async append(record: LedgerRecord): Promise<Appended> {
    if (this.#failure !== undefined) throw this.#failure
    const entry = formatEntry(record)
    return await new Promise((resolve, reject) => {
      this.#queue.push({ kind: record.kind, entry, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** Writes batch after batch: whatever is appended while one is synced shares the next sync. */
  async #flush(): Promise<void> {
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch()
      try {
        await this.#writeDurably(Buffer.concat(batch.map((pending) => pending.entry.line)))
      } catch (error) {
        this.#fail(unavailable(error), batch)
        break
      }
      for (const { kind, entry, resolve } of batch) {
        this.#metrics.count('countersign_ledger_records_total', { kind })
        const index = this.#tree.append(entry.leafHash)
        this.#publication?.append(entry.leafHash)
        resolve({ index, leafHash: entry.leafHash.toString('hex') })
      }
    }
    this.#flushing = undefined
    this.#publication?.soon()
  }

  /** Takes the place of a flush, so that the size it finds is no size on the way. */
  async #lookOnce(): Promise<void> {
    try {
      await this.#assertHeld(this.#end)
    } catch (error) {
      this.#fail(unavailable(error), [])
    }
    await this.#flush()
  }

  #takeBatch(): Pending[] {
    let octets = 0
    const beyond = this.#queue.findIndex(({ entry }) => {
      octets += entry.line.length
      return octets > batchOctetsMax
    })
    return this.#queue.splice(0, beyond < 0 ? this.#queue.length : beyond)
  }

  async #writeDurably(octets: Buffer): Promise<void> {
    await this.#assertHeld(this.#end)
    for (let written = 0; written < octets.length;) {
      const count = await this.#file.write(octets.subarray(written), this.#end + written)
      if (count === 0) {
        throw new CountersignError('ledger/unavailable', 'ledger takes no octets')
      }
      written += count
    }
    await this.#file.sync()
    await this.#assertHeld(this.#end + octets.length)
    this.#end += octets.length
  }

  /** Before every write and after its sync: what is written to a file that nobody finds again is not recorded. */
  async #assertHeld(size: number): Promise<void> {
    const [held, { name, octets }] = await Promise.all([this.#lock.held(), this.#file.standing()])
    if (!held) throw lost('ledger lock is lost: another process may write')
    if (name !== 'named') {
      throw lost(`ledger file is ${name} under its writer: put it back, or a copy of it`)
    }
    if (octets !== size) {
      throw lost(`ledger file was written to by others: want=${size} octets got=${octets}`)
    }
  }

  #fail(failure: CountersignError, batch: readonly Pending[]): void {
    this.#failure = failure
    this.#tellFailure(failure)
    this.#publication?.stop()
    const refused = [...batch, ...this.#queue]
    this.#queue = []
    for (const { reject } of refused) reject(failure)
  }

  /** Waits for the records under way; takes no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#look)
    this.#failure ??= new CountersignError('ledger/unavailable', 'ledger is closed')
    await this.#flushing
    await this.#publication?.close()
    await this.#file.close()
    await this.#lock.release()
  }
}
