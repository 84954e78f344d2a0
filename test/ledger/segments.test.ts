import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { verifyLedger } from '../../src/ledger/audit/verify-ledger.ts'
import type { LedgerDisk } from '../../src/ledger/ledger-file.ts'
import { openLedger, readLedger, type Ledger } from '../../src/ledger/ledger.ts'
import type { LoggedRecord, SegmentHead } from '../../src/ledger/record.ts'
import { segmentFile } from '../../src/ledger/segments.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { MemoryDisk, type Fault } from './memory-disk.ts'
import { now, readAll, temporaryFolder, type ReadRecord } from './open-ledger.ts'
import { intentRecord, resultRecord } from './records.ts'
import { rootOf } from '../tlog/root-of.ts'

const segmentOctets = 2000

function open(file: string, disk?: LedgerDisk): Promise<Ledger> {
  return openLedger({ file, now, log: silentLog, segmentOctets, ...(disk && { disk }) })
}

async function written(file: string, records: number, from = 0): Promise<void> {
  await using ledger = await open(file)
  for (let index = 0; index < records; index++) await ledger.append(resultRecord(from + index))
}

/** The details of the results, by which they are told apart; heads are left out. */
function resultsOf(read: readonly ReadRecord[]): readonly string[] {
  return read.flatMap(({ record }) => ('detail' in record ? [record.detail] : []))
}

const details = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => resultRecord(index).detail)

test('a ledger that is long enough goes on in a new file, and is read as one', async () => {
  requirement('ledger.segments-stand')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await written(file, 12)
  await written(file, 12, 12)
  const read = await readAll(file)
  assert.deepEqual(resultsOf(read), details(24))
  assert.deepEqual(
    read.map(({ index }) => index),
    [...read.keys()],
  )
  await using ledger = await open(file)
  const leaves = read.map(({ leafHash }) => Buffer.from(leafHash, 'hex'))
  assert.deepEqual(ledger.head(), { size: read.length, rootHash: rootOf(leaves) })
  const sealed = (await readdir(folder.path)).filter((name) => name.includes('.segment-'))
  assert.ok(sealed.length >= 3, `${sealed.length}`)
  // What an auditor does with sha256sum.
  const heads = read.flatMap(({ record }) => (record.kind === 'ledger-segment' ? [record] : []))
  assert.equal(heads.length, sealed.length)
  for (const { previous } of heads) {
    const octets = await readFile(segmentFile(file, previous.firstIndex))
    assert.equal(octets.length, previous.octets)
    assert.equal(createHash('sha256').update(octets).digest('hex'), previous.sha256)
  }
})

test('a ledger of one file that is too long already is sealed with its next record', async () => {
  requirement('ledger.segments-stand')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  {
    await using before = await openLedger({ file, now, log: silentLog })
    for (let index = 0; index < 12; index++) await before.append(resultRecord(index))
  }
  const old = await readFile(file)
  await written(file, 1, 12)
  assert.ok((await readFile(segmentFile(file, 0))).equals(old))
  assert.deepEqual(resultsOf(await readAll(file)), details(13))
  assert.equal((await readAll(segmentFile(file, 0))).length, 12, 'a segment is read by itself, too')
})

test('a reader that began before a seal sees what was there, and one that begins after it all', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await written(file, 3)
  const reader = readLedger(file)
  assert.equal((await reader.next()).done, false)
  await written(file, 20, 3)
  let records = 1
  for await (const _ of reader) records += 1
  assert.equal(records, 3)
  assert.deepEqual(resultsOf(await readAll(file)), details(23))
})

