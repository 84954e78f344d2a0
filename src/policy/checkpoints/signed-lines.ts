import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { isCode } from '../../tlog/durable-file.ts'
import { LogFolder, logFolderOf, readCheckpoint } from '../../tlog/log-folder.ts'
import { hashLeaf, MerkleTree } from '../../tlog/merkle-tree.ts'
import type { NoteSigner } from '../../tlog/note.ts'
import { TileReader } from '../../tlog/tile-reader.ts'
import { edgeOf, tilePath, tileWidth } from '../../tlog/tiles.ts'
import { readKept } from './read-kept.ts'
import type { Fault, SegmentHead } from './segment-head.ts'

/** What is signed of a log's lines as they were written: of those that its files hold, and of no others. */
export interface SignedLines {
  /** There are lines that no checkpoint covers yet, and it is time for one. */
  readonly isDue: boolean
  /** Takes up what the files hold already. False: lines go into a file that begins. Throws `policy/log`, `ledger/corrupt`. */
  resume(): Promise<boolean>
  /** The first line of a file that begins. */
  head(): string
  /** Whole lines, with their ends, as they are in the file by now. */
  written(octets: Buffer): void
  /** Signs what was written, all of which is on disk. Rejects where that cannot be kept. */
  publish(): Promise<void>
  /** The same, and nobody waits: what cannot be kept is tried again when it is due. */
  publishSoon(): void
  /** Resolves when nothing is being signed. */
  settled(): Promise<void>
  /** The file is not as it was written: what no checkpoint covers is taken back, and the next head says so. */
  giveUp(reason: Fault): Promise<void>
}

export interface CheckpointOptions {
  readonly signer: NoteSigner
  readonly everySeconds: number
}

interface Options extends CheckpointOptions {
  readonly file: string
  /** How many files of the log there are in all. */
  readonly files: number
  readonly formatHead: (head: SegmentHead) => string
  readonly log: Log
  readonly metrics: Metrics
  /** Milliseconds of a monotonic clock. */
  readonly elapsed?: () => number
}

/** The tree as far as it is signed, and what goes on from there. */
interface Tree {
  readonly leaves: MerkleTree
  readonly published: LogFolder
}

const lineEnd = 0x0a

export function createSignedLines(options: Options): SignedLines {
  return new FolderOfLines(options)
}

class FolderOfLines implements SignedLines {
  readonly #options: Options
  readonly #folder: string
  readonly #elapsed: () => number
  #tree: Tree
  /** Lines of the checkpoint that is on disk. */
  #signedSize = 0
  #triedAt: number
  #publishing: Promise<void> = Promise.resolve()
  #isPublishing = false
  /** Where the files begin that are kept, oldest first. */
  #kept: number[] = []
  #lost: SegmentHead['lost']
  #begins = false

  constructor(options: Options) {
    this.#options = options
    this.#folder = logFolderOf(options.file)
    this.#elapsed = options.elapsed ?? (() => performance.now())
    this.#triedAt = this.#elapsed()
    this.#tree = {
      leaves: new MerkleTree(),
      published: new LogFolder(this.#folder, options.signer),
    }
  }

  get isDue(): boolean {
    const isTime = this.#elapsed() - this.#triedAt >= this.#options.everySeconds * 1000
    return isTime && !this.#isPublishing && this.#tree.leaves.size > this.#signedSize
  }

