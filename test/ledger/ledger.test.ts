import assert from 'node:assert/strict'
import { chmod, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { openLedger } from '../../src/ledger/ledger.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { MemoryDisk, type Fault } from './memory-disk.ts'
import {
  assertInvariants,
  now,
  openOn,
  readAll,
  temporaryFolder,
  type Acknowledged,
} from './open-ledger.ts'
import { intentRecord, resultRecord } from './records.ts'
import { requirement } from '../requirements.ts'

test('records come back in their order, with their hashes and their head', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const records = [intentRecord(0), resultRecord(1), resultRecord(2)]
  const open = () => openLedger({ file, now, log: silentLog })
  const first = await open()
  const hashes: string[] = []
  for (const [index, record] of records.entries()) {
    const appended = await first.append(record)
    assert.equal(appended.index, index)
    hashes.push(appended.leafHash)
  }
  const head = first.head()
  await first[Symbol.asyncDispose]()

  const second = await open()
  assert.deepEqual(second.head(), head)
  assert.deepEqual(second.recovered, { droppedOctets: 0 })
  assert.equal((await second.append(resultRecord(3))).index, 3)
  await second[Symbol.asyncDispose]()

  const read = await readAll(file)
  assert.deepEqual(
    read.slice(0, 3),
    records.map((record, index) => ({ index, record, leafHash: hashes[index] })),
  )
  assert.equal(read.length, 4)
})

test('the file is for its owner alone, also when it was not before', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  for (const mode of [undefined, 0o644]) {
    if (mode !== undefined) await chmod(file, mode)
    await using ledger = await openLedger({ file, now, log: silentLog })
    assert.equal(ledger.head().size, 0)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.equal((await stat(`${file}.lock`)).mode & 0o777, 0o600)
  }
  await assert.rejects(stat(`${file}.lock`), { code: 'ENOENT' })
})

test('a symbolic link, a folder and a missing folder are no ledger', async () => {
  await using folder = await temporaryFolder()
  const target = join(folder.path, 'target')
  await writeFile(target, '')
  await symlink(target, join(folder.path, 'link'))
  for (const [file, got] of [
    [join(folder.path, 'link'), 'ELOOP'],
    [folder.path, 'EISDIR'],
    [join(folder.path, 'none', 'ledger'), 'ENOENT'],
  ] as const) {
    await assert.rejects(openLedger({ file, now, log: silentLog }), {
      code: 'ledger/unavailable',
      message: `ledger is not available: want=durable writes got="${got}"`,
    })
  }
  await assert.rejects(readAll(join(folder.path, 'none')), {
    code: 'ledger/unavailable',
  })
  await assert.rejects(stat(`${join(folder.path, 'link')}.lock`), { code: 'ENOENT' })
})

test('a reader beside the writer sees whole records only', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await using ledger = await openLedger({ file, now, log: silentLog })
  await ledger.append(resultRecord(0))
  await writeFile(file, Buffer.concat([await readFile(file), Buffer.from('0123')]))
  const read = await readAll(file)
  assert.deepEqual(
    read.map(({ index }) => index),
    [0],
  )
})

test('acknowledged records are counted by their kind, and refused ones are not', async () => {
  await using folder = await temporaryFolder()
  const disk = new MemoryDisk()
  const counted: unknown[] = []
  const metrics = { ...silentMetrics, count: (...call: unknown[]) => void counted.push(call) }
  const file = join(folder.path, 'ledger')
  await using ledger = await openLedger({ file, now, log: silentLog, metrics, disk })
  await ledger.append(intentRecord(0))
  disk.faultAt = (called) => (called === 'sync' ? { kind: 'fails', code: 'EIO' } : undefined)
  await assert.rejects(ledger.append(resultRecord(1)), { code: 'ledger/unavailable' })
  assert.deepEqual(counted, [['countersign_ledger_records_total', { kind: 'issuance-intent' }]])
})