suite('a crash at any step', () => {
  const records = 7
  // Two records and a head, or three.
  const segmentOctets = 900

  /** Appends until the disk is dead, and gives what was acknowledged. */
  async function appendUntilDead(disk: MemoryDisk, file: string): Promise<number> {
    let acknowledged = 0
    try {
      const ledger = await openLedger({ file, now, log: silentLog, segmentOctets, disk })
      try {
        for (; acknowledged < records; acknowledged++)
          await ledger.append(resultRecord(acknowledged))
      } finally {
        await Promise.resolve(ledger[Symbol.asyncDispose]()).catch(() => {})
      }
    } catch {
      // The disk is dead.
    }
    return acknowledged
  }

  const ways: readonly ((last: boolean) => Fault | undefined)[] = [
    () => ({ kind: 'fails', code: 'EIO' }),
    (last) => (last ? { kind: 'persisted', code: 'EIO' } : { kind: 'fails', code: 'EIO' }),
    (last) =>
      last ? { kind: 'torn', octets: 100, code: 'ENOSPC' } : { kind: 'fails', code: 'EIO' },
  ]

  async function assertKept(disk: MemoryDisk, file: string, acknowledged: number): Promise<void> {
    {
      await using ledger = await openLedger({ file, now, log: silentLog, segmentOctets, disk })
      const read: ReadRecord[] = []
      for await (const one of readLedger(file, { disk })) read.push(one)
      const kept = resultsOf(read)
      assert.ok(kept.length >= acknowledged, `kept ${kept.length} of ${acknowledged}`)
      assert.deepEqual(kept, details(kept.length))
      const leaves = read.map(({ leafHash }) => Buffer.from(leafHash, 'hex'))
      assert.deepEqual(ledger.head(), { size: read.length, rootHash: rootOf(leaves) })
      for (let index = kept.length; index < 12; index++) await ledger.append(resultRecord(index))
    }
    const read: ReadRecord[] = []
    for await (const one of readLedger(file, { disk })) read.push(one)
    assert.deepEqual(resultsOf(read), details(12))
    assert.ok([...disk.files().keys()].every((path) => !path.endsWith('.next')))
  }

  for (const [title, way] of [
    ['before it', ways[0]],
    ['after it', ways[1]],
    ['in a write', ways[2]],
  ] as const) {
    test(`${title}: what was acknowledged is kept, and the ledger goes on`, async () => {
      requirement('ledger.segments-stand')
      await using folder = await temporaryFolder()
      const file = join(folder.path, 'ledger')
      const whole = new MemoryDisk()
      assert.equal(await appendUntilDead(whole, file), records)
      assert.ok(whole.calls.filter((call) => call === 'rename').length >= 2, 'two seals')
      for (let step = 0; step < whole.calls.length; step++) {
        const disk = new MemoryDisk()
        disk.faultAt = () => {
          const at = disk.calls.length - 1
          // A process that is gone has closed its files.
          if (disk.calls[at] === 'close') return undefined
          return at < step ? undefined : way?.(at === step)
        }
        const acknowledged = await appendUntilDead(disk, file)
        for (const crash of ['kill', 'power-cut'] as const) {
          const left = disk.after(crash)
          await assertKept(left, file, acknowledged).catch((error: unknown) => {
            throw new Error(`step ${step} (${whole.calls[step]}), ${crash}`, { cause: error })
          })
        }
      }
    })
  }
})

suite('a segment that is not the one that stood there', () => {
  /** A ledger of at least four segments, each of which an auditor and the next start look at. */
  async function sealedLedger(folder: string): Promise<{ file: string; sealed: string[] }> {
    const file = join(folder, 'ledger')
    await written(file, 24)
    const names = (await readdir(folder)).filter((each) => each.includes('.segment-'))
    assert.ok(names.length >= 3)
    return { file, sealed: names.toSorted().map((each) => join(folder, each)) }
  }

  const hurts: readonly [string, (sealed: readonly string[]) => Promise<unknown>, RegExp][] = [
    [
      'cut',
      async ([, path = '']) => writeFile(path, (await readFile(path)).subarray(0, -1)),
      /^segment ledger\.segment-0{13}\d\d was cut or written to: want=\d+ octets got=\d+$/,
    ],
    [
      'written to',
      ([path = '']) => writeFile(path, 'x\n', { flag: 'a' }),
      /^segment ledger\.segment-0{15} was cut or written to/,
    ],
    [
      'missing in the middle',
      ([, path = '']) => rm(path),
      /^segment ledger\.segment-0{15} is there, and no segment that is here stands on it$/,
    ],
    ['missing at the beginning', ([path = '']) => rm(path), /^segment ledger\.segment-\d+ is /],
    [
      'in the place of another',
      async ([one = '', two = '']) => {
        await rename(one, `${one}.x`)
        await rename(two, one)
        await rename(`${one}.x`, two)
      },
      /^segment ledger\.segment-\d+ begins with another record: want=\d+ got=0$/,
    ],
    [
      'of another ledger',
      async ([, path = '']) => {
        await using other = await temporaryFolder()
        const file = join(other.path, 'ledger')
        await written(file, 24, 1)
        const name = path.slice(path.lastIndexOf('/') + 1)
        await writeFile(path, await readFile(join(other.path, name)))
      },
      /^segment ledger\.segment-\d+ is not the segment that record \d+ stands on|was cut/,
    ],
    [
      'with its last two records exchanged',
      async ([, path = '']) => {
        const [one = '', two = '', ...rest] = (await readFile(path, 'utf8'))
          .trim()
          .split('\n')
          .toReversed()
        const lines = [...rest.toReversed(), one, two]
        await writeFile(path, lines.map((line) => `${line}\n`).join(''))
      },
      /^segment ledger\.segment-\d+ is not the segment that record \d+ stands on/,
    ],
    [
      'with a record changed',
      async ([, path = '']) => {
        const text = await readFile(path, 'utf8')
        await writeFile(path, text.replace('"published"', '"publishee"'))
      },
      /^ledger\.segment-\d+: ledger is damaged at octet \d+: a record that does not match/,
    ],
  ]
  for (const [title, hurt, message] of hurts) {
    test(`${title}: is named`, async () => {
      requirement('ledger.segments-stand')
      await using folder = await temporaryFolder()
      const { file, sealed } = await sealedLedger(folder.path)
      await hurt(sealed)
      await assert.rejects(readAll(file), { code: 'ledger/corrupt', message })
    })
  }

  test('the last one missing: nothing begins anew in its place', async () => {
    requirement('ledger.segments-stand')
    await using folder = await temporaryFolder()
    const { file } = await sealedLedger(folder.path)
    await rm(file)
    await assert.rejects(open(file), {
      code: 'ledger/corrupt',
      message: /^segment ledger\.segment-\d+ is there, and no segment that is here stands on it$/,
    })
    await assert.rejects(open(file), { code: 'ledger/corrupt' }, 'nor at the next start')
  })

  test('a start hashes the last one and the one before: a change there opens nothing', async () => {
    requirement('ledger.segments-stand')
    await using folder = await temporaryFolder()
    const { file, sealed } = await sealedLedger(folder.path)
    const last = sealed.at(-1) ?? ''
    const text = await readFile(last, 'utf8')
    const [one = '', two = '', ...rest] = text.trim().split('\n').toReversed()
    const lines = [...rest.toReversed(), one, two]
    await writeFile(last, lines.map((line) => `${line}\n`).join(''))
    await assert.rejects(open(file), { code: 'ledger/corrupt', message: /stands on/ })
    await writeFile(last, text)
    await rm(sealed[0] ?? '')
    await assert.rejects(open(file), { code: 'ledger/corrupt', message: /is missing/ })
  })

  test('a head in the middle of a segment is no head', async () => {
    requirement('ledger.segments-stand')
    await using folder = await temporaryFolder()
    const { file } = await sealedLedger(folder.path)
    const [head = ''] = (await readFile(file, 'utf8')).split('\n')
    await writeFile(file, `${head}\n`, { flag: 'a' })
    await assert.rejects(open(file), { message: /has the head of a segment in its middle/ })
  })
})

