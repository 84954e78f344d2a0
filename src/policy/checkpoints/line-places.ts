import { TileReader } from '../../tlog/tile-reader.ts'
import { tileWidth } from '../../tlog/tiles.ts'

export interface Problem {
  /** A file, a line of it (`<file>:<line>`), a checkpoint, a tile. */
  readonly place: string
  readonly problem: string
}

/** How far it is looked for a line that stands in the place of another. */
const aheadMax = 1024

/** Of one file; whoever wants to know more has changed all of it. */
const problemsMax = 20

/** A line that is none of those expected, so far. */
interface Strange {
  readonly line: number
  readonly hash: string
}

/**
 * Holds the lines of one file against the leaves that were published, and says where they differ: changed, put in, taken out or moved.
 * Whether lines or tiles are the true ones is not known here.
 */
export class LinePlaces {
  readonly #path: string
  readonly #leaves: PublishedLeaves
  readonly #problems: Problem[] = []
  /** By their hashes: lines that were not where they were expected. */
  readonly #missed = new Map<string, number>()
  readonly #firstIndex: number
  readonly #until: number
  /** Leaves that come next, by their hashes, up to this index. */
  readonly #ahead = new Map<string, number>()
  #knownTo = -1
  #strange: Strange[] = []
  #strangeMore = 0
  /** Of the leaf that the next line should be. */
  #at: number
  #line = 0

  /** Of the file's lines, from this index of the whole log until that one. */
  constructor(
    path: string,
    range: { readonly firstIndex: number; readonly until: number },
    leaves: PublishedLeaves,
  ) {
    this.#path = path
    this.#firstIndex = range.firstIndex
    this.#until = range.until
    this.#at = range.firstIndex
    this.#leaves = leaves
  }

  /** The next line. */
  async look(leafHash: Buffer): Promise<void> {
    this.#line += 1
    const hash = leafHash.toString('latin1')
    const wanted = await this.#leafAt(this.#at)
    // What is not published, or no longer, is compared with nothing.
    if (wanted === undefined || wanted === hash) {
      if (this.#strange.length > 0 && wanted !== undefined) await this.#tell(this.#at, this.#line)
      this.#at += 1
      return
    }
    const found = await this.#findAhead(hash)
    if (found === undefined) {
      if (this.#strange.length < aheadMax) this.#strange.push({ line: this.#line, hash })
      else this.#strangeMore += 1
      return
    }
    await this.#tell(found, this.#line)
    this.#at = found + 1
  }

  /** There are no more lines. */
  async end(): Promise<readonly Problem[]> {
    if (this.#strange.length > 0 || this.#at < this.#until) {
      await this.#tell(Math.max(this.#until, this.#at), this.#line + 1)
    }
    return this.#problems
  }

  /** What comes after the file's own lines is none of them. */
  async #leafAt(index: number): Promise<string | undefined> {
    return index < this.#until ? this.#leaves.at(index) : undefined
  }

  /** Each leaf is asked for once: of a log of which every line is another all of them would be, for each. */
  async #findAhead(hash: string): Promise<number | undefined> {
    this.#knownTo = Math.max(this.#knownTo, this.#at)
    while (this.#knownTo < this.#at + aheadMax) {
      const leaf = await this.#leafAt(this.#knownTo + 1)
      if (leaf === undefined) break
      this.#knownTo += 1
      if ((this.#ahead.get(leaf) ?? 0) <= this.#at) this.#ahead.set(leaf, this.#knownTo)
    }
    if (this.#ahead.size > 2 * aheadMax) {
      for (const [leaf, index] of this.#ahead) if (index <= this.#at) this.#ahead.delete(leaf)
    }
    const found = this.#ahead.get(hash)
    return found !== undefined && found > this.#at ? found : undefined
  }

  /** Before this line stand strange ones in the place of the leaves up to that of the line. */
  async #tell(until: number, line: number): Promise<void> {
    const missed = until - this.#at
    const strange = this.#strange
    const more = this.#strangeMore
    this.#strange = []
    this.#strangeMore = 0
    for (const [n, each] of strange.entries()) {
      const was = this.#missed.get(each.hash)
      if (was !== undefined) this.#say(each.line, `is out of its place: it was line ${was}`)
      else this.#say(each.line, n < missed ? 'is not the line that was written' : 'was put in')
    }
    if (more > 0)
      this.#say(line, `and ${more} more lines before it are not those that were written`)
    const gone = missed - strange.length
    if (gone > 0) this.#say(line, `${gone === 1 ? 'a line is' : `${gone} lines are`} missing here`)
    for (let index = this.#at; index < Math.min(until, this.#at + aheadMax); index += 1) {
      const leaf = await this.#leaves.at(index)
      if (leaf !== undefined) this.#missed.set(leaf, index - this.#firstIndex + 1)
    }
  }

  #say(line: number, problem: string): void {
    if (this.#problems.length < problemsMax) {
      this.#problems.push({ place: `${this.#path}:${line}`, problem })
    }
  }
}

/** The leaves of a log as its folder has them, up to the size of its checkpoint. */
export class PublishedLeaves {
  readonly #tiles: TileReader
  readonly #size: number
  /** The last ones that were asked for, by number. */
  readonly #kept = new Map<number, readonly string[] | undefined>()

  constructor(folder: string, size: number) {
    this.#tiles = new TileReader(folder, size)
    this.#size = size
  }

  /** Undefined where there is none, or its tile is gone. */
  async at(index: number): Promise<string | undefined> {
    if (index >= this.#size) return undefined
    const number = Math.floor(index / tileWidth)
    if (!this.#kept.has(number)) {
      const width = Math.min(tileWidth, this.#size - number * tileWidth)
      const hashes = await this.#tiles.read(0, number, width)
      if (this.#kept.size > tilesKept) this.#kept.clear()
      this.#kept.set(
        number,
        hashes?.map((hash) => hash.toString('latin1')),
      )
    }
    return this.#kept.get(number)?.[index % tileWidth]
  }
}

const tilesKept = 8
