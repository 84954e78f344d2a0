import { join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import { parseCheckpoint, type Checkpoint } from '../../tlog/checkpoint.ts'
import { jsonOf } from '../entry.ts'
import { ledgerDisk } from '../ledger-file.ts'
import { logFolderOf } from '../../tlog/log-folder.ts'
import { MerkleTree } from '../../tlog/merkle-tree.ts'
import { parseNote, readNote } from '../../tlog/note.ts'
import type { SubtreeHash } from '../../tlog/proof.ts'
import { findSegments, readSegments, treeBefore, type Segment } from '../segments.ts'
import { TileReader } from '../../tlog/tile-reader.ts'
import { tilePath, tileWidth } from '../../tlog/tiles.ts'

/** The checkpoint of a ledger as it is published, and its text. Throws 'ledger/note' where there is none. */
export async function publishedCheckpoint(
  file: string,
): Promise<{ readonly text: string; readonly checkpoint: Checkpoint }> {
  const path = join(logFolderOf(file), 'checkpoint')
  const text = await readNote(path).catch((cause: unknown) => {
    if (cause instanceof CountersignError) throw cause
    const hint = 'set ledger.log.keyFile of the signer: docs/LEDGER.md'
    throw new CountersignError('ledger/note', `no checkpoint: ${quoted(path, 300)}`, {
      cause,
      hint,
    })
  })
  return { text, checkpoint: parseCheckpoint(parseNote(text).text) }
}

/** A leaf of the published log; of a record that was removed by retention the hash is all that is left. */
export interface Leaf {
  readonly index: number
  readonly leafHash: Buffer
  readonly json: Buffer | undefined
}

/**
 * The first so many leaves: of records that are there, hashed again, and before them of the tiles. Throws 'ledger/corrupt' where there are fewer,
 * and where the records do not stand on what the tiles say.
 */
export async function* readPublished(file: string, size: number): AsyncGenerator<Leaf, void> {
  await using segments = await findSegments(file, ledgerDisk)
  yield* readRemoved(file, segments.found[0], size)
  let records = segments.found[0].firstIndex
  for await (const { index, leafHash, line } of readSegments(segments)) {
    if (records >= size) return
    records += 1
    yield { index, leafHash, json: Buffer.from(jsonOf(line)) }
  }
  if (records < size) {
    const rule = `records are missing: want≥${size} as its checkpoint says got=${records}`
    throw new CountersignError('ledger/corrupt', rule)
  }
}

/** The leaves before the oldest segment that is there, as the tiles have them, held against what that one stands on. */
export async function* readRemoved(
  file: string,
  oldest: Segment,
  size: number,
): AsyncGenerator<Leaf, void> {
  const { firstIndex } = oldest
  const folder = logFolderOf(file)
  const tiles = new TileReader(folder, size)
  const tree = new MerkleTree()
  for (let tile = 0; tree.size < firstIndex; tile++) {
    const hashes = await tiles.read(0, tile, Math.min(tileWidth, firstIndex - tree.size))
    if (hashes === undefined) {
      const rule = `no tile of records that are not here: want=${quoted(join(folder, tilePath(0, tile)), 300)}`
      throw new CountersignError('ledger/corrupt', rule)
    }
    for (const leafHash of hashes) {
      const index = tree.append(leafHash)
      yield { index, leafHash, json: undefined }
    }
  }
  if (tree.head().rootHash === treeBefore(oldest).head().rootHash) return
  const rule = `the tiles are not those of the ${firstIndex} records before ${quoted(oldest.path, 300)}`
  throw new CountersignError('ledger/corrupt', rule)
}

/** What a ledger has published, of which anything can be proved. */
export interface PublishedTree {
  /** The signed checkpoint, as it stands in its file. */
  readonly text: string
  readonly checkpoint: Checkpoint
  /** Of the tiles. */
  readonly hashOf: SubtreeHash
}

/** Reads all of it, and `look` sees each leaf. Throws 'ledger/note', and 'ledger/corrupt' where the records are not those of the checkpoint. */
export async function readPublishedTree(
  file: string,
  look: (leaf: Leaf) => void = () => {},
): Promise<PublishedTree> {
  const { text, checkpoint } = await publishedCheckpoint(file)
  const tree = new MerkleTree()
  for await (const leaf of readPublished(file, checkpoint.size)) {
    look(leaf)
    tree.append(leaf.leafHash)
  }
  if (tree.head().rootHash !== checkpoint.rootHash) throw otherRecords()
  const tiles = new TileReader(logFolderOf(file), checkpoint.size)
  return { text, checkpoint, hashOf: (level, index) => tiles.subtree(level, index) }
}

export function otherRecords(): CountersignError {
  return new CountersignError('ledger/corrupt', 'the records are not those of the checkpoint')
}
