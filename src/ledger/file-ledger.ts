import { createHash, type Hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Account } from './account.ts'
import { formatEntry, type Entry } from './entry.ts'
import { writeWhole, type LedgerDisk, type LedgerFile } from './ledger-file.ts'
import type { Appended, Ledger } from './ledger.ts'
import type { Lock } from './lock.ts'
import type { MerkleTree, TreeHead } from '../tlog/merkle-tree.ts'
import type { Publication } from './publication.ts'
import { batchOctetsMax } from './read-entries.ts'
import type { LedgerRecord, LoggedRecord, SegmentHead } from './record.ts'
import type { SegmentRetention } from './retention.ts'
import { sealSegment } from './seal.ts'
import { lost, unavailable } from './unavailable.ts'

interface Pending {
  readonly record: LedgerRecord
  readonly entry: Entry
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: CountersignError) => void
}

/** A segment is sealed without more open intents than this: its head names them, and the next start reads back to them. */
const unsettledMax = 1024

export interface FileLedgerParts {
  /** The name of the ledger. */
  readonly name: string
  readonly disk: LedgerDisk
  readonly file: LedgerFile
  readonly lock: Lock
  readonly tree: MerkleTree
  readonly account: Account
  /** Of the segment that is written. */
  readonly firstIndex: number
  readonly hash: Hash
  readonly end: number
  readonly now: () => number
  readonly metrics: Metrics
  readonly lookSeconds: number
  readonly segmentOctets: number
  readonly publication: Publication | undefined
  readonly retention: SegmentRetention | undefined
  readonly droppedOctets: number
}

/** The one writer of a ledger that was read. */
export class FileLedger implements Ledger {
  readonly recovered: { readonly droppedOctets: number }
  readonly failed: Promise<CountersignError>
  readonly #tellFailure: (failure: CountersignError) => void
  readonly #look: NodeJS.Timeout
  readonly #name: string
  readonly #disk: LedgerDisk
  readonly #account: Account
  readonly #now: () => number
  readonly #segmentOctets: number
  /** The segment that is written, and where its first record stands. */
  #file: LedgerFile
  #firstIndex: number
  /** Over its acknowledged records. */
  #hash: Hash
  readonly #publication: Publication | undefined
  readonly #retention: SegmentRetention | undefined
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

  constructor(parts: FileLedgerParts) {
    const failed = Promise.withResolvers<CountersignError>()
    this.failed = failed.promise
    this.#tellFailure = failed.resolve
    this.#name = parts.name
    this.#disk = parts.disk
    this.#account = parts.account
    this.#now = parts.now
    this.#segmentOctets = parts.segmentOctets
    this.#file = parts.file
    this.#firstIndex = parts.firstIndex
    this.#hash = parts.hash
    this.#lock = parts.lock
    this.#publication = parts.publication
    this.#retention = parts.retention
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
      this.#queue.push({ record, entry, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** Writes batch after batch: whatever is appended while one is synced shares the next sync. */
  async #flush(): Promise<void> {
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch()
      try {
        if (this.#isDue()) await this.#seal()
        await this.#writeDurably(Buffer.concat(batch.map((pending) => pending.entry.line)))
      } catch (error) {
        this.#fail(unavailable(error), batch)
        break
      }
      for (const { record, entry, resolve } of batch) resolve(this.#acknowledge(record, entry))
    }
    this.#flushing = undefined
    this.#publication?.soon()
  }

  /** The record is on the disk. */
  #acknowledge(record: LoggedRecord, { leafHash, line }: Entry): Appended {
    this.#metrics.count('countersign_ledger_records_total', { kind: record.kind })
    const index = this.#tree.append(leafHash)
    this.#hash.update(line)
    this.#account.look(index, record)
    this.#publication?.append(leafHash)
    return { index, leafHash: leafHash.toString('hex') }
  }

  #isDue(): boolean {
    return this.#end >= this.#segmentOctets && this.#account.unsettled.size <= unsettledMax
  }

  /** The file goes by the name of its first record from now on, and a new one, which stands on it, has its place. */
  async #seal(): Promise<void> {
    const firstIndex = this.#tree.size
    const sha256 = this.#hash.digest('hex')
    const record: SegmentHead = {
      kind: 'ledger-segment',
      time: new Date(this.#now()).toISOString(),
      firstIndex,
      subtrees: this.#tree.subtrees.map((hash) => hash.toString('hex')),
      previous: { firstIndex: this.#firstIndex, octets: this.#end, sha256 },
      ...this.#account.handOn(),
    }
    const head = formatEntry(record)
    const heldUntil = this.#account.heldUntil
    const sealed = this.#file
    this.#file = await sealSegment({
      name: this.#name,
      disk: this.#disk,
      sealed,
      firstIndex: this.#firstIndex,
      head: head.line,
      assertHeld: () => this.#assertHeld(this.#end),
    })
    const sealedAt = Date.parse(record.time)
    this.#retention?.add({ firstIndex: this.#firstIndex, end: firstIndex, sealedAt, heldUntil })
    this.#firstIndex = firstIndex
    this.#end = head.line.length
    this.#hash = createHash('sha256')
    this.#acknowledge(record, head)
    await sealed.close()
    await this.#assertHeld(this.#end)
  }

  /** Takes the place of a flush, so that the size it finds is no size on the way. */
  async #lookOnce(): Promise<void> {
    try {
      await this.#assertHeld(this.#end)
      await this.#retain()
    } catch (error) {
      this.#fail(unavailable(error), [])
    }
    await this.#flush()
  }

  async #retain(): Promise<void> {
    if (this.#retention === undefined || this.#publication === undefined) return
    const now = this.#now()
    const record = this.#retention.due(this.#account, now)
    if (record !== undefined) {
      const entry = formatEntry(record)
      await this.#writeDurably(entry.line)
      this.#acknowledge(record, entry)
    }
    await this.#retention.remove(this.#account, this.#publication.publishedSize, now)
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
    await writeWhole(this.#file, octets, this.#end)
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