  async resume(): Promise<boolean> {
    const { file, files, signer, log } = this.#options
    const promised = await readCheckpoint(this.#folder, signer)
    this.#signedSize = promised?.size ?? 0
    this.#tree = await this.#readTree()
    if (promised !== undefined && this.#tree.leaves.head().rootHash !== promised.rootHash) {
      throw tilesLost(this.#folder)
    }
    const { leaves, published } = this.#tree
    const found = await readKept({ file, files, promised }, (leafHash) => {
      leaves.append(leafHash)
      published.append(leafHash)
    })
    this.#kept = [...found.kept]
    if (found.fault !== undefined) {
      const reason = found.fault
      log.error({ file, reason }, 'decision log is not what its checkpoint says')
      this.#lost = { lines: 0, reason }
    }
    return found.goesOn
  }

  head(): string {
    const { files, formatHead } = this.#options
    const { leaves } = this.#tree
    this.#begins = true
    return formatHead({
      firstIndex: leaves.size,
      subtrees: leaves.subtrees.map((hash) => hash.toString('hex')),
      before: this.#kept.slice(Math.max(0, this.#kept.length - (files - 2))),
      ...(this.#lost === undefined ? {} : { lost: this.#lost }),
    })
  }

  written(octets: Buffer): void {
    const { leaves, published } = this.#tree
    if (this.#begins) {
      this.#kept = [...this.#kept, leaves.size].slice(-this.#options.files)
      this.#lost = undefined
      this.#begins = false
      void this.#forgetTiles()
    }
    let from = 0
    for (let at = octets.indexOf(lineEnd); at !== -1; at = octets.indexOf(lineEnd, from)) {
      const leafHash = hashLeaf(octets.subarray(from, at))
      leaves.append(leafHash)
      published.append(leafHash)
      from = at + 1
    }
    const unsigned = leaves.size - this.#signedSize
    this.#options.metrics.set('countersign_decision_log_unsigned_lines', unsigned)
  }

  async publish(): Promise<void> {
    await this.#publishing
    await this.#publishNow()
  }

  publishSoon(): void {
    this.#publishing = this.#publishNow().catch((error: unknown) => {
      this.#options.log.error({ error }, 'checkpoint of the decision log is not written')
    })
  }

  settled(): Promise<void> {
    return this.#publishing
  }

  async giveUp(reason: Fault): Promise<void> {
    await this.#publishing
    const { metrics } = this.#options
    metrics.count('countersign_decision_log_faults_total', { reason })
    const lines = this.#tree.leaves.size - this.#signedSize + (this.#lost?.lines ?? 0)
    this.#tree = await this.#readTree()
    this.#lost = { lines, reason: this.#lost?.reason ?? reason }
    this.#begins = false
  }

  /** What is appended meanwhile is of the next checkpoint. */
  async #publishNow(): Promise<void> {
    const { leaves, published } = this.#tree
    const head = leaves.head()
    this.#triedAt = this.#elapsed()
    this.#isPublishing = true
    try {
      await published.publish(head, () => Promise.resolve(true))
      this.#signedSize = head.size
      const unsigned = leaves.size - head.size
      this.#options.metrics.set('countersign_decision_log_unsigned_lines', unsigned)
    } finally {
      this.#isPublishing = false
    }
  }

  /** The tree of the checkpoint, from its tiles alone. */
  async #readTree(): Promise<Tree> {
    const { signer } = this.#options
    const [folder, size] = [this.#folder, this.#signedSize]
    if (size === 0) return { leaves: new MerkleTree(), published: new LogFolder(folder, signer) }
    const tiles = new TileReader(folder, size)
    const subtrees: Buffer[] = []
    for (const { level, index, width } of edgeOf(size)) {
      const hashes = width === 0 ? [] : await tiles.read(level, index, width)
      if (hashes === undefined) throw tilesLost(folder)
      const roots = new MerkleTree()
      for (const hash of hashes) roots.append(hash)
      subtrees.unshift(...roots.subtrees)
    }
    const leaves = new MerkleTree(size, subtrees)
    const published = await LogFolder.resume({ folder, signer, before: leaves, size })
    if (published === undefined) throw tilesLost(folder)
    return { leaves, published }
  }

  /** The hashes of lines whose file is written over are of no use: what stands above them goes on proving the others. */
  async #forgetTiles(): Promise<void> {
    const [oldest = 0] = this.#kept
    for (let tile = Math.floor(oldest / tileWidth) - 1; tile >= 0; tile -= 1) {
      try {
        await rm(join(this.#folder, tilePath(0, tile)))
      } catch (error) {
        if (!isCode(error, 'ENOENT')) {
          this.#options.log.warn({ error }, 'old tiles of the decision log are not removed')
        }
        return
      }
    }
  }
}

function tilesLost(folder: string): CountersignError {
  const rule = `checkpoint of the decision log has other tiles than it says, got=${quoted(folder, 300)}`
  const hint = 'put the folder elsewhere, with the log: a new one begins, which needs another name'
  return new CountersignError('policy/log', rule, { hint })
}
