import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CountersignError, quoted } from '../../errors.ts'
import { parseCheckpoint, type Checkpoint } from '../checkpoint.ts'
import { jsonOf } from '../entry.ts'
import { subtreesOf } from '../leaves.ts'
import { ledgerDisk } from '../ledger-file.ts'
import { logFolderOf } from '../log-folder.ts'
import { parseNote } from '../note.ts'
import { rootHashOf, type SubtreeHash } from '../proof.ts'
import { findSegments, readSegments } from '../segments.ts'

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
  await using segments = await findSegments(file, ledgerDisk)
  let records = 0
  for await (const { leafHash, line } of readSegments(segments)) {
    if (records === size) return
    records += 1
    yield { leafHash, json: Buffer.from(jsonOf(line)) }
  }
  if (records < size) {
    const rule = `records are missing: want≥${size} as its checkpoint says got=${records}`
    throw new CountersignError('ledger/corrupt', rule)
  }
}

/** What a ledger has published, of which anything can be proved: 64 octets of memory a record. */
export interface PublishedTree {
  /** The signed checkpoint, as it stands in its file. */
  readonly text: string
  readonly checkpoint: Checkpoint
  readonly leaves: readonly Buffer[]
  readonly hashOf: SubtreeHash
}

/** Reads all of it, and `look` sees each entry. Throws 'ledger/note', and 'ledger/corrupt' where the records are not those of the checkpoint. */
export async function readPublishedTree(
  file: string,
  look: (entry: Buffer, index: number) => void = () => {},
): Promise<PublishedTree> {
  const { text, checkpoint } = await publishedCheckpoint(file)
  const leaves: Buffer[] = []
  for await (const { leafHash, json } of readPublished(file, checkpoint.size)) {
    look(json, leaves.length)
    leaves.push(leafHash)
  }
  const hashOf = subtreesOf(leaves)
  if ((await rootHashOf(hashOf, checkpoint.size)) !== checkpoint.rootHash) throw otherRecords()
  return { text, checkpoint, leaves, hashOf }
}

export function otherRecords(): CountersignError {
  return new CountersignError('ledger/corrupt', 'the records are not those of the checkpoint')
}
