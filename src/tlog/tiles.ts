import { hashNode } from './merkle-tree.ts'

/** C2SP tlog-tiles: a tile has so many hashes at most, and a bundle of entries so many entries. */
export const tileWidth = 256

/** A file of the log, by its path within the log's folder. */
export interface LogFile {
  readonly path: string
  readonly octets: Buffer
}

/** `tile/<level>/<index>[.p/<width>]`, the index in groups of three digits: 1234067 is x001/x234/067. */
export function tilePath(
  level: number | 'entries',
  index: number,
  width: number = tileWidth,
): string {
  const last = String(index % 1000).padStart(3, '0')
  let path = last
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
  }
  return `tile/${level}/${path}${width === tileWidth ? '' : `.p/${width}`}`
}

/** The root over the hashes of a full tile: a hash of the level above. */
function tileRoot(hashes: readonly Buffer[]): Buffer {
  let level = hashes
  while (level.length > 1) {
    const above: Buffer[] = []
    for (let at = 0; at < level.length; at += 2) {
      above.push(hashNode(level[at] as Buffer, level[at + 1] as Buffer))
    }
    level = above
  }
  return level[0] as Buffer
}

/** The tiles at the edge of a tree of so many leaves, from the lowest level: how many hashes of which tile. */
export function edgeOf(
  size: number,
): readonly { readonly level: number; readonly index: number; readonly width: number }[] {
  const edge: { level: number; index: number; width: number }[] = []
  for (let level = 0, hashes = size; hashes > 0; level++) {
    const index = Math.floor(hashes / tileWidth)
    edge.push({ level, index, width: hashes % tileWidth })
    hashes = index
  }
  return edge
}

/** Cuts leaves into tiles as they come, and keeps no more than the last tile of each level. */
export class TileTree {
  readonly #levels: { index: number; hashes: Buffer[] }[]

  /** Goes on from what the tiles at the edge hold, from the lowest level. */
  constructor(
    edge: readonly { readonly index: number; readonly hashes: readonly Buffer[] }[] = [],
  ) {
    this.#levels = edge.map(({ index, hashes }) => ({ index, hashes: [...hashes] }))
  }

  /** Gives the tiles that the leaf has filled. */
  append(leafHash: Buffer): readonly LogFile[] {
    const full: LogFile[] = []
    let hash: Buffer | undefined = leafHash
    for (let level = 0; hash !== undefined; level++) {
      const tile = (this.#levels[level] ??= { index: 0, hashes: [] })
      tile.hashes.push(hash)
      hash = undefined
      if (tile.hashes.length === tileWidth) {
        full.push({ path: tilePath(level, tile.index), octets: Buffer.concat(tile.hashes) })
        hash = tileRoot(tile.hashes)
        tile.index += 1
        tile.hashes = []
      }
    }
    return full
  }

  /** The tiles at the edge of the tree, which are to be there for every size that is published. */
  partial(): readonly LogFile[] {
    return this.#levels.flatMap(({ index, hashes }, level) =>
      hashes.length === 0
        ? []
        : [{ path: tilePath(level, index, hashes.length), octets: Buffer.concat(hashes) }],
    )
  }
}

/** C2SP tlog-tiles: each entry after its length in two octets. */
export function formatEntryBundle(entries: readonly Buffer[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(entry.length)
      return [length, entry]
    }),
  )
}
