import { CountersignError, quoted } from '../../errors.ts'
import {
  proveConsistency,
  proveInclusion,
  rootHashOf,
  verifyConsistency,
  verifyInclusion,
} from '../../tlog/proof.ts'
import { readPublishedTree, type Leaf, type PublishedTree } from './published.ts'

/** A proof under the checkpoint of a ledger. */
export interface Proof extends Pick<PublishedTree, 'text' | 'checkpoint'> {
  readonly hashes: readonly Buffer[]
  /** What is proved, for programs, and as the first lines of the proof say it. */
  readonly what: Readonly<Record<string, string | number>>
  readonly named: string
}

/**
 * That a record, by its index or its leaf hash in hex, is in the published log, also one that retention has removed since. Throws 'ledger/proof'
 * for one that is not there, and 'ledger/corrupt' where the log does not prove it.
 */
export async function proveRecord(file: string, asked: number | string): Promise<Proof> {
  let leaf: Leaf | undefined
  const tree = await readPublishedTree(file, (each) => {
    const found = typeof asked === 'number' ? each.index : each.leafHash.toString('hex')
    if (leaf === undefined && found === asked) leaf = each
  })
  const { text, checkpoint, hashOf } = tree
  if (leaf === undefined && typeof asked === 'string') {
    throw new CountersignError('ledger/proof', `no record has this leaf hash: got=${quoted(asked)}`)
  }
  const index = leaf?.index ?? Number(asked)
  const hashes = await proveInclusion(hashOf, index, checkpoint.size)
  if (leaf === undefined || !verifyInclusion(hashes, leaf, checkpoint)) throw otherTiles()
  const leafHash = leaf.leafHash.toString('hex')
  const entry = leaf.json === undefined ? {} : { entry: leaf.json.toString() }
  const named = `c2sp.org/tlog-proof@v1\nindex ${index}`
  return { text, checkpoint, hashes, what: { index, leafHash, ...entry }, named }
}

/** That the published log goes on from what it was with so many records. Throws as `proveRecord` does. */
export async function proveGoesOn(file: string, from: number): Promise<Proof> {
  const { text, checkpoint, hashOf } = await readPublishedTree(file)
  const hashes = await proveConsistency(hashOf, from, checkpoint.size)
  const old = { size: from, rootHash: await rootHashOf(hashOf, from) }
  if (!verifyConsistency(hashes, old, checkpoint)) throw otherTiles()
  return { text, checkpoint, hashes, what: { from }, named: `old ${from}` }
}

function otherTiles(): CountersignError {
  return new CountersignError('ledger/corrupt', 'the tiles are not those of the checkpoint')
}
