import { createHash, type Hash } from 'node:crypto'
import { basename } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import { lineFeed, lineOctetsMax, parseLine, verifyLine } from './entry.ts'
import { type LedgerDisk, type LedgerFile } from './ledger-file.ts'
import { unlessAbsent } from '../tlog/durable-file.ts'
import { MerkleTree, powersOf } from '../tlog/merkle-tree.ts'
import { readEntries, type ReadEntry, type Tail } from './read-entries.ts'
import type { SegmentHead } from './record.ts'

/*
 * A ledger is one file, or several: the one that is written, and sealed ones that never change again. Each but the first
 * begins with a record that says what it stands on.
 */

/** The name of a sealed segment, beside the file that is written. */
export function segmentFile(file: string, firstIndex: number): string {
  return `${file}.segment-${String(firstIndex).padStart(15, '0')}`
}

/** The index that the name of a sealed segment says; undefined for the name of another file. */
function firstIndexIn(file: string, path: string): number | undefined {
  const digits = path.slice(`${file}.segment-`.length)
  return /^\d{15}$/.test(digits) && path === segmentFile(file, Number(digits))
    ? Number(digits)
    : undefined
}

/** The file that is written, of the name of any of its segments. */
export function ledgerOf(path: string): string {
  return path.replace(/\.segment-\d{15}$/, '')
}

export interface Segment {
  readonly path: string
  readonly firstIndex: number
  /** Undefined of the first. */
  readonly head: SegmentHead | undefined
}

/** The segments of a ledger as they are found by what each says of the one before, the oldest first. */
export interface Segments extends AsyncDisposable {
  readonly found: readonly [Segment, ...Segment[]]
  /** The last one, open: its name may pass on to the next segment meanwhile. */
  readonly last: LedgerFile
  readonly disk: LedgerDisk
}

/**
 * Follows the heads from the last segment to the oldest that is there. Throws 'ledger/corrupt' where a segment is not as long as the one after
 * it says, or says itself to be another; and whatever the disk says.
 */
export async function findSegments(path: string, disk: LedgerDisk): Promise<Segments> {
  // Before the last one is opened: what is sealed meanwhile is not looked for.
  const sealed = await disk.beside(segmentFile(ledgerOf(path), 0).slice(0, -15))
  const last = await disk.open(path, 'read')
  try {
    const found = await follow(path, last, disk)
    await assertFound(path, sealed, { found, last })
    const segments = { found, last, disk }
    return { ...segments, [Symbol.asyncDispose]: () => last.close() }
  } catch (error) {
    await last.close()
    throw error
  }
}

async function follow(
  path: string,
  last: LedgerFile,
  disk: LedgerDisk,
): Promise<readonly [Segment, ...Segment[]]> {
  const file = ledgerOf(path)
  const newest = await readSegment(path, last)
  const found: [Segment, ...Segment[]] = [newest]
  for (let { head } = newest; head !== undefined;) {
    const { previous } = head
    const before = segmentFile(file, previous.firstIndex)
    const opened = await disk.open(before, 'read').catch(unlessAbsent).catch(notOpened(before))
    if (opened === undefined) break
    try {
      const segment = await readSegment(before, opened)
      if (segment.firstIndex !== previous.firstIndex) {
        const rule = `begins with another record: want=${previous.firstIndex} got=${segment.firstIndex}`
        throw damaged(before, rule)
      }
      const octets = await opened.size()
      if (octets !== previous.octets) {
        throw damaged(before, `was cut or written to: want=${previous.octets} octets got=${octets}`)
      }
      found.unshift(segment)
      head = segment.head
    } finally {
      await opened.close()
    }
  }
  return found
}

/** Whatever is called a segment of this ledger is one that a later segment stands on. */
async function assertFound(
  path: string,
  sealed: readonly string[],
  { found, last }: Pick<Segments, 'found' | 'last'>,
): Promise<void> {
  const file = ledgerOf(path)
  const isLast = path === file
  const known = new Set(found.map((segment) => segment.path))
  const newest = found.at(-1)?.firstIndex ?? 0
  for (const each of sealed) {
    const firstIndex = firstIndexIn(file, each)
    if (firstIndex === undefined || known.has(each) || (!isLast && firstIndex > newest)) continue
    // While it is sealed the last one has two names.
    if ((await last.standing(each)).name !== 'replaced') continue
    throw damaged(each, 'is there, and no segment that is here stands on it')
  }
}

async function readSegment(path: string, file: LedgerFile): Promise<Segment> {
  const head = await readHead(path, file)
  return { path, firstIndex: head?.firstIndex ?? 0, head }
}

/** What a segment says that it stands on; undefined of the first one, which stands on nothing. */
async function readHead(path: string, file: LedgerFile): Promise<SegmentHead | undefined> {
  const octets = Buffer.alloc(lineOctetsMax)
  let filled = 0
  let feed = -1
  while (feed < 0) {
    const count = await file.read(octets.subarray(filled), filled)
    if (count === 0) return undefined
    filled += count
    feed = octets.subarray(0, filled).indexOf(lineFeed)
  }
  const line = octets.subarray(0, feed)
  if (!line.includes('"kind":"ledger-segment"') || verifyLine(line) === undefined) return undefined
  const record = parseLine(line)
  if (record.kind !== 'ledger-segment') return undefined
  const { firstIndex, subtrees, previous } = record
  if (previous.firstIndex >= firstIndex || powersOf(firstIndex).length !== subtrees.length) {
    throw damaged(path, 'its head contradicts itself')
  }
  return record
}

