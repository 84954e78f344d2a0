import assert from 'node:assert/strict'
import { copyFile, cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { run } from '../../src/cli/program.ts'
import { verifyLedger } from '../../src/ledger/audit/verify-ledger.ts'
import { formatEntry } from '../../src/ledger/entry.ts'
import { readLedger, type Ledger } from '../../src/ledger/ledger.ts'
import { logFolderOf, readCheckpoint } from '../../src/tlog/log-folder.ts'
import { formatVerifierKey } from '../../src/tlog/note.ts'
import { tilePath } from '../../src/tlog/tiles.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { readAll, type ReadRecord } from './open-ledger.ts'
import { resultRecord } from './records.ts'
import {
  begin,
  day,
  issue,
  issued,
  iso,
  makeWorld,
  open,
  sealedIn,
  type Clock,
  type World,
} from './retention-world.ts'
import { goLog } from '../tlog/go-log.ts'

const retentionDays = 30

/** Two certificates a day, for so many days. */
async function issueDaily(ledger: Ledger, days: number, clock: Clock): Promise<void> {
  for (let number = 0; number < days; number++) {
    clock.time += day
    await Promise.all([issue(ledger, 2 * number, clock), issue(ledger, 2 * number + 1, clock)])
  }
}

/** While segments are removed, a reader may come too late for one. */
function readKept(file: string): Promise<readonly ReadRecord[]> {
  return readAll(file).catch((error: unknown) => {
    assert.equal((error as { code: string }).code, 'ledger/unavailable')
    return []
  })
}

/** Where copies are of all that a ledger has had. */
function wholeOf({ folder }: World): string {
  return join(folder, 'whole')
}

/** Writes a ledger of a hundred days, of which it keeps thirty. */
async function writeKept(): Promise<AsyncDisposable & World> {
  const world = await makeWorld()
  const { folder, file, clock } = world
  const whole = wholeOf(world)
  {
    await using ledger = await open(world, undefined)
    await issueDaily(ledger, 100, clock)
  }
  await cp(logFolderOf(file), join(whole, 'ledger.log'), { recursive: true })
  for (const name of ['ledger', ...(await sealedIn(folder))]) {
    await copyFile(join(folder, name), join(whole, name))
  }
  const before = (await sealedIn(folder)).length
  {
    await using ledger = await open(world, retentionDays)
    await issue(ledger, 100, clock)
    await eventually('segments are removed', async () => (await sealedIn(folder)).length < before)
    await eventually('all that is due is removed', async () => {
      const read = await readKept(file)
      const { removedBefore } = read.reduce(
        (last, { record }) => (record.kind === 'ledger-retention' ? record : last),
        { removedBefore: -1 },
      )
      return read[0]?.index === removedBefore
    })
  }
  return world
}

let written: ReturnType<typeof writeKept> | undefined
after(async () => (await written)?.[Symbol.asyncDispose]())

/** The ledger that keeps thirty days of a hundred, for one test alone: two hundred certificates are issued once for all of them. */
async function makeKept(): Promise<AsyncDisposable & World> {
  return makeWorld(await (written ??= writeKept()))
}

async function countersign(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const code = await run(['ledger', ...argv], {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

test('old segments are removed, on the record, and everything that is proved of them still is', async (t) => {
  requirement('ledger.retention-keeps-proofs')
  await using world = await makeKept()
  const { folder, file, signer } = world
  const whole = wholeOf(world)
  const key = formatVerifierKey(signer)
  const kept = await readAll(file)
  const first = kept[0]?.index ?? 0
  assert.ok(first > 50, `${first} records were removed`)
  const oldest = kept.find(({ record }) => record.kind === 'issuance-intent')
  assert.ok(oldest && Date.parse(oldest.record.time) < begin + 71 * day, 'thirty days are kept')
  const old = join(whole, 'ledger.log/checkpoint')
  const verified = await countersign('verify', file, '--key', key, '--checkpoint', old)
  assert.equal(verified.code, 0, verified.out)
  assert.match(
    verified.out,
    new RegExp(`records 0\\.\\.${first - 1} were removed by retention at 2026-04-11T00:00:00.000Z`),
  )
  assert.equal((await countersign('show', file)).code, 0)
  assert.equal((await countersign('history', file)).code, 0)

  const proof = async (...options: string[]) => {
    const { code, out, err } = await countersign('prove', file, '--json', ...options)
    assert.equal(code, 0, err)
    return JSON.parse(out) as {
      size: number
      rootHash: string
      index: number
      leafHash: string
      entry?: string
      proof: string[]
    }
  }
  const [intent] = issued(0, begin + day)
  const leafHash = formatEntry(intent).leafHash.toString('hex')
  const removed = await proof('--leaf-hash', leafHash)
  assert.equal(removed.index, 0)
  assert.equal(removed.entry, undefined)
  const byIndex = await proof('--index', '0')
  assert.deepEqual(byIndex, removed)
  const later = await proof('--index', `${first + 3}`)
  assert.ok(later.entry !== undefined)
  const before = await readCheckpoint(join(whole, 'ledger.log'), signer)
  const { size: oldSize = 0, rootHash: oldRoot = '' } = before ?? {}
  const goesOn = await proof('--from', `${oldSize}`)
  assert.equal((await countersign('prove', file, '--leaf-hash', 'f'.repeat(64))).code, 1)
  assert.equal((await countersign('prove', file, '--leaf-hash', 'x')).code, 2)

  const go = await goLog()
  if (go === undefined) return t.diagnostic('Go is not here: its judgement is left out')
  const { size, rootHash } = removed
  assert.deepEqual(
    await go.proofs([
      `inclusion ${size} ${rootHash} 0 ${leafHash} ${removed.proof.join(' ')}`,
      `inclusion ${size} ${rootHash} ${later.index} ${later.leafHash} ${later.proof.join(' ')}`,
      `consistency ${oldSize} ${oldRoot} ${size} ${rootHash} ${goesOn.proof.join(' ')}`,
    ]),
    ['ok', 'ok', 'ok'],
  )
  assert.equal(await go.folder(key, logFolderOf(file)), `size=${size} root=${rootHash} entries=0`)
  const out = join(folder, 'out')
  assert.equal((await countersign('export', file, out)).code, 0)
  assert.match(await go.folder(key, out), new RegExp(`^size=${size} root=${rootHash} `))
})

test('whoever kept what was removed reads it beside the rest as one', async () => {
  requirement('ledger.retention-keeps-proofs')
  await using world = await makeKept()
  const { folder, file, signer } = world
  const whole = wholeOf(world)
  for (const name of await sealedIn(whole)) {
    await copyFile(join(whole, name), join(folder, name))
  }
  const findings = await verifyLedger(file, { log: signer, witnesses: [], kept: [] })
  assert.deepEqual(findings.problems, [])
  assert.equal(findings.removed, null)
  assert.equal((await readAll(file))[0]?.index, 0)
})

test('a ledger with removed records is opened, goes on, and removes more when more is old', async () => {
  requirement('ledger.retention-keeps-proofs')
  await using world = await makeKept()
  const { folder, file, signer, clock } = world
  const [first] = await sealedIn(folder)
  {
    await using ledger = await open(world, retentionDays)
    await issueDaily(ledger, 40, clock)
    await eventually('more is removed', async () => (await sealedIn(folder))[0] !== first)
  }
  const { problems } = await verifyLedger(file, { log: signer, witnesses: [], kept: [] })
  assert.deepEqual(problems, [])
})

suite('a theft is no retention', () => {
  const hurts: readonly [string, (file: string, folder: string) => Promise<unknown>, RegExp][] = [
    [
      'one segment more than was recorded',
      async (_, folder) => rm(join(folder, (await sealedIn(folder))[0] ?? '')),
      /is missing|missing, and no retention has removed them/,
    ],
    [
      'the tiles of what was removed are gone',
      (file) => rm(join(logFolderOf(file), 'tile'), { recursive: true }),
      /has no tiles of them|no tile of records that are not here/,
    ],
  ]
  for (const [title, hurt, message] of hurts) {
    test(`${title}: nothing is opened, and it is told`, async () => {
      requirement('ledger.retention-keeps-proofs')
      await using world = await makeKept()
      const { folder, file, signer } = world
      await hurt(file, folder)
      await assert.rejects(open(world, retentionDays), { code: 'ledger/corrupt', message })
      const { problems } = await verifyLedger(file, { log: signer, witnesses: [], kept: [] })
      assert.match(problems.map(({ problem }) => problem).join('\n'), message)
    })
  }

  test('a tile of what was removed that is another is told', async () => {
    requirement('ledger.retention-keeps-proofs')
    await using world = await makeKept()
    const { file, signer } = world
    const path = join(logFolderOf(file), tilePath(0, 0))
    await writeFile(path, (await readFile(path)).fill(1, 0, 32))
    const { problems } = await verifyLedger(file, { log: signer, witnesses: [], kept: [] })
    assert.match(
      problems.map(({ problem }) => problem).join('\n'),
      /the tiles are not those of the \d+ records before/,
    )
    const { code, err } = await countersign('prove', file, '--index', '1')
    assert.equal(code, 1)
    assert.match(err, /the tiles are not those of the \d+ records before/)
  })

  test('a record of it that was never published, put there by hand, is none', async () => {
    requirement('ledger.retention-keeps-proofs')
    await using world = await makeWorld()
    const { folder, file, signer, clock } = world
    {
      await using ledger = await open(world, undefined)
      await issueDaily(ledger, 30, clock)
    }
    const [, second = ''] = await sealedIn(folder)
    const removedBefore = Number(second.slice(-15))
    const time = iso(clock.time)
    const forged = { kind: 'ledger-retention', time, removedBefore, olderThan: time } as const
    await writeFile(file, formatEntry(forged).line, { flag: 'a' })
    await rm(join(folder, (await sealedIn(folder))[0] ?? ''))
    const never = /which says so, was never published/
    await assert.rejects(open(world, retentionDays), { code: 'ledger/corrupt', message: never })
    const { problems } = await verifyLedger(file, { log: signer, witnesses: [], kept: [] })
    assert.match(problems.map(({ problem }) => problem).join('\n'), never)
  })
})

suite('what is not removed', () => {
  test('anything, before others know of the record that says so', async () => {
    requirement('ledger.retention-keeps-proofs')
    await using world = await makeWorld()
    const { folder, file, clock } = world
    {
      await using ledger = await open(world, undefined)
      await issueDaily(ledger, 50, clock)
    }
    const sealed = await sealedIn(folder)
    {
      await using ledger = await open(world, retentionDays, 3600)
      await issue(ledger, 500, clock)
      await eventually('it is recorded', async () =>
        (await readAll(file)).some(({ record }) => record.kind === 'ledger-retention'),
      )
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.deepEqual((await sealedIn(folder)).slice(0, sealed.length), sealed)
    }
    await using _ = await open(world, retentionDays)
    await eventually('it is removed', async () => (await sealedIn(folder)).length < sealed.length)
  })

  test('nothing, by a clock that jumps ahead: the API server took no certificate of that time', async () => {
    requirement('ledger.retention-removes-what-cannot-matter')
    await using world = await makeWorld()
    const { folder, clock } = world
    await using ledger = await open(world, retentionDays)
    await issueDaily(ledger, 20, clock)
    const sealed = await sealedIn(folder)
    assert.ok(sealed.length > 3)
    clock.time += 3650 * day
    const [intent] = issued(99, clock.time)
    const { index } = await ledger.append(intent)
    await ledger.append({ ...resultRecord(99), intentIndex: index, outcome: 'unpublished' })
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.deepEqual((await sealedIn(folder)).slice(0, sealed.length), sealed)
    await issue(ledger, 100, clock)
    await eventually('a certificate of that time was taken', async () => {
      return (await sealedIn(folder)).length < sealed.length
    })
  })

  test('a segment with an intent that is open, nor what comes after it', async () => {
    requirement('ledger.retention-removes-what-cannot-matter')
    await using world = await makeWorld()
    const { file, clock } = world
    let open0 = -1
    {
      await using ledger = await open(world, retentionDays)
      await issueDaily(ledger, 10, clock)
      open0 = (await ledger.append(issued(50, clock.time)[0])).index
      await issueDaily(ledger, 80, clock)
    }
    await using ledger = await open(world, retentionDays)
    await issue(ledger, 500, clock)
    await eventually('what is before it is removed', async () => {
      return ((await readKept(file))[0]?.index ?? 0) > 0
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const kept = await readAll(file)
    assert.ok((kept[0]?.index ?? 0) <= open0)
    // The next start reads back to it.
    const read: number[] = []
    for await (const { index } of readLedger(file, { heldSince: clock.time })) read.push(index)
    assert.ok(read.includes(open0))
    await ledger.append({ ...resultRecord(50), time: iso(clock.time), intentIndex: open0 })
    await eventually('and it goes when it is settled', async () => {
      return ((await readKept(file))[0]?.index ?? 0) > open0
    })
  })

  test('a segment with a certificate that is held for longer', async () => {
    requirement('ledger.retention-removes-what-cannot-matter')
    await using world = await makeWorld()
    const { file, clock } = world
    await using ledger = await open(world, retentionDays)
    const [intent, result] = issued(0, begin, { notAfter: iso(begin + 75 * day) })
    await ledger.append(intent)
    await ledger.append({ ...result, intentIndex: 0 })
    await issueDaily(ledger, 100, clock)
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal((await readAll(file))[0]?.index, 0)
  })

  test('anything, without a log', async () => {
    requirement('ledger.retention-removes-what-cannot-matter')
    await using world = await makeWorld()
    const { file, clock } = world
    await using ledger = await open({ ...world, signer: undefined }, retentionDays)
    await issueDaily(ledger, 100, clock)
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal((await readAll(file))[0]?.index, 0)
  })
})
