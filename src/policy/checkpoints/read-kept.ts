import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { unlessAbsent } from '../../tlog/durable-file.ts'
import { hashLeaf, MerkleTree, type TreeHead } from '../../tlog/merkle-tree.ts'
import { octetsOf, readLines } from '../log-lines.ts'
import { parseHead, type Fault, type SegmentHead } from './segment-head.ts'

/** What the files of a log hold of what its checkpoint says. */
export interface Kept {
  /** Whether the file that is written to goes on. */
  readonly goesOn: boolean
  /** Where the files begin that are kept, oldest first. */
  readonly kept: readonly number[]
  /** Why the file that the checkpoint covers is another. */
  readonly fault?: Fault
}

/**
 * Reads the file that is written to from its begin, and gives the hashes of the lines that no checkpoint covers yet. A file that does not
 * say what it stands on is none of the log: lines from before there were checkpoints, or a head that a crash has cut.
 */
export async function readKept(
  log: {
    readonly file: string
    readonly files: number
    readonly promised: TreeHead | undefined
  },
  add: (leafHash: Buffer) => void,
): Promise<Kept> {
  const { file, files, promised } = log
  await using handle = await openIfThere(file)
  if (handle !== undefined) {
    const lines = readLines(await octetsOf(handle), file)
    const first = await lines.next()
    const head = first.done === true ? undefined : parseHead(first.value)
    if (head !== undefined && first.done !== true) {
      const kept = keptBy(head)
      const fault = await follow(head, { first: first.value, lines, promised }, add)
      return fault === undefined ? { goesOn: true, kept } : { goesOn: false, kept, fault }
    }
  }
  for (let at = 1; at < files; at += 1) {
    const head = await headOf(`${file}.${at}`)
    if (head !== undefined) return { goesOn: false, kept: keptBy(head) }
  }
  const isMissing = promised !== undefined && promised.size > 0
  return { goesOn: false, kept: [], ...(isMissing ? { fault: 'removed' } : {}) }
}

async function follow(
  head: SegmentHead,
  segment: {
    readonly first: Buffer
    readonly lines: AsyncGenerator<Buffer, Buffer>
    readonly promised: TreeHead | undefined
  },
  add: (leafHash: Buffer) => void,
): Promise<Fault | undefined> {
  const { first, lines, promised } = segment
  const size = promised?.size ?? 0
  // A file begins with a checkpoint over all that is before it.
  if (head.firstIndex > size) return 'changed'
  const subtrees = head.subtrees.map((hex) => Buffer.from(hex, 'hex'))
  const tree = new MerkleTree(head.firstIndex, subtrees)
  const isOther = (): boolean =>
    promised !== undefined && tree.size === size && tree.head().rootHash !== promised.rootHash
  for (let line = first; ;) {
    if (isOther()) return 'changed'
    const leafHash = hashLeaf(line)
    tree.append(leafHash)
    if (tree.size > size) add(leafHash)
    const step = await lines.next()
    if (step.done === true) break
    line = step.value
  }
  if (tree.size < size) return 'cut'
  return isOther() ? 'changed' : undefined
}

function keptBy({ before, firstIndex }: SegmentHead): readonly number[] {
  return [...before, firstIndex]
}

async function headOf(file: string): Promise<SegmentHead | undefined> {
  await using handle = await openIfThere(file)
  if (handle === undefined) return undefined
  const first = await readLines(await octetsOf(handle), file).next()
  return first.done === true ? undefined : parseHead(first.value)
}

/** No symbolic link, and no pipe that is waited for. */
function openIfThere(file: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW
  return open(file, flags).catch(unlessAbsent)
}
