import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tilePath, tileWidth } from './tiles.ts'

const hashOctets = 32

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

  /** A running signer fills a tile, and then its parts are gone. */
  async #octets(level: number, index: number): Promise<Buffer | undefined> {
    const width = Math.floor(this.#size / tileWidth ** level) - index * tileWidth
    const whole = await this.#file(tilePath(level, index))
    return whole ?? (width > 0 ? this.#file(tilePath(level, index, width)) : undefined)
  }

  /** A file that is longer than a tile is none. */
  async #file(path: string): Promise<Buffer | undefined> {
    const octets = await readFile(join(this.#folder, path)).catch(() => undefined)
    return octets !== undefined && octets.length <= tileWidth * hashOctets ? octets : undefined
  }
}
