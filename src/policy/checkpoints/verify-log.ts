import { CountersignError } from '../../errors.ts'
import { readChecked, type CheckedCheckpoint, type Trusted } from '../../tlog/checked-checkpoint.ts'
import { logFolderOf } from '../../tlog/log-folder.ts'
import { hashLeaf, MerkleTree, type TreeHead } from '../../tlog/merkle-tree.ts'
import { findFiles, type SegmentFile } from './find-files.ts'
import { LinePlaces, PublishedLeaves, type Problem } from './line-places.ts'
import { octetsOf, readLines } from '../log-lines.ts'
import type { SegmentHead } from './segment-head.ts'

export interface LogFindings extends TreeHead {
  readonly file: string
  readonly segments: readonly {
    readonly path: string
    readonly firstIndex: number
    readonly lines: number
  }[]
  /** Files that say nothing of what they stand on: from before there were checkpoints. */
  readonly notCovered: readonly string[]
  /** Lines before this one were written over by rotation. */
  readonly removedBefore: number
  /** Lines that no checkpoint covers yet: a few seconds of a log that is written to. */
  readonly unsignedLines: number
  /** Of a write under way, or one that a crash has cut. */
  readonly unfinishedOctets: number
  readonly checkpoints: readonly CheckedCheckpoint[]
  readonly problems: readonly Problem[]
}

/**
 * Reads all files of a decision log, beside its writer or without it, and holds them against the checkpoint and the tiles in its folder, and
 * against checkpoints that were kept elsewhere. What was changed, cut, put in, moved or taken away is told with its place. Throws
 * `policy/replay`, also for a log that has no checkpoints.
 */
export async function verifyLog(
  file: string,
  options: Trusted & { readonly kept: readonly string[] },
): Promise<LogFindings> {
  const problems: Problem[] = []
  const folder = logFolderOf(file)
  const own = `${folder}/checkpoint`
  // Before the files are looked for: what is signed later is in them, too.
  const read = await Promise.all(
    [own, ...options.kept].map((place, n) =>
      readChecked({ place, mayLack: n === 0 }, options, problems),
    ),
  )
  const checkpoints = read.filter((checkpoint) => checkpoint !== undefined)
  await using handles = new AsyncDisposableStack()
  const { segments: found, others } = await findFiles(file, handles)
  const segments = withoutTwins(found, problems)
  const [signed] = read
  if (segments.length === 0 && checkpoints.length === 0 && problems.length === 0) {
    const hint = 'decisionLog.checkpoints signs what is written from then on: docs/LEDGER.md'
    throw new CountersignError('policy/replay', 'decision log has no checkpoints', { hint })
  }
  const newest = segments.at(-1)
  if (signed === undefined && problems.length === 0 && (options.log ?? newest?.head.firstIndex)) {
    problems.push({ place: own, problem: 'no checkpoint, and lines that one was made for' })
  }
  tellMissing(segments, file, problems)
  const walked = await walk(segments, { checkpoints, signed, folder }, problems)
  const { tree, lines } = walked
  for (const { place, size } of checkpoints) {
    if (size <= tree.size || (place === own && newest !== undefined)) continue
    const at = newest === undefined ? file : `${newest.path}:${(lines.at(-1) ?? 0) + 1}`
    const problem = `lines are missing: want≥${size} in all as ${place} says got=${tree.size}`
    problems.push({ place: at, problem })
  }
  if (signed !== undefined && newest !== undefined && newest.head.firstIndex > signed.size) {
    const problem = `covers fewer lines than ${newest.path} stands on: want≥${newest.head.firstIndex} got=${signed.size}`
    problems.push({ place: own, problem })
  }
  return {
    file,
    ...tree.head(),
    segments: segments.map(({ path, head }, n) => {
      return { path, firstIndex: head.firstIndex, lines: lines[n] ?? 0 }
    }),
    notCovered: others,
    removedBefore: segments[0]?.head.firstIndex ?? 0,
    unsignedLines: Math.max(0, tree.size - (signed?.size ?? 0)),
    unfinishedOctets: walked.unfinishedOctets,
    checkpoints,
    problems,
  }
}

/** Where the newest head says that files begin. */
function boundsOf(segments: readonly SegmentFile[]): readonly number[] {
  return segments.at(-1)?.head.before ?? []
}

/** Two files that begin alike are one and a copy of it: the longer one is read. */
function withoutTwins(
  segments: readonly SegmentFile[],
  problems: Problem[],
): readonly SegmentFile[] {
  const longest = new Map<number, SegmentFile>()
  for (const segment of segments) {
    const { firstIndex } = segment.head
    const twin = longest.get(firstIndex)
    if (twin === undefined || segment.octets > twin.octets) longest.set(firstIndex, segment)
    if (twin === undefined) continue
    const [kept, other] = segment.octets > twin.octets ? [segment, twin] : [twin, segment]
    const problem = `begins with the same line of the log as ${kept.path}, and is not read`
    problems.push({ place: other.path, problem })
  }
  return [...longest.values()]
}

