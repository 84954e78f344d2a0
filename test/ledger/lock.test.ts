import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { openLedger } from '../../src/ledger/ledger.ts'
import { acquireLock, type LockOwner } from '../../src/ledger/lock.ts'
import { MemoryDisk } from './memory-disk.ts'
import { now, openOn, temporaryFolder } from './open-ledger.ts'
import { resultRecord } from './records.ts'
import { requirement } from '../requirements.ts'

const asking: LockOwner = { pid: process.pid, startTime: 'any', host: 'signer-0', bootId: 'b1' }

test('a second writer in the same process is refused, and may come after the first', async () => {
  requirement('ledger.one-writer')
  await using folder = await temporaryFolder()
  const first = await openOn(new MemoryDisk(), folder.path)
  await assert.rejects(
    openOn(new MemoryDisk(), folder.path),
    (error: Error & { hint?: string }) => {
      assert.match(error.message, /^ledger is written by another process: pid \d+ on "/)
      assert.equal(
        error.hint,
        `if that process is gone for certain, remove ${join(folder.path, 'ledger.lock')}`,
      )
      return true
    },
  )
  await first[Symbol.asyncDispose]()
  await using second = await openOn(new MemoryDisk(), folder.path)
  assert.equal(second.head().size, 0)
})

test('of many that come at once for the lock of a dead process, one gets it', async () => {
  await using folder = await temporaryFolder()
  for (let round = 0; round < 20; round++) {
    const file = join(folder.path, `lock-${round}`)
    await acquireLock(file, { now, owner: { ...asking, bootId: 'b0' } })
    const owner = { ...asking, startTime: '' }
    const taking = Array.from({ length: 8 }, () => acquireLock(file, { now, owner }))
    const settled = await Promise.allSettled(taking)
    const taken = settled.filter((one) => one.status === 'fulfilled')
    assert.equal(taken.length, 1)
    assert.ok(await taken[0]?.value.held())
    for (const one of settled) {
      if (one.status === 'rejected')
        assert.equal((one.reason as { code: string }).code, 'ledger/locked')
    }
    assert.deepEqual(await readdir(folder.path), [`lock-${round}`])
    await taken[0]?.value.release()
  }
})

test("a process that died while it took over a lock is in nobody's way", async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'lock')
  const dead = { ...asking, bootId: 'b0' }
  await acquireLock(file, { now, owner: dead })
  const text = await readFile(file, 'utf8')
  await acquireLock(`${file}.${hash('sha256', text).slice(0, 16)}`, { now, owner: dead })
  const lock = await acquireLock(file, { now, owner: asking })
  assert.ok(await lock.held())
  assert.deepEqual(await readdir(folder.path), ['lock'])
})

/** A process of its own that ends at once. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid ?? 0
}

suite('a lock that is found', () => {
  const owners: readonly [string, (ended: number) => Partial<LockOwner>, boolean][] = [
    ['of a process that ended is taken over', (pid) => ({ pid, startTime: '1' }), true],
    [
      'of an ended process of a system without start times is taken over',
      (pid) => ({ pid, startTime: '' }),
      true,
    ],
    [
      'of a living process of such a system is left',
      () => ({ pid: process.pid, startTime: '' }),
      false,
    ],
    ['of our pid with another start is taken over', () => ({ startTime: '1' }), true],
    [
      'of a pid that lives again since a boot is taken over',
      () => ({ bootId: 'b0', startTime: '' }),
      true,
    ],
    ['of another host is left', (pid) => ({ pid, host: 'signer-1' }), false],
    [
      'of another host from before its boot is left',
      () => ({ host: 'signer-1', bootId: 'b0' }),
      false,
    ],
  ]
  for (const [title, changes, isTaken] of owners) {
    test(title, async () => {
      await using folder = await temporaryFolder()
      const file = join(folder.path, 'lock')
      const found = { ...asking, ...changes(await endedPid()) }
      await acquireLock(file, { now, owner: found })
      const taking = acquireLock(file, { now, owner: asking })
      if (isTaken) {
        assert.ok(await (await taking).held())
      } else {
        await assert.rejects(taking, { code: 'ledger/locked' })
        assert.equal((JSON.parse(await readFile(file, 'utf8')) as LockOwner).host, found.host)
      }
      assert.deepEqual(await readdir(folder.path), ['lock'])
    })
  }

  for (const text of [
    '',
    '4711\n',
    '{}',
    '{"pid":"1","host":"a","startTime":"","bootId":""}',
    'null',
  ]) {
    test(`holding ${JSON.stringify(text)} is left for someone to look at`, async () => {
      await using folder = await temporaryFolder()
      const file = join(folder.path, 'lock')
      await writeFile(file, text)
      await assert.rejects(acquireLock(file, { now }), {
        code: 'ledger/locked',
        message: 'ledger is written by another process: unknown',
      })
      assert.equal(await readFile(file, 'utf8'), text)
    })
  }
})

test('the lock says who holds it since when', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'lock')
  const lock = await acquireLock(file, { now })
  const { pid, since, startTime } = JSON.parse(await readFile(file, 'utf8')) as Record<
    string,
    unknown
  >
  assert.deepEqual([pid, since], [process.pid, '2026-11-22T10:00:00.000Z'])
  if (process.platform === 'linux') assert.match(String(startTime), /^\d+$/)
  await lock.release()
  await lock.release()
  assert.deepEqual(await readdir(folder.path), [])
})

test('a writer whose lock is gone acknowledges nothing more', async () => {
  requirement('ledger.one-writer')
  for (const moment of ['before the write', 'before the acknowledgement'] as const) {
    await using folder = await temporaryFolder()
    const disk = new MemoryDisk()
    const lock = join(folder.path, 'ledger.lock')
    const ledger = await openOn(disk, folder.path)
    if (moment === 'before the write') await rm(lock)
    else disk.beforeSync = () => rm(lock)
    await assert.rejects(ledger.append(resultRecord(0)), {
      code: 'ledger/unavailable',
      message: 'ledger lock is lost: another process may write',
    })
    assert.equal(disk.calls.includes('write'), moment !== 'before the write')
    assert.deepEqual(ledger.head().size, 0)
    await writeFile(lock, 'of another')
    await ledger[Symbol.asyncDispose]()
    assert.equal(await readFile(lock, 'utf8'), 'of another')
  }
})

test('a refused ledger leaves no lock behind', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  await writeFile(file, 'not a ledger\n')
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  await assert.rejects(openLedger({ file, now, log }), { code: 'ledger/corrupt' })
  assert.deepEqual(await readdir(folder.path), ['ledger'])
})
