import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { appendFile, copyFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { verifyLedger } from '../../src/ledger/audit/verify-ledger.ts'
import { formatEntry, parseLine } from '../../src/ledger/entry.ts'
import { openLedger, type Ledger } from '../../src/ledger/ledger.ts'
import { logFolderOf, readCheckpoint } from '../../src/ledger/log-folder.ts'
import { MerkleTree } from '../../src/ledger/merkle-tree.ts'
import { createVerifier, type NoteSigner } from '../../src/ledger/note.ts'
import type { Retention, SegmentHead } from '../../src/ledger/record.ts'
import { segmentFile } from '../../src/ledger/segments.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { readAll, temporaryFolder } from './open-ledger.ts'
import { intentRecord, resultRecord } from './records.ts'

const day = 86_400_000
const begin = Date.parse('2026-01-01T00:00:00Z')
const iso = (time: number): string => new Date(time).toISOString()

interface World {
  readonly folder: string
  readonly file: string
  readonly signer: NoteSigner
  readonly clock: { time: number }
}

function makeWorld(folder: string): World {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const signer = { ...createVerifier('example.org/ledger/forged', publicKey), privateKey }
  return { folder, file: join(folder, 'ledger'), signer, clock: { time: begin } }
}

function open(
  { file, signer, clock }: World,
  retentionDays: number | undefined,
  segmentOctets = 4000,
): Promise<Ledger> {
  return openLedger({
    file,
    log: silentLog,
    signer,
    now: () => clock.time,
    segmentOctets,
    lookSeconds: 0.01,
    publishSeconds: 0.01,
    retentionDays,
  })
}

/** A certificate a day, for so many days. */
async function issueDaily(ledger: Ledger, { clock }: World, days: number): Promise<void> {
  for (let number = 0; number < days; number++) {
    clock.time += day
    const time = iso(clock.time)
    const notAfter = iso(clock.time + 3_600_000)
    const intent = intentRecord(number, { time, notBefore: time, notAfter })
    const { index } = await ledger.append(intent)
    await ledger.append({ ...resultRecord(number), time, intentIndex: index })
  }
}

async function sealedIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => name.includes('.segment-')).toSorted()
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
      await using folder = await temporaryFolder()
      const world = makeWorld(folder.path)
      {
        await using ledger = await open(world, days)
        await issueDaily(ledger, world, 12)
      }
      const sealed = await sealedIn(folder.path)
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
      assert.deepEqual(await sealedIn(folder.path), sealed)
      assert.deepEqual(await readCheckpoint(logFolderOf(world.file), world.signer), published)
    })
  }

  test('one that says the right time is refused for a segment that is not so old, or with a wrong boundary', async () => {
    requirement('ledger.retention-keeps-proofs')
    await using folder = await temporaryFolder()
    const world = makeWorld(folder.path)
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
    await using folder = await temporaryFolder()
    const world = makeWorld(folder.path)
    {
      await using ledger = await open(world, 365)
      await issueDaily(ledger, world, 12)
    }
    const { firstIndex } = await headOf(world.file)
    await copyFile(world.file, join(folder.path, 'copy'))
    const forgeries: readonly [Partial<SegmentHead>, RegExp][] = [
      [{ removedBefore: firstIndex }, /hands on what is not so/],
      [{ heldUntil: null }, /hands on what is not so/],
      [{ time: iso(begin - 1000 * day) }, /before the records before it/],
    ]
    for (const [changes, message] of forgeries) {
      await forgeSeal(world, changes)
      await assert.rejects(open(world, 365), { code: 'ledger/corrupt', message })
      await rm(segmentFile(world.file, firstIndex))
      await copyFile(join(folder.path, 'copy'), world.file)
    }
    // The forger's own hand is not what is refused.
    await forgeSeal(world, {})
    await using _ = await open(world, 365)
  })
})

test('the record of this signer that a crash left unpublished is borne out, also where segments are gone already', async () => {
  requirement('ledger.retention-keeps-proofs')
  await using folder = await temporaryFolder()
  const world = makeWorld(folder.path)
  {
    await using ledger = await open(world, 30)
    await issueDaily(ledger, world, 60)
    await eventually(
      'some are removed',
      async () => !(await sealedIn(folder.path))[0]?.endsWith('0'),
    )
  }
  const sealed = await sealedIn(folder.path)
  const { firstIndex } = await headOf(join(folder.path, sealed[3] ?? ''))
  world.clock.time += 60 * day
  const olderThan = iso(world.clock.time - 31 * day)
  await forge(world, { time: iso(world.clock.time), removedBefore: firstIndex, olderThan })
  {
    await using ledger = await open(world, 30)
    await until()
    // Published by now, and nothing has vouched for the time yet.
    assert.deepEqual(await sealedIn(folder.path), sealed)
    await issueDaily(ledger, world, 2)
    await eventually('they go', async () => (await sealedIn(folder.path))[0] !== sealed[0])
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
  await using folder = await temporaryFolder()
  const world = makeWorld(folder.path)
  let removedBefore = 0
  {
    await using ledger = await open(world, undefined)
    await issueDaily(ledger, world, 12)
    removedBefore = (await headOf(world.file)).firstIndex
    const time = iso(world.clock.time)
    const forged = { kind: 'ledger-retention', time, removedBefore } as const
    await ledger.append({ ...forged, olderThan: iso(begin - 400 * day) } as never)
  }
  for (const name of await sealedIn(folder.path)) {
    if (Number(name.slice(-15)) < removedBefore) await rm(join(folder.path, name))
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
