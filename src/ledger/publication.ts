import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { LogFolder } from '../tlog/log-folder.ts'
import type { MerkleTree } from '../tlog/merkle-tree.ts'

interface Parts {
  readonly published: LogFolder
  readonly tree: MerkleTree
  /** Whether the ledger is still ours: another's checkpoint is not written over. */
  readonly held: () => Promise<boolean>
  readonly log: Log
  readonly metrics: Metrics
  readonly seconds: number
}

/** Publishes what a ledger has acknowledged, a while after it: nobody waits for it. */
export class Publication {
  readonly #parts: Parts

  #timer: NodeJS.Timeout | undefined
  #last: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** So many records are known to others. */
  get publishedSize(): number {
    return this.#parts.published.publishedSize
  }

  append(leafHash: Buffer): void {
    this.#parts.published.append(leafHash)
  }

  soon(seconds: number = this.#parts.seconds): void {
    if (this.#stopped) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#last = this.#last.then(() => this.#publish())
    }, seconds * 1000).unref()
  }

  /** A checkpoint that cannot be written is written later: the records themselves are kept all the same. */
  async #publish(): Promise<void> {
    const { published, tree, held, log, metrics, seconds } = this.#parts
    try {
      if (this.#stopped || !(await held())) return
      await published.publish(tree.head(), held)
    } catch (error) {
      metrics.count('countersign_ledger_publish_failures_total')
      log.error({ error, records: tree.size }, 'the checkpoint of the ledger is not written')
      this.soon(10 * seconds)
    }
    const behind = tree.size - Math.max(0, published.publishedSize)
    metrics.set('countersign_ledger_unpublished_records', behind)
  }

  /** The ledger failed: what it holds from now on is not known. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Publishes what is left. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#last
    await this.#publish()
    this.stop()
  }
}
