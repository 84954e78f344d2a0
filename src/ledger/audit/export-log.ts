import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Checkpoint } from '../../tlog/checkpoint.ts'
import { MerkleTree } from '../../tlog/merkle-tree.ts'
import { otherRecords, publishedCheckpoint, readPublished } from './published.ts'
import { formatEntryBundle, TileTree, tilePath, tileWidth } from '../../tlog/tiles.ts'

/**
 * Writes a whole log of C2SP tlog-tiles into a new folder, entries included: any web server can serve it. Gives its size.
 * Throws 'ledger/corrupt', and leaves no folder, where the records are not those of the checkpoint.
 */
export async function exportLog(file: string, folder: string): Promise<number> {
  const { text, checkpoint } = await publishedCheckpoint(file)
  await mkdir(folder, { recursive: false })
  try {
    await writeLog(file, folder, checkpoint)
    // Last, so that whoever finds it finds all that it speaks of.
    await writeFile(join(folder, 'checkpoint'), text)
    return checkpoint.size
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function writeLog(file: string, folder: string, checkpoint: Checkpoint): Promise<void> {
  const tree = new TileTree()
  const hashed = new MerkleTree()
  let bundle: (Buffer | undefined)[] = []
  let index = 0
  const write = async (path: string, octets: Buffer): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), octets)
  }
  // Where retention has removed some of a bundle's entries there is no bundle: its tiles are all that is left.
  const writeBundle = async (): Promise<void> => {
    const entries = bundle.filter((json) => json !== undefined)
    const path = tilePath('entries', index, bundle.length)
    if (entries.length === bundle.length) await write(path, formatEntryBundle(entries))
    bundle = []
    index += 1
  }
  for await (const { leafHash, json } of readPublished(file, checkpoint.size)) {
    hashed.append(leafHash)
    for (const { path, octets } of tree.append(leafHash)) await write(path, octets)
    bundle.push(json)
    if (bundle.length === tileWidth) await writeBundle()
  }
  for (const { path, octets } of tree.partial()) await write(path, octets)
  if (bundle.length > 0) await writeBundle()
  if (hashed.head().rootHash !== checkpoint.rootHash) throw otherRecords()
}
