import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import { parseCheckpoint, type Checkpoint } from '../checkpoint.ts'
import { jsonOf } from '../entry.ts'
import { openLedgerFile } from '../ledger-file.ts'
import { logFolderOf } from '../log-folder.ts'
import { MerkleTree } from '../merkle-tree.ts'
import { parseNote } from '../note.ts'
import { readEntries } from '../read-entries.ts'
import { formatEntryBundle, TileTree, tilePath, tileWidth } from '../tiles.ts'

/** The checkpoint of a ledger as it is published, and its text. Throws 'ledger/note' where there is none. */
export async function publishedCheckpoint(
  file: string,
): Promise<{ readonly text: string; readonly checkpoint: Checkpoint }> {
  const path = join(logFolderOf(file), 'checkpoint')
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const hint = 'set ledger.log.keyFile of the signer: docs/LEDGER.md'
    throw new CountersignError('ledger/note', `no checkpoint: ${quoted(path, 300)}`, {
      cause,
      hint,
    })
  })
  return { text, checkpoint: parseCheckpoint(parseNote(text).text) }
}

/** The leaf hashes and the entries of the first so many records. Throws 'ledger/corrupt' where there are fewer. */
export async function* readPublished(
  file: string,
  size: number,
): AsyncGenerator<{ readonly leafHash: Buffer; readonly json: Buffer }, void> {
  const opened = await openLedgerFile(file, 'read')
  try {
    let records = 0
    for await (const { leafHash, line } of readEntries(opened)) {
      if (records === size) return
      records += 1
      yield { leafHash, json: Buffer.from(jsonOf(line)) }
    }
    if (records < size) {
      const rule = `records are missing: want≥${size} as its checkpoint says got=${records}`
      throw new CountersignError('ledger/corrupt', rule)
    }
  } finally {
    await opened.close()
  }
}

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
  let bundle: Buffer[] = []
  let index = 0
  const write = async (path: string, octets: Buffer): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), octets)
  }
  for await (const { leafHash, json } of readPublished(file, checkpoint.size)) {
    hashed.append(leafHash)
    for (const { path, octets } of tree.append(leafHash)) await write(path, octets)
    bundle.push(json)
    if (bundle.length < tileWidth) continue
    await write(tilePath('entries', index), formatEntryBundle(bundle))
    bundle = []
    index += 1
  }
  for (const { path, octets } of tree.partial()) await write(path, octets)
  if (bundle.length > 0) {
    await write(tilePath('entries', index, bundle.length), formatEntryBundle(bundle))
  }
  if (hashed.head().rootHash === checkpoint.rootHash) return
  throw new CountersignError('ledger/corrupt', 'the records are not those of the checkpoint')
}
