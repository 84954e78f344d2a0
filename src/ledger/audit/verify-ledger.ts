import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import { readChecked, type CheckedCheckpoint, type Trusted } from '../../tlog/checked-checkpoint.ts'
import { parseLine } from '../entry.ts'
import { ledgerDisk } from '../ledger-file.ts'
import { logFolderOf } from '../../tlog/log-folder.ts'
import { MerkleTree, type TreeHead } from '../../tlog/merkle-tree.ts'
import type { Tail } from '../read-entries.ts'
import { findSegments, readSegments, type Segments } from '../segments.ts'
import { Intents, Marks, type Problem } from './marks.ts'
import { readRemoved } from './published.ts'
import { TileTree, type LogFile } from '../../tlog/tiles.ts'

export interface Findings extends TreeHead {
  readonly file: string
  /** The records before this index were removed by retention, as the record of this time says; null where all are there. */
  readonly removed: { readonly before: number; readonly time: string } | null
  /** Of a write under way, or one that a crash cut off. */
  readonly unfinishedOctets: number
  readonly checkpoints: readonly CheckedCheckpoint[]
  readonly problems: readonly Problem[]
}

/**
 * Reads a ledger from its first octet, beside its writer or without it, and holds it against every checkpoint that it is
 * given, its own included, and its own tiles. What was changed or cut is told with its place.
 */
export async function verifyLedger(
  file: string,
  options: Trusted & { readonly kept: readonly string[] },
): Promise<Findings> {
  const problems: Problem[] = []
  const folder = logFolderOf(file)
  const own = join(folder, 'checkpoint')
  const files = [own, ...options.kept]
  const found = await Promise.all(
    files.map((place, index) => readChecked({ place, mayLack: index === 0 }, options, problems)),
  )
  const checkpoints = found.filter((checkpoint) => checkpoint !== undefined)
  if (found[0] === undefined && options.log !== undefined && problems.length === 0) {
    problems.push({ place: own, problem: 'no checkpoint, and a key to check it with' })
  }
  const tiles = found[0] === undefined ? undefined : new Tiles(folder, found[0].size, problems)
  const tree = new MerkleTree()
  const marks = new Marks(problems)
  const intents = new Intents(problems)
  let tail: Tail | undefined
  try {
    await using segments = await findSegments(file, ledgerDisk).catch(notRead(file))
    marks.begin(segments.found[0])
    const entries = readLog(file, segments, found[0]?.size ?? 0)
    for (;;) {
      compareRoots(checkpoints, tree, problems)
      const step = await entries.next()
      if (step.done === true) {
        tail = step.value
        break
      }
      const { leafHash, line } = step.value
      const index = tree.append(leafHash)
      await tiles?.append(leafHash)
      if (line === undefined) continue
      const record = parseLine(line)
      marks.look(index, record)
      intents.look(index, record)
    }
    marks.end(found[0])
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code === 'ledger/unavailable') throw error
    problems.push({ place: `record ${tree.size}`, problem: error.message })
  }
  if (tail !== undefined) {
    for (const { place, size } of checkpoints.filter(({ size: want }) => want > tree.size)) {
      const problem = `records are missing: want≥${size} as ${place} says got=${tree.size}`
      problems.push({ place: `record ${tree.size}`, problem })
    }
  }
  const unfinishedOctets = tail?.tornOctets ?? 0
  const { removed } = marks
  return { file, ...tree.head(), removed, unfinishedOctets, checkpoints, problems }
}

/** Every leaf of a ledger: of records that were removed the tiles are what is left. */
async function* readLog(
  file: string,
  segments: Segments,
  size: number,
): AsyncGenerator<{ readonly leafHash: Buffer; readonly line?: Buffer }, Tail> {
  yield* readRemoved(file, segments.found[0], size)
  return yield* readSegments(segments)
}

function compareRoots(
  checkpoints: readonly CheckedCheckpoint[],
  tree: MerkleTree,
  problems: Problem[],
): void {
  for (const { place, size, rootHash } of checkpoints) {
    if (size !== tree.size || tree.head().rootHash === rootHash) continue
    const problem = `the first ${size} records are not those of this checkpoint`
    problems.push({ place, problem })
  }
}

/** Holds the tiles of the folder against those of the records, up to what is published. */
class Tiles {
  readonly #folder: string
  readonly #size: number
  readonly #problems: Problem[]
  readonly #tree = new TileTree()
  #appended = 0

  constructor(folder: string, size: number, problems: Problem[]) {
    this.#folder = folder
    this.#size = size
    this.#problems = problems
  }

  async append(leafHash: Buffer): Promise<void> {
    if (this.#appended === this.#size) return
    this.#appended += 1
    const full = this.#tree.append(leafHash)
    for (const tile of full) await this.#compare(tile, false)
    if (this.#appended < this.#size) return
    for (const tile of this.#tree.partial()) await this.#compare(tile, true)
  }

  async #compare({ path, octets }: LogFile, partial: boolean): Promise<void> {
    const place = join(this.#folder, path)
    const read = (name: string): Promise<Buffer | undefined> =>
      readFile(name).catch(() => undefined)
    // A running signer fills a tile, and then its parts are gone.
    const whole = partial ? await read(place.replace(/\.p\/\d+$/, '')) : undefined
    const got = whole?.subarray(0, octets.length) ?? (await read(place))
    if (got?.equals(octets) === true) return
    const problem = got === undefined ? 'tile is missing' : 'tile is not the one of the records'
    this.#problems.push({ place, problem })
  }
}

function notRead(file: string): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof CountersignError) throw cause
    throw new CountersignError('ledger/unavailable', `cannot read ${quoted(file, 300)}`, { cause })
  }
}