test('a record that does not fit is refused, and the next one is taken', async () => {
  await using folder = await temporaryFolder()
  const disk = new MemoryDisk()
  await using ledger = await openOn(disk, folder.path)
  const large = { ...resultRecord(0), detail: 'x'.repeat(70_000) }
  await assert.rejects(ledger.append(large), { code: 'ledger/record' })
  assert.equal((await ledger.append(resultRecord(1))).index, 0)
})

test('nothing is acknowledged before its sync, and what comes meanwhile shares the next one', async () => {
  requirement('ledger.durable-before-answer')
  await using folder = await temporaryFolder()
  const disk = new MemoryDisk()
  await using ledger = await openOn(disk, folder.path)
  const gates: (() => void)[] = []
  disk.beforeSync = () => new Promise((resolve) => gates.push(resolve))
  const acknowledged: Acknowledged[] = []
  const append = async (index: number): Promise<void> => {
    const record = resultRecord(index)
    acknowledged.push({ ...(await ledger.append(record)), record })
  }
  const first = append(0)
  while (gates.length < 1) await new Promise((resolve) => setImmediate(resolve))
  const others = Promise.all(Array.from({ length: 50 }, (_, index) => append(index + 1)))
  for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate)
  assertInvariants(ledger, disk, [])
  assert.equal(acknowledged.length, 0)
  gates[0]?.()
  await first
  assertInvariants(ledger, disk, acknowledged)
  while (gates.length < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(acknowledged.length, 1)
  gates[1]?.()
  await others
  assertInvariants(ledger, disk, acknowledged)
  assert.equal(acknowledged.length, 51)
  assert.equal(disk.calls.filter((call) => call === 'sync').length, 2)
  disk.beforeSync = async () => {}
})

test('more than one write holds are split, in their order', async () => {
  await using folder = await temporaryFolder()
  const disk = new MemoryDisk()
  await using ledger = await openOn(disk, folder.path)
  const records = Array.from({ length: 40 }, (_, index) => ({
    ...resultRecord(index),
    detail: `${index}`.padEnd(60_000, '.'),
  }))
  const appended = await Promise.all(records.map((record) => ledger.append(record)))
  const acknowledged = appended.map((one, index) => ({ ...one, record: records[index]! }))
  assertInvariants(ledger, disk, acknowledged)
  assert.equal(disk.calls.filter((call) => call === 'sync').length, 3)
})

test('closing waits for what is under way, takes no more, and may be asked twice', async () => {
  await using folder = await temporaryFolder()
  const disk = new MemoryDisk()
  const ledger = await openOn(disk, folder.path)
  const under = ledger.append(resultRecord(0))
  const closed = Promise.all([ledger[Symbol.asyncDispose](), ledger[Symbol.asyncDispose]()])
  await assert.rejects(ledger.append(resultRecord(1)), {
    code: 'ledger/unavailable',
    message: 'ledger is closed',
  })
  assert.equal((await under).index, 0)
  const before = disk.calls.filter((call) => call === 'close').length
  await closed
  await ledger[Symbol.asyncDispose]()
  assert.equal(disk.calls.filter((call) => call === 'close').length, before + 1)
})

const faults: readonly [string, 'write' | 'sync', Fault][] = [
  ['a write refused for want of space', 'write', { kind: 'fails', code: 'ENOSPC' }],
  ['a write torn in its hash', 'write', { kind: 'torn', octets: 10, code: 'ENOSPC' }],
  ['a write torn in its record', 'write', { kind: 'torn', octets: 100, code: 'EIO' }],
  ['a write that happened and failed', 'write', { kind: 'persisted', code: 'EIO' }],
  ['a write of no octets', 'write', { kind: 'short', octets: 0 }],
  ['a sync that failed', 'sync', { kind: 'fails', code: 'EIO' }],
  ['a sync that happened and failed', 'sync', { kind: 'persisted', code: 'EIO' }],
]

