import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFile, copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { verifyLedger } from '../../src/ledger/audit/verify-ledger.ts'
import { formatEntry, parseLine } from '../../src/ledger/entry.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { logFolderOf, readCheckpoint } from '../../src/tlog/log-folder.ts'
import { MerkleTree } from '../../src/tlog/merkle-tree.ts'
import type { Retention, SegmentHead } from '../../src/ledger/record.ts'
import { segmentFile } from '../../src/ledger/segments.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { readAll } from './open-ledger.ts'
import { begin, day, issue, iso, makeWorld, open, sealedIn, type World } from './retention-world.ts'

/** A certificate a day, for so many days. */
async function issueDaily(ledger: Ledger, { clock }: World, days: number): Promise<void> {
  for (let number = 0; number < days; number++) {
    clock.time += day
    await issue(ledger, number, clock)
  }
}

async function headOf(file: string): Promise<SegmentHead> {
  const [line = ''] = (await readFile(file, 'utf8')).split('\n', 1)
  return parseLine(Buffer.from(line)) as SegmentHead
}

const until = () => new Promise((resolve) => setTimeout(resolve, 100))

/** What whoever can write the volume appends while the signer is down. */
async function forge({ file }: World, retention: Omit<Retention, 'kind'>): Promise<void> {
  await appendFile(file, formatEntry({ kind: 'ledger-retention', ...retention }).line)
}

/** Seals the file that is written as the signer would, but for these changes. */
async function forgeSeal({ file, clock }: World, changes: Partial<SegmentHead>): Promise<void> {
  const octets = await readFile(file)
  const read = await readAll(file)
  const { firstIndex } = await headOf(file)

  const tree = new MerkleTree()
  for (const { leafHash } of read) tree.append(Buffer.from(leafHash, 'hex'))
  const held = read.flatMap(({ index, record }) =>
    index >= firstIndex && record.kind === 'issuance-intent' ? [record.notAfter] : [],
  )
  const sha256 = createHash('sha256').update(octets).digest('hex')
  const record: SegmentHead = {
    kind: 'ledger-segment',
    time: iso(clock.time),
    firstIndex: read.length,
    subtrees: tree.subtrees.map((hash) => hash.toString('hex')),
    previous: { firstIndex, octets: octets.length, sha256 },
    unsettled: [],
    heldUntil: held.at(-1) ?? null,
    removedBefore: 0,
    ...changes,
  }
  await rename(file, segmentFile(file, firstIndex))
  await writeFile(file, formatEntry(record).line)
}

suite('what a start finds beyond the checkpoint removes nothing, and hides nothing', () => {
  for (const days of [365, undefined]) {
    test(`a record of retention by another's hand is refused: days=${days ?? 'none'}`, async () => {
      requirement('ledger.retention-keeps-proofs')
      await using world = await makeWorld()
      {
        await using ledger = await open(world, days)
        await issueDaily(ledger, world, 12)
      }
      const sealed = await sealedIn(world.folder)
      const { firstIndex } = await headOf(world.file)
      const published = await readCheckpoint(logFolderOf(world.file), world.signer)
      const time = iso(world.clock.time)
      await forge(world, { time, removedBefore: firstIndex, olderThan: iso(begin - 400 * day) })
      await assert.rejects(
        async () => {
          await using _ = await open(world, days)
          await until()
        },
        { code: 'ledger/corrupt', message: /^record \d+ says that retention .* never published/ },
      )
      assert.deepEqual(await sealedIn(world.folder), sealed)
      assert.deepEqual(await readCheckpoint(logFolderOf(world.file), world.signer), published)
    })
  }

  test('one that says the right time is refused for a segment that is not so old, or with a wrong boundary', async () => {
    requirement('ledger.retention-keeps-proofs')
    await using world = await makeWorld()
    {
      await using ledger = await open(world, undefined)
      await issueDaily(ledger, world, 60)
    }
    const before = await readFile(world.file)
    const { firstIndex } = await headOf(world.file)
    const time = iso(world.clock.time)
    const olderThan = iso(world.clock.time - 30 * day)
    for (const removedBefore of [firstIndex, 1]) {
      await writeFile(world.file, before)
      await forge(world, { time, removedBefore, olderThan })
      await assert.rejects(open(world, 30), {
        code: 'ledger/corrupt',
        message: /says that retention/,
      })
    }
  })

  test('a head that raises what was removed, ends what is held, or began long ago is refused', async () => {
    requirement('ledger.retention-keeps-proofs')
    await using world = await makeWorld()
    {
      await using ledger = await open(world, 365)
      await issueDaily(ledger, world, 12)
    }
    const { firstIndex } = await headOf(world.file)
    await copyFile(world.file, join(world.folder, 'copy'))
    const forgeries: readonly [Partial<SegmentHead>, RegExp][] = [
      [{ removedBefore: firstIndex }, /hands on what is not so/],
      [{ heldUntil: null }, /hands on what is not so/],
      [{ time: iso(begin - 1000 * day) }, /before the records before it/],
    ]
    for (const [changes, message] of forgeries) {
      await forgeSeal(world, changes)
      await assert.rejects(open(world, 365), { code: 'ledger/corrupt', message })
      await rm(segmentFile(world.file, firstIndex))
      await copyFile(join(world.folder, 'copy'), world.file)
    }
    // The forger's own hand is not what is refused.
    await forgeSeal(world, {})
    await using _ = await open(world, 365)
  })
})

test('the record of this signer that a crash left unpublished is borne out, also where segments are gone already', async () => {
  requirement('ledger.retention-keeps-proofs')
  await using world = await makeWorld()
  {
    await using ledger = await open(world, 30)
    await issueDaily(ledger, world, 60)
    await eventually(
      'some are removed',
      async () => !(await sealedIn(world.folder))[0]?.endsWith('0'),
    )
  }
  const sealed = await sealedIn(world.folder)
  const { firstIndex } = await headOf(join(world.folder, sealed[3] ?? ''))
  world.clock.time += 60 * day
  const olderThan = iso(world.clock.time - 31 * day)
  await forge(world, { time: iso(world.clock.time), removedBefore: firstIndex, olderThan })
  {
    await using ledger = await open(world, 30)
    await until()
    // Published by now, and nothing has vouched for the time yet.
    assert.deepEqual(await sealedIn(world.folder), sealed)
    await issueDaily(ledger, world, 2)
    await eventually('they go', async () => (await sealedIn(world.folder))[0] !== sealed[0])
  }
  const { problems } = await verifyLedger(world.file, {
    log: world.signer,
    witnesses: [],
    kept: [],
  })
  assert.deepEqual(problems, [])
})

test('verify holds a record of retention against the segments, though it is published', async () => {
  requirement('ledger.retention-keeps-proofs')
  await using world = await makeWorld()
  let removedBefore = 0
  {
    await using ledger = await open(world, undefined)
    await issueDaily(ledger, world, 12)
    removedBefore = (await headOf(world.file)).firstIndex
    const time = iso(world.clock.time)
    const forged = { kind: 'ledger-retention', time, removedBefore } as const
    await ledger.append({ ...forged, olderThan: iso(begin - 400 * day) } as never)
  }
  for (const name of await sealedIn(world.folder)) {
    if (Number(name.slice(-15)) < removedBefore) await rm(join(world.folder, name))
  }
  const { problems } = await verifyLedger(world.file, {
    log: world.signer,
    witnesses: [],
    kept: [],
  })
  assert.deepEqual(
    problems.map(({ problem }) => problem.replace(/\d+/, 'n')),
    ['retention of what was not old, or not done with, as the segments say: records before n'],
  )
})
