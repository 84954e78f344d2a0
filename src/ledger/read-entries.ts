import { CountersignError } from '../errors.ts'
import { lineFeed, lineOctetsMax, verifyLine } from './entry.ts'
import type { LedgerFile } from './ledger-file.ts'

/**
 * So many octets at most are written before they are synced; hence no more of them can be torn by a crash, and a longer
 * unreadable tail is damage.
 */
export const batchOctetsMax = 1_048_576

const chunkOctets = 262_144

export interface ReadEntry {
  readonly leafHash: Buffer
  /** Without its line feed. */
  readonly line: Buffer
}

/** Where the records end. */
export interface Tail {
  readonly end: number
  /** What follows the last record: the rest of a write that was never acknowledged. */
  readonly tornOctets: number
}

/**
 * Every entry of the file, each hashed again, and then where they end. Throws 'ledger/corrupt' where the file holds what
 * no torn write explains: then nothing after it can be trusted, nor what came before.
 */
export async function* readEntries(file: LedgerFile): AsyncGenerator<ReadEntry, Tail> {
  const size = await file.size()
  let end = 0
  let rest: Buffer = Buffer.alloc(0)
  for (let position = 0; position < size && rest.length < lineOctetsMax;) {
    const chunk = await readFully(file, position, Math.min(chunkOctets, size - position))
    if (chunk.length === 0) break
    position += chunk.length
    const octets = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (;;) {
      const feed = octets.indexOf(lineFeed, start)
      if (feed < 0) break
      const line = octets.subarray(start, feed)
      const leafHash = verifyLine(line)
      if (leafHash === undefined) return await tornTail(file, end, size)
      yield { leafHash, line }
      end += line.length + 1
      start = feed + 1
    }
    rest = octets.subarray(start)
  }
  return await tornTail(file, end, size)
}

async function readFully(file: LedgerFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const count = await file.read(buffer.subarray(filled), position + filled)
    if (count === 0) break
    filled += count
  }
  return buffer.subarray(0, filled)
}

async function tornTail(file: LedgerFile, end: number, size: number): Promise<Tail> {
  const tornOctets = size - end
  if (tornOctets === 0) return { end, tornOctets }
  if (tornOctets > batchOctetsMax) {
    throw corrupt(end, `unreadable octets: want≤${batchOctetsMax} got=${tornOctets}`)
  }
  const tail = await readFully(file, end, tornOctets)
  if (holdsEntry(tail))
    throw corrupt(end, 'a record that does not match its hash, and records after it')
  if (end === 0 && !beginsLikeEntry(tail)) throw corrupt(end, 'no record at all')
  return { end, tornOctets }
}

function corrupt(at: number, rule: string): CountersignError {
  return new CountersignError('ledger/corrupt', `ledger is damaged at octet ${at}: ${rule}`)
}

const hashAndBrace = /[0-9a-f]{64} \{/g

/** Whether a record is in there, at the beginning of a line or not: a damaged line feed joins two records in one line. */
function holdsEntry(tail: Buffer): boolean {
  let start = 0
  for (;;) {
    const feed = tail.indexOf(lineFeed, start)
    if (feed < 0) return false
    const line = tail.subarray(start, feed)
    for (const { index } of line.toString('latin1').matchAll(hashAndBrace)) {
      if (verifyLine(line.subarray(index)) !== undefined) return true
    }
    start = feed + 1
  }
}

// What a crash leaves of the first write: a part of an entry, or the zeros of a file that grew before its octets came.
const partOfEntry = /^(?:\0|[0-9a-f]{1,64}(?:\0|$)|[0-9a-f]{64} (?:\0|$|\{))/

/** A file that begins otherwise was never a ledger, and is not ours to cut. */
function beginsLikeEntry(tail: Buffer): boolean {
  return partOfEntry.test(tail.toString('latin1', 0, 66))
}