test('a sealed segment that is a symbolic link is named, at a start and by verify', async () => {
  requirement('ledger.segments-stand')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await written(file, 24)
  const sealed = segmentFile(file, 0)
  await rename(sealed, join(folder.path, 'elsewhere'))
  await symlink(join(folder.path, 'elsewhere'), sealed)
  const message = /ledger\.segment-000000000000000" cannot be opened: .* got=a symbolic link$/
  const expected = { code: 'ledger/unavailable', message }
  await assert.rejects(open(file), expected)
  await assert.rejects(verifyLedger(file, { kept: [], witnesses: [] }), expected)
})

test('a name that is taken is not written over: the ledger takes no more', async () => {
  requirement('ledger.segments-stand')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await using ledger = await open(file)
  await writeFile(segmentFile(file, 0), 'of somebody else')
  let refused: unknown
  for (let index = 0; index < 12 && refused === undefined; index++) {
    refused = await ledger.append(resultRecord(index)).then(
      () => undefined,
      (error: unknown) => error,
    )
  }
  assert.equal((refused as { code: string }).code, 'ledger/unavailable')
  assert.match((refused as Error).message, /EEXIST/)
  assert.equal(await readFile(segmentFile(file, 0), 'utf8'), 'of somebody else')
})

test('whoever has lost the ledger seals nothing', async () => {
  requirement('ledger.one-writer')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const disk = new MemoryDisk()
  await using ledger = await open(file, disk)
  const until = (last: number) => async () => {
    for (let index = 0; index < last; index++) await ledger.append(resultRecord(index))
  }
  // Between the draft and its name the lock is taken away.
  disk.beforeSync = async () => {
    if ([...disk.files().keys()].some((path) => path.endsWith('.next'))) await rm(`${file}.lock`)
  }
  await assert.rejects(until(12)(), { message: 'ledger lock is lost: another process may write' })
  assert.ok(!disk.calls.includes('link'))
  assert.ok(!disk.calls.includes('rename'))
})

test('a head hands on what has no result yet, and how long the certificates are held', async () => {
  requirement('ledger.segments-stand')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  {
    await using ledger = await open(file)
    const append = async (record: LoggedRecord): Promise<void> => {
      await ledger.append(record as Parameters<Ledger['append']>[0])
    }
    await append(intentRecord(0, { notAfter: '2026-11-22T12:00:00.000Z' }))
    await append(intentRecord(1))
    await append({ ...resultRecord(0), intentIndex: 0 })
    for (let index = 0; index < 8; index++) {
      await append({ ...resultRecord(index), intentIndex: 999 })
    }
  }
  const heads = (await readAll(file))
    .map(({ record }) => record)
    .filter((record): record is SegmentHead => record.kind === 'ledger-segment')
  assert.ok(heads.length >= 2)
  assert.deepEqual(heads[0]?.unsettled, [0, 1])
  assert.equal(heads[0]?.heldUntil, '2026-11-22T12:00:00.000Z')
  assert.deepEqual(heads[1]?.unsettled, [1])
  assert.equal(heads[1]?.heldUntil, null)
})