/** What is gone and was not written over, and what was lost under the writer. */
function tellMissing(segments: readonly SegmentFile[], file: string, problems: Problem[]): void {
  const there = new Set(segments.map(({ head }) => head.firstIndex))
  for (const firstIndex of boundsOf(segments)) {
    if (there.has(firstIndex)) continue
    const problem = `the file of the lines from ${firstIndex} on is missing`
    problems.push({ place: file, problem })
  }
  for (const { path, head } of segments) {
    if (head.lost === undefined) continue
    const { lines, reason } = head.lost
    const problem = `the file before it was found ${said[reason]}: ${lines} lines were not signed yet`
    problems.push({ place: `${path}:1`, problem })
  }
}

const said = {
  removed: 'removed',
  cut: 'cut',
  'written-to': 'written to by others',
  changed: 'changed',
} as const

interface Published {
  readonly checkpoints: readonly CheckedCheckpoint[]
  readonly signed: CheckedCheckpoint | undefined
  readonly folder: string
}

/** Hashes every line of every file. After a file that is not what the next one stands on it goes on with what that one says. */
async function walk(
  segments: readonly SegmentFile[],
  published: Published,
  problems: Problem[],
): Promise<{
  readonly tree: MerkleTree
  readonly lines: readonly number[]
  readonly unfinishedOctets: number
}> {
  const { signed, folder } = published
  const signedSize = signed?.size ?? 0
  const leaves = new PublishedLeaves(folder, signedSize)
  const bounds = [...boundsOf(segments), ...segments.map(({ head }) => head.firstIndex)]
  let tree = new MerkleTree()
  const lines: number[] = []
  let unfinishedOctets = 0
  for (const [n, segment] of segments.entries()) {
    const { head, path } = segment
    tree = treeBefore(head)
    const until = Math.min(...bounds.filter((index) => index > head.firstIndex), signedSize)
    const places = new LinePlaces(path, { firstIndex: head.firstIndex, until }, leaves)
    const roots = new Roots(published.checkpoints)
    unfinishedOctets = await hashLines(segment, { tree, places, roots }, problems)
    lines.push(tree.size - head.firstIndex)
    const differences = await places.end()
    const next = segments[n + 1]?.head
    const isLast = next === undefined
    const isKnown = isLast || next.firstIndex === until
    const isWhole = isLast ? tree.size >= until : isSame(tree, next)
    if (!roots.differ && (isKnown ? isWhole : differences.length === 0)) {
      problems.push(...differences.map(ofTile))
      continue
    }
    if (differences.length > 0) problems.push(...differences)
    else problems.push(differenceOf(path, { head, tree, until }))
    problems.push(...roots.problems)
  }
  return { tree, lines, unfinishedOctets }
}

async function hashLines(
  { handle, path }: SegmentFile,
  into: { readonly tree: MerkleTree; readonly places: LinePlaces; readonly roots: Roots },
  problems: Problem[],
): Promise<number> {
  const { tree, places, roots } = into
  let line = 0
  try {
    const lines = readLines(await octetsOf(handle), path)
    for (;;) {
      roots.look(tree)
      const step = await lines.next()
      if (step.done === true) return step.value.length
      line += 1
      const leafHash = hashLeaf(step.value)
      await places.look(leafHash)
      tree.append(leafHash)
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const problem = `cannot be read any further: ${error.message}`
    problems.push({ place: `${path}:${line + 1}`, problem })
    return 0
  }
}

/** Checkpoints that a tree comes by. */
class Roots {
  readonly problems: Problem[] = []
  readonly #checkpoints: readonly CheckedCheckpoint[]

  constructor(checkpoints: readonly CheckedCheckpoint[]) {
    this.#checkpoints = checkpoints
  }

  get differ(): boolean {
    return this.problems.length > 0
  }

  look(tree: MerkleTree): void {
    for (const { place, size, rootHash } of this.#checkpoints) {
      if (size !== tree.size || tree.head().rootHash === rootHash) continue
      const problem = `the first ${size} lines are not those of this checkpoint`
      this.problems.push({ place, problem })
    }
  }
}

/** Where no tile says which line it is. */
function differenceOf(
  path: string,
  { head, tree, until }: { head: SegmentHead; tree: MerkleTree; until: number },
): Problem {
  const count = tree.size - head.firstIndex
  const line = Math.min(count, until - head.firstIndex) + 1
  if (tree.size < until) {
    return { place: `${path}:${line}`, problem: `${until - tree.size} lines are missing here` }
  }
  if (tree.size > until) {
    const problem = `${tree.size - until} lines from here on are none that were signed`
    return { place: `${path}:${line}`, problem }
  }
  const problem = `lines 1 to ${count} are not those that were signed, and neither are the tiles`
  return { place: `${path}:1`, problem }
}

/** The lines are those that were signed, so it is the tiles that are others. */
function ofTile({ place }: Problem): Problem {
  return { place, problem: 'the line is as it was signed, and its tile is another' }
}

function isSame(tree: MerkleTree, head: SegmentHead): boolean {
  const subtrees = tree.subtrees.map((hash) => hash.toString('hex'))
  return tree.size === head.firstIndex && subtrees.join() === head.subtrees.join()
}

function treeBefore(head: SegmentHead): MerkleTree {
  return new MerkleTree(
    head.firstIndex,
    head.subtrees.map((hex) => Buffer.from(hex, 'hex')),
  )
}