suite('the ledger takes nothing more, and keeps what it acknowledged, after', () => {
  for (const [title, operation, fault] of faults) {
    for (const at of [0, 1, 3]) {
      test(`${title}, as number ${at + 1}`, async () => {
        await using folder = await temporaryFolder()
        const disk = new MemoryDisk()
        disk.faultAt = (called, count) => (called === operation && count === at ? fault : undefined)
        const acknowledged: Acknowledged[] = []
        const ledger = await openOn(disk, folder.path)
        for (let index = 0; index < at; index++) {
          const record = resultRecord(index)
          acknowledged.push({ ...(await ledger.append(record)), record })
          assertInvariants(ledger, disk, acknowledged)
        }
        const refused = [ledger.append(resultRecord(at)), ledger.append(resultRecord(at + 1))]
        for (const one of await Promise.allSettled(refused)) {
          assert.equal(one.status, 'rejected')
          assert.equal((one.reason as { code: string }).code, 'ledger/unavailable')
        }
        await assert.rejects(ledger.append(resultRecord(9)), { code: 'ledger/unavailable' })
        assertInvariants(ledger, disk, acknowledged)
        await ledger[Symbol.asyncDispose]()
        await assertReopens(disk, folder.path, acknowledged)
      })
    }
  }
})

/** With what the process had written, and with what a power cut would have left. */
async function assertReopens(
  disk: MemoryDisk,
  folder: string,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  for (const content of [disk.written, disk.synced]) {
    const after = new MemoryDisk(content)
    await using reopened = await openOn(after, folder)
    const kept = reopened.head().size
    assert.ok(kept >= acknowledged.length, `kept ${kept}`)
    if (kept === acknowledged.length) assertInvariants(reopened, after, acknowledged)
    assert.equal((await reopened.append(resultRecord(kept))).index, kept)
  }
}

test('short writes are finished', async () => {
  await using folder = await temporaryFolder()
  const disk = new MemoryDisk()
  disk.faultAt = (called, count) =>
    called === 'write' && count < 5 ? { kind: 'short', octets: 7 } : undefined
  await using ledger = await openOn(disk, folder.path)
  const record = resultRecord(0)
  const acknowledged = [{ ...(await ledger.append(record)), record }]
  assertInvariants(ledger, disk, acknowledged)
  assert.equal(disk.calls.filter((call) => call === 'write').length, 6)
})

test('whatever fails and whenever, what was acknowledged is kept in its order', async () => {
  const fault = fc.oneof(
    fc.constant<Fault>({ kind: 'fails', code: 'EIO' }),
    fc.constant<Fault>({ kind: 'persisted', code: 'EIO' }),
    fc.nat(900).map((octets): Fault => ({ kind: 'torn', octets, code: 'ENOSPC' })),
    fc.nat(300).map((octets): Fault => ({ kind: 'short', octets: octets + 1 })),
  )
  const step = fc.record({ records: fc.integer({ min: 1, max: 4 }), fault: fc.option(fault) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      await using folder = await temporaryFolder()
      const disk = new MemoryDisk()
      const acknowledged: Acknowledged[] = []
      await using ledger = await openOn(disk, folder.path)
      let next = 0
      for (const { records, fault: injected } of steps) {
        let pending = injected ?? undefined
        disk.faultAt = (called) => {
          if (called !== 'write' && called !== 'sync') return undefined
          const now = pending
          pending = undefined
          return now
        }
        const batch = Array.from({ length: records }, () => resultRecord(next++))
        const settled = await Promise.allSettled(batch.map((record) => ledger.append(record)))
        for (const [index, one] of settled.entries()) {
          if (one.status === 'rejected') continue
          acknowledged.push({ ...one.value, record: batch[index]! })
        }
        assertInvariants(ledger, disk, acknowledged)
      }
      await ledger[Symbol.asyncDispose]()
      disk.faultAt = () => undefined
      await assertReopens(disk, folder.path, acknowledged)
    }),
    { numRuns: 40 },
  )
})
