import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { formatEntry } from '../../src/ledger/entry.ts'
import { openLedger } from '../../src/ledger/ledger.ts'
import { readEntries, type Tail } from '../../src/ledger/read-entries.ts'
import { silentLog } from '../../src/log.ts'
import { MemoryDisk } from './memory-disk.ts'
import { now, openOn, temporaryFolder, warningsLog } from './open-ledger.ts'
import { resultRecord } from './records.ts'
import { rootOf } from '../tlog/root-of.ts'
import { requirement } from '../requirements.ts'

const entries = Array.from({ length: 6 }, (_, index) => formatEntry(resultRecord(index)))
const whole = Buffer.concat(entries.map((entry) => entry.line))
const starts = entries.map((_, index) => octetsOf(index))
const folder = await temporaryFolder()

suite('recovery', { concurrency: false }, () => {
  test('a file cut at any octet of its last two records keeps all before, and goes on', async () => {
    requirement('ledger.torn-tail-recovered')
    for (let length = starts[4] ?? 0; length <= whole.length; length++) {
      const kept = starts.filter((start) => start > 0 && start <= length).length
      const records = length === whole.length ? 6 : kept
      await assertRecovers(whole.subarray(0, length), records)
    }
  })

  test('whoever is told to end while the ledger is read gives it up, and its lock', async () => {
    const file = join(folder.path, 'ledger')
    const disk = new MemoryDisk(whole)
    const options = { file, now, log: silentLog, disk }
    await assert.rejects(openLedger({ ...options, signal: AbortSignal.abort() }), {
      code: 'ledger/unavailable',
      message: 'ledger is not opened: told to end',
    })
    await using again = await openLedger(options)
    assert.equal(again.head().size, 6)
  })

  test('a file cut within its first record is empty again', async () => {
    for (let length = 0; length < (starts[1] ?? 0); length++) {
      await assertRecovers(whole.subarray(0, length), 0)
    }
  })

  const tails: readonly [string, Buffer][] = [
    ['zeros', Buffer.alloc(5000)],
    ['a page of zeros and a line feed', Buffer.concat([Buffer.alloc(4096), Buffer.from('\n')])],
    ['garbage', Buffer.from('\u00ff\u0000 not a record \n at all \n')],
    ['line feeds', Buffer.from('\n\n\n')],
    [
      'the head of a record and zeros',
      Buffer.concat([entries[0]!.line.subarray(0, 99), Buffer.alloc(500)]),
    ],
    [
      'a record without its last octet',
      Buffer.concat([entries[0]!.line.subarray(0, -2), Buffer.from('\n')]),
    ],
    ['garbage as long as one write', Buffer.alloc(1_048_576, 'z')],
  ]
  for (const [title, tail] of tails) {
    test(`a tail of ${title} is dropped`, async () => {
      await assertRecovers(Buffer.concat([whole, tail]), 6)
    })
  }

  test('the last record with any bit flipped is dropped, for nothing tells it from a torn write', async () => {
    const start = starts[5] ?? 0
    for (let at = start; at < whole.length; at++) {
      const tail = { end: start, tornOctets: whole.length - start }
      assert.deepEqual(await drain(flipped(at)), tail, `octet ${at}`)
      if (at % 41 === 0) await assertRecovers(flipped(at), 5)
    }
  })

  test('a bit flipped anywhere before the last record opens nothing, and nothing is written', async () => {
    requirement('ledger.tampering-shows')
    for (let at = 0; at < (starts[5] ?? 0); at++) {
      await assert.rejects(drain(flipped(at)), { code: 'ledger/corrupt' }, `octet ${at}`)
      if (at % 41 === 0) await assertCorrupt(flipped(at))
    }
  })

  const damages: readonly [string, Buffer][] = [
    [
      'zeros in the middle',
      Buffer.concat([whole.subarray(0, starts[3]), Buffer.alloc(512), whole.subarray(starts[3])]),
    ],
    [
      'a line feed too many',
      Buffer.concat([whole.subarray(0, starts[3]), Buffer.from('\n'), whole.subarray(starts[3])]),
    ],
    [
      'a cut middle',
      Buffer.concat([whole.subarray(0, (starts[3] ?? 0) + 20), whole.subarray(starts[4])]),
    ],
    ['a first octet too many', Buffer.concat([Buffer.from('a'), whole])],
    ['a tail longer than one write', Buffer.concat([whole, Buffer.alloc(1_048_577)])],
    ['a text that was never a ledger', Buffer.from('root:x:0:0\nbin:x:1:1\n')],
    ['a line longer than any record', Buffer.alloc(200_000, 'f')],
    ['hash and space, then no record', Buffer.from(`${'0'.repeat(64)} x`)],
  ]
  for (const [title, content] of damages) {
    test(`${title}: nothing is opened, nothing is written`, async () => {
      await assertCorrupt(content)
    })
  }

  test('a record removed or exchanged opens, and the head is another than the one kept elsewhere', async () => {
    const lines = entries.map((entry) => entry.line)
    const leaves = entries.map((entry) => entry.leafHash)
    const [first, second, third, ...others] = lines
    for (const changed of [
      [first, third, ...others],
      [second, first, third, ...others],
      [first, second, third, ...others, first],
      lines.slice(0, -1),
    ]) {
      const disk = new MemoryDisk(Buffer.concat(changed.map((line) => line ?? Buffer.alloc(0))))
      await using ledger = await openOn(disk, folder.path)
      assert.notEqual(ledger.head().rootHash, rootOf(leaves))
    }
  })

  test('a file without line feeds is not read into memory', async () => {
    const disk = new MemoryDisk(Buffer.alloc(8_000_000, 'f'))
    await assert.rejects(openOn(disk, folder.path), {
      code: 'ledger/corrupt',
      message: 'ledger is damaged at octet 0: unreadable octets: want≤1048576 got=8000000',
    })
    // For its head, and for its first chunk.
    assert.equal(disk.calls.filter((call) => call === 'read').length, 3)
  })

  test('the damage is told with its place and its rule', async () => {
    await assert.rejects(openOn(new MemoryDisk(flipped((starts[2] ?? 0) + 80)), folder.path), {
      code: 'ledger/corrupt',
      message: `ledger is damaged at octet ${starts[2]}: a record that does not match its hash, and records after it`,
    })
    await assert.rejects(openOn(new MemoryDisk(Buffer.from('hello\n')), folder.path), {
      message: 'ledger is damaged at octet 0: no record at all',
    })
  })

  test('a tail that cannot be cut leaves the ledger closed', async () => {
    for (const operation of ['truncate', 'sync', 'read', 'size'] as const) {
      const disk = new MemoryDisk(whole.subarray(0, -5))
      disk.faultAt = (called) => (called === operation ? { kind: 'fails', code: 'EIO' } : undefined)
      await assert.rejects(openOn(disk, folder.path), { code: 'ledger/unavailable' })
      assert.equal(disk.calls.at(-1), 'close')
    }
    await assertRecovers(whole, 6)
  })

  test('a file of many chunks is read whole, whatever comes with each read', async () => {
    const many = Array.from({ length: 3000 }, (_, index) => formatEntry(resultRecord(index)))
    const disk = new MemoryDisk(Buffer.concat(many.map((entry) => entry.line)))
    await using ledger = await openOn(disk, folder.path)
    assert.deepEqual(ledger.head(), {
      size: 3000,
      rootHash: rootOf(many.map((one) => one.leafHash)),
    })
  })
})

