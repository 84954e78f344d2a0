import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatEntry } from '../../src/ledger/entry.ts'
import { openLedger, readLedger, type Appended, type Ledger } from '../../src/ledger/ledger.ts'
import type { LedgerRecord } from '../../src/ledger/record.ts'
import { silentLog, type Log } from '../../src/log.ts'
import type { MemoryDisk } from './memory-disk.ts'
import { rootOf } from '../tlog/root-of.ts'

export const now = (): number => Date.parse('2026-11-22T10:00:00Z')

/** A folder of its own, gone with the test. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-ledger-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** A ledger over a disk in memory; only its lock is a real file. */
export function openOn(disk: MemoryDisk, folder: string, log: Log = silentLog): Promise<Ledger> {
  return openLedger({ file: join(folder, 'ledger'), now, log, disk })
}

export type ReadRecord = Awaited<ReturnType<ReturnType<typeof readLedger>['next']>>['value'] &
  object

export async function readAll(file: string): Promise<ReadRecord[]> {
  const read: ReadRecord[] = []
  for await (const one of readLedger(file)) read.push(one)
  return read
}

export interface Acknowledged extends Appended {
  readonly record: LedgerRecord
}

/**
 * What must hold at every moment: the acknowledged records are on the disk that a power cut leaves, in their order and at
 * their index, and the head is the root of them all, from scratch.
 */
export function assertInvariants(
  ledger: Ledger,
  disk: MemoryDisk,
  acknowledged: readonly Acknowledged[],
): void {
  const lines = disk.synced.toString().split('\n')
  const leaves: Buffer[] = []
  for (const { index, leafHash, record } of acknowledged.toSorted((a, b) => a.index - b.index)) {
    const entry = formatEntry(record)
    assert.equal(index, leaves.length, 'indexes without gaps')
    assert.equal(leafHash, entry.leafHash.toString('hex'))
    assert.equal(`${lines[index]}\n`, entry.line.toString())
    leaves.push(entry.leafHash)
  }
  assert.deepEqual(ledger.head(), { size: leaves.length, rootHash: rootOf(leaves) })
}

/** Records every warning. */
export function warningsLog(): Log & { readonly warnings: readonly [object, string][] } {
  const warnings: [object, string][] = []
  return { ...silentLog, warnings, warn: (fields, message) => warnings.push([fields, message]) }
}