export interface LoggedEntry extends ReadEntry {
  readonly index: number
  /** The segment's. */
  readonly path: string
  /** Of all records up to this one. */
  readonly tree: MerkleTree
}

/** Where the records end, and what the last segment is so far. */
export interface End extends Tail {
  readonly tree: MerkleTree
  /** Over the octets of the last segment's records. */
  readonly hash: Hash
}

/**
 * Every entry from this segment on, each hashed again, across segments as if they were one file. Throws 'ledger/corrupt' with the name of the
 * segment that is not the one that the next one stands on.
 */
export async function* readSegments(
  { found, last, disk }: Segments,
  from: number = 0,
): AsyncGenerator<LoggedEntry, End> {
  const tree = treeBefore(found[from])
  let before: { readonly octets: number; readonly sha256: string } | undefined
  for (const [at, segment] of found.entries()) {
    if (at < from) continue
    if (before !== undefined) assertStandsOn(segment, tree, before)
    const isLast = at === found.length - 1
    const opened = isLast ? last : await openSealed(segment.path, disk)
    try {
      const hash = createHash('sha256')
      const tail = yield* readSegmentEntries(segment, opened, { tree, hash })
      if (isLast) return { ...tail, tree, hash }
      if (tail.tornOctets > 0) {
        throw damaged(segment.path, `is damaged at octet ${tail.end}: no record`)
      }
      before = { octets: tail.end, sha256: hash.digest('hex') }
    } finally {
      if (!isLast) await opened.close()
    }
  }
  throw new RangeError(`no segment: want<${found.length} got=${from}`)
}

async function openSealed(path: string, disk: LedgerDisk): Promise<LedgerFile> {
  const opened = await disk.open(path, 'read').catch(unlessAbsent).catch(notOpened(path))
  if (opened !== undefined) return opened
  const rule = `segment ${basename(path)} was removed while the ledger was read: read it again`
  throw new CountersignError('ledger/unavailable', rule)
}

/** Says which of many files it is: of a symbolic link the disk says no more than ELOOP. */
function notOpened(path: string): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof CountersignError) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    const isLink = code === 'ELOOP'
    const rule = `segment ${quoted(path, 300)} cannot be opened: want=a regular file got=${isLink ? 'a symbolic link' : quoted(code)}`
    const hint = isLink ? { hint: 'put the file itself there: no link is followed' } : {}
    throw new CountersignError('ledger/unavailable', rule, { cause, ...hint })
  }
}

/** The tree of all records before a segment, as its head says. */
export function treeBefore(segment: Segment | undefined): MerkleTree {
  const head = segment?.head
  if (head === undefined) return new MerkleTree()
  const subtrees = head.subtrees.map((hex) => Buffer.from(hex, 'hex'))
  return new MerkleTree(head.firstIndex, subtrees)
}

const feed = Buffer.of(lineFeed)

async function* readSegmentEntries(
  { path, head }: Segment,
  file: LedgerFile,
  { tree, hash }: { readonly tree: MerkleTree; readonly hash: Hash },
): AsyncGenerator<LoggedEntry, Tail> {
  const entries = readEntries(file)
  for (let isFirst = true; ; isFirst = false) {
    const step = await entries.next().catch((error: unknown) => {
      if (head === undefined || !(error instanceof CountersignError)) throw error
      throw new CountersignError(error.code, `${basename(path)}: ${error.message}`)
    })
    if (step.done === true) return step.value
    const { leafHash, line } = step.value
    hash.update(line).update(feed)
    const index = tree.append(leafHash)
    if (!isFirst && line.includes('"kind":"ledger-segment"') && isHead(line)) {
      throw damaged(path, `has the head of a segment in its middle: record ${index}`)
    }
    yield { index, leafHash, line, path, tree }
  }
}

function isHead(line: Buffer): boolean {
  return parseLine(line).kind === 'ledger-segment'
}

function assertStandsOn(
  { path, head }: Segment,
  tree: MerkleTree,
  before: { readonly octets: number; readonly sha256: string },
): void {
  const subtrees = tree.subtrees.map((hash) => hash.toString('hex'))
  if (head === undefined) throw damaged(path, 'stands on nothing')
  const { firstIndex, previous } = head
  const same =
    firstIndex === tree.size &&
    subtrees.every((hash, at) => hash === head.subtrees[at]) &&
    previous.octets === before.octets &&
    previous.sha256 === before.sha256
  if (same) return
  const rule = `is not the segment that record ${firstIndex} stands on: want=sha256 ${previous.sha256} got=${before.sha256}`
  throw damaged(segmentFile(ledgerOf(path), previous.firstIndex), rule)
}

export function damaged(path: string, rule: string): CountersignError {
  return new CountersignError('ledger/corrupt', `segment ${basename(path)} ${rule}`)
}