test.after(() => folder[Symbol.asyncDispose]())

function octetsOf(records: number): number {
  return entries.slice(0, records).reduce((sum, entry) => sum + entry.line.length, 0)
}

function flipped(at: number): Buffer {
  const damaged = Buffer.from(whole)
  damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
  return damaged
}

/** Reads to the end, as opening does, without the cost of a lock. */
async function drain(content: Buffer): Promise<Tail> {
  const read = readEntries(await new MemoryDisk(content).open('', 'read'))
  for (;;) {
    const step = await read.next()
    if (step.done === true) return step.value
  }
}

async function assertRecovers(content: Buffer, records: number): Promise<void> {
  const disk = new MemoryDisk(content)
  const log = warningsLog()
  await using ledger = await openOn(disk, folder.path, log)
  const end = octetsOf(records)
  const droppedOctets = content.length - end
  const leaves = entries.slice(0, records).map((entry) => entry.leafHash)
  assert.deepEqual(ledger.head(), { size: records, rootHash: rootOf(leaves) }, `${content.length}`)
  assert.deepEqual(ledger.recovered, { droppedOctets })
  assert.deepEqual(
    log.warnings.map(([fields, message]) => [
      (fields as { droppedOctets: number }).droppedOctets,
      message,
    ]),
    droppedOctets === 0
      ? []
      : [[droppedOctets, 'the ledger ends in a torn write, which is dropped']],
  )
  assert.equal(disk.synced.length, end, 'the cut is durable')
  const added = formatEntry(resultRecord(99))
  assert.equal((await ledger.append(resultRecord(99))).index, records)
  assert.deepEqual(disk.synced, Buffer.concat([whole.subarray(0, end), added.line]))
}

async function assertCorrupt(content: Buffer): Promise<void> {
  const disk = new MemoryDisk(content)
  await assert.rejects(openOn(disk, folder.path), { code: 'ledger/corrupt' })
  assert.equal(disk.written, content)
  assert.ok(!disk.calls.includes('truncate') && !disk.calls.includes('write'))
}
