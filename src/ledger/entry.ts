import { canonicalJson } from '../canonical-json.ts'
import { CountersignError, quoted } from '../errors.ts'
import { hashLeaf } from '../tlog/merkle-tree.ts'
import { parseLedgerRecord, type LoggedRecord } from './record.ts'

/** C2SP tlog-tiles: an entry has a 16-bit length. */
export const entryOctetsMax = 65_535

const hashDigits = 64

/** Hash, space, entry, line feed. */
export const lineOctetsMax: number = hashDigits + 1 + entryOctetsMax + 1

const space = 0x20
export const lineFeed = 0x0a

/** A record as it stands in the file. */
export interface Entry {
  readonly leafHash: Buffer
  /** With its line feed. */
  readonly line: Buffer
}

/** The line of a record: its leaf hash, then its canonical JSON. Throws 'ledger/record' for one no reader would take. */
export function formatEntry(record: LoggedRecord): Entry {
  const json = Buffer.from(canonicalJson(parseLedgerRecord(record), 'ledger/record'))
  if (json.length > entryOctetsMax) {
    const of = 'issuanceId' in record ? ` issuanceId=${record.issuanceId}` : ''
    const rule = `record too large: kind=${record.kind}${of} want≤${entryOctetsMax} got=${json.length}`
    throw new CountersignError('ledger/record', rule)
  }
  const leafHash = hashLeaf(json)
  return {
    leafHash,
    line: Buffer.concat([Buffer.from(`${leafHash.toString('hex')} `), json, feed]),
  }
}

const feed = Buffer.of(lineFeed)

/** The leaf hash of a line without its line feed, undefined where the line is not what its hash says. */
export function verifyLine(line: Buffer): Buffer | undefined {
  if (line.length < hashDigits + 2 || line.length >= lineOctetsMax) return undefined
  if (line[hashDigits] !== space) return undefined
  const leafHash = hashLeaf(line.subarray(hashDigits + 1))
  return line.toString('latin1', 0, hashDigits) === leafHash.toString('hex') ? leafHash : undefined
}

/** The JSON of a line that was verified: an entry of the log. */
export function jsonOf(line: Buffer): Buffer {
  return line.subarray(hashDigits + 1)
}

/** The record of a line that was verified. */
export function parseLine(line: Buffer): LoggedRecord {
  const json = line.toString('utf8', hashDigits + 1)
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new CountersignError('ledger/record', `record is not JSON: got=${quoted(json)}`, {
      cause,
    })
  }
  return parseLedgerRecord(value)
}
