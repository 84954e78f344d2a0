import { join } from 'node:path'
import { readBoundedFile } from '../bounded-file.ts'
import { CountersignError, quoted } from '../errors.ts'
import { MerkleTree } from './merkle-tree.ts'
import { tilePath, tileWidth } from './tiles.ts'

const hashOctets = 32
const levelsOfTile = 8

/** Reads the tiles of a folder as they were published for a tree of so many leaves. Nothing of them is checked. */
export class TileReader {
  readonly #folder: string
  readonly #size: number

  constructor(folder: string, size: number) {
    this.#folder = folder
    this.#size = size
  }

  /** The first so many hashes of a tile; undefined where it is not there, or has fewer. */
  async read(level: number, index: number, width: number): Promise<Buffer[] | undefined> {
    const octets = await this.#octets(level, index)
    if (octets === undefined || octets.length < width * hashOctets) return undefined
    return Array.from({ length: width }, (_, at) =>
      octets.subarray(at * hashOctets, (at + 1) * hashOctets),
    )
  }

  /** The root over `2^level` leaves from `index * 2^level` on. Throws 'ledger/corrupt' where the tile is not there. */
  async subtree(level: number, index: number): Promise<Buffer> {
    const tileLevel = Math.floor(level / levelsOfTile)
    const width = 2 ** (level % levelsOfTile)
    const first = index * width
    const tile = Math.floor(first / tileWidth)
    const hashes = await this.read(tileLevel, tile, (first % tileWidth) + width)
    if (hashes === undefined) {
      const path = join(this.#folder, tilePath(tileLevel, tile))
      throw new CountersignError('ledger/corrupt', `no tile: want=${quoted(path, 300)}`)
    }
    const tree = new MerkleTree()
    for (const hash of hashes.slice(first % tileWidth)) tree.append(hash)
    return tree.subtrees[0] as Buffer
  }

  /** A running signer fills a tile, and then its parts are gone. */
  async #octets(level: number, index: number): Promise<Buffer | undefined> {
    const width = Math.floor(this.#size / tileWidth ** level) - index * tileWidth
    const whole = await this.#file(tilePath(level, index))
    return whole ?? (width > 0 ? this.#file(tilePath(level, index, width)) : undefined)
  }

  /** A file that is longer than a tile is none. */
  async #file(path: string): Promise<Buffer | undefined> {
    const file = join(this.#folder, path)
    const found = await readBoundedFile(file, tileWidth * hashOctets).catch(() => undefined)
    return found?.content
  }
}
