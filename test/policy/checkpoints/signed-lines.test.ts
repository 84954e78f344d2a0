import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  appendFile,
  cp,
  open,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { test } from 'node:test'
import { parseHead } from '../../../src/policy/checkpoints/segment-head.ts'
import { verifyLog, type LogFindings } from '../../../src/policy/checkpoints/verify-log.ts'
import { parseCheckpoint } from '../../../src/tlog/checkpoint.ts'
import { isSignedBy, parseNote } from '../../../src/tlog/note.ts'
import { requirement } from '../../requirements.ts'
import { goLog } from '../../tlog/go-log.ts'
import { rootOf } from '../../tlog/root-of.ts'
import { openFolder, openSignedLog, signer, verifierKey } from './signed-log.ts'

function verify(file: string): Promise<LogFindings> {
  return verifyLog(file, { log: signer, witnesses: [], kept: [] })
}

async function linesOf(...paths: string[]): Promise<readonly Buffer[]> {
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  return texts.flatMap((text) => text.split('\n').slice(0, -1)).map((line) => Buffer.from(line))
}

/** RFC 6962 §2.1, by another way than the log’s own. */
function rootOfLines(lines: readonly Buffer[]): string {
  return rootOf(lines.map((line) => createHash('sha256').update('\0').update(line).digest()))
}

/** What is signed, looked at without what signed it. */
async function signedIn(file: string): Promise<{ size: number; rootHash: string }> {
  const note = parseNote(await readFile(`${file}.log/checkpoint`, 'utf8'))
  assert.ok(isSignedBy(note, signer))
  return parseCheckpoint(note.text)
}

test('what was written is signed after a time, and whoever has Go reads the same of it', async () => {
  requirement('policy.log-signs-what-is-there')
  await using place = await openFolder()
  await using log = await openSignedLog(place.file)
  await log.write(3)
  await assert.rejects(stat(`${place.file}.log/checkpoint`))
  await log.pass()
  const leaves = await linesOf(place.file)
  assert.deepEqual(await signedIn(place.file), {
    origin: signer.name,
    size: 4,
    rootHash: rootOfLines(leaves),
  })
  await log.write(100)
  await log.pass()
  const all = await linesOf(`${place.file}.2`, `${place.file}.1`, place.file)
  const { size, rootHash } = await signedIn(place.file)
  assert.deepEqual([size, rootHash], [all.length, rootOfLines(all)])
  const go = await goLog()
  if (go === undefined) return
  const read = await go.folder(verifierKey, `${place.file}.log`)
  assert.equal(read, `size=${size} root=${rootHash} entries=0`)
})

test('after a crash at any moment what is there is read again, and signed from then on', async () => {
  requirement('policy.log-signs-what-is-there')
  await using place = await openFolder()
  await using source = await openFolder()
  await using log = await openSignedLog(source.file)
  await log.write(50)
  await log.pass()
  await log.write(5)
  await cp(source.folder, place.folder, { recursive: true })
  await appendFile(place.file, '{"path":"te')
  {
    await using again = await openSignedLog(place.file)
    await again.write(60)
    assert.deepEqual(again.told, [])
  }
  const { problems, size, unsignedLines } = await verify(place.file)
  // A file is begun for every forty lines, and a line that was cut is one.
  assert.deepEqual([problems, unsignedLines], [[], 0])
  assert.equal(size, 50 + 5 + 60 + 1 + 3)
})

test('a crash between one file and the next, or within its head, leaves a log that goes on', async () => {
  requirement('policy.log-signs-what-is-there')
  for (const head of [undefined, '', '{"path":"countersign/log/seg']) {
    await using place = await openFolder()
    {
      await using log = await openSignedLog(place.file)
      await log.write(20)
    }
    await rename(place.file, `${place.file}.1`)
    if (head !== undefined) await writeFile(place.file, head)
    {
      await using log = await openSignedLog(place.file)
      await log.write(5)
    }
    const { problems, size } = await verify(place.file)
    assert.deepEqual([problems, size], [[], 20 + 5 + 2], head ?? 'none')
  }
})

test('lines from before there were checkpoints are put aside, and said to be covered by none', async () => {
  await using place = await openFolder()
  await writeFile(place.file, '{"path":"old"}\n')
  {
    await using log = await openSignedLog(place.file)
    await log.write(2)
  }
  const { problems, notCovered, size } = await verify(place.file)
  assert.deepEqual([problems, notCovered, size], [[], [`${place.file}.1`], 3])
})

const faults: Readonly<
  Record<string, readonly [how: (file: string) => Promise<void>, problem: RegExp]>
> = {
  removed: [(file) => rm(file), /^the file before it was found removed: 4 lines were not signed/],
  cut: [(file) => truncate(file, 300), /^the file before it was found cut: 4 lines/],
  emptied: [(file) => truncate(file, 0), /^the file before it was found cut: 4 lines/],
  'written to': [
    (file) => appendFile(file, '{"path":"forged"}\n'),
    /^the file before it was found written to by others: 4 lines/,
  ],
  replaced: [
    async (file) => {
      await rm(file)
      await writeFile(file, '{"path":"forged"}\n')
    },
    /^the file before it was found removed: 4 lines/,
  ],
}

for (const [what, [how, problem]] of Object.entries(faults)) {
  test(`a file that is ${what} under its writer is told, and nothing is signed that no file holds`, async () => {
    requirement('policy.log-signs-what-is-there')
    await using place = await openFolder()
    {
      await using log = await openSignedLog(place.file)
      await log.write(10)
      await log.pass()
      const before = await signedIn(place.file)
      await log.write(4)
      await how(place.file)
      await log.pass()
      assert.deepEqual(await signedIn(place.file), before)
      assert.ok(log.told.includes('decision log is not as it was written'))
      await log.write(3)
    }
    const [first] = await linesOf(place.file)
    const head = first && parseHead(first)
    assert.deepEqual([head?.firstIndex, head?.lost?.lines], [11, 4])
    const { problems, size } = await verify(place.file)
    assert.equal(size, 11 + 4)
    assert.ok(problems.some((each) => problem.test(each.problem)))
  })
}

test('a file that is renamed by others is signed to its end, and goes on under its own name', async () => {
  requirement('policy.log-signs-what-is-there')
  await using place = await openFolder()
  {
    await using log = await openSignedLog(place.file)
    await log.write(10)
    await rename(place.file, `${place.file}-20261201`)
    await log.pass()
    await log.write(10)
  }
  const { problems, segments } = await verify(place.file)
  assert.deepEqual([problems, segments.map(({ lines }) => lines)], [[], [11, 11]])
})

test('what was changed while nobody wrote is told at the next start, and not signed', async () => {
  requirement('policy.log-signs-what-is-there')
  const changes: readonly ((file: string) => Promise<void>)[] = [
    (file) => truncate(file, 400),
    async (file) => {
      await using handle = await open(file, 'r+')
      await handle.write('X', 300)
    },
    (file) => rm(file),
  ]
  for (const how of changes) {
    await using place = await openFolder()
    {
      await using log = await openSignedLog(place.file)
      await log.write(10)
    }
    await how(place.file)
    {
      await using log = await openSignedLog(place.file)
      await log.write(2)
      assert.ok(log.told.includes('decision log is not what its checkpoint says'))
    }
    const { problems, size } = await verify(place.file)
    assert.equal(size, 11 + 3)
    assert.ok(problems.length > 0)
  }
})

test('a log whose tiles are not those of its checkpoint, or whose checkpoint is another’s, is not opened', async () => {
  requirement('policy.log-signs-what-is-there')
  await using place = await openFolder()
  {
    await using log = await openSignedLog(place.file)
    await log.write(10)
  }
  const others = { code: 'policy/log', message: /has other tiles than it says/ }
  await writeFile(`${place.file}.log/tile/0/000.p/11`, Buffer.alloc(11 * 32))
  await assert.rejects(openSignedLog(place.file), others)
  await rm(`${place.file}.log/tile`, { recursive: true })
  await assert.rejects(openSignedLog(place.file), others)
  const checkpoint = `${place.file}.log/checkpoint`
  const text = await readFile(checkpoint, 'utf8')
  await writeFile(checkpoint, text.replaceAll('gateway-0', 'gateway-1'))
  await assert.rejects(openSignedLog(place.file), { code: 'ledger/corrupt' })
})

test('while no checkpoint can be written lines are, up to the file’s end, and all are signed in the end', async () => {
  requirement('policy.log-signs-what-is-there')
  await using place = await openFolder()
  await using log = await openSignedLog(place.file)
  await writeFile(`${place.file}.log`, 'in the way')
  await log.write(3)
  await log.pass()
  assert.deepEqual(log.told, ['checkpoint of the decision log is not written'])
  assert.equal(log.events.available, true)
  await assert.rejects(log.write(60), { code: 'policy/log' })
  await assert.rejects(stat(`${place.file}.1`))
  await rm(`${place.file}.log`)
  await log.pass()
  const { problems } = await verify(place.file)
  assert.deepEqual(problems, [])
})

test('tiles of files that rotation wrote over go, and those of the others stay', async () => {
  await using place = await openFolder()
  await using log = await openSignedLog(place.file, { fileBytesMax: 20_000, files: 2 })
  await log.write(1200)
  await log.pass()
  const { problems, removedBefore } = await verify(place.file)
  assert.deepEqual(problems, [])
  const tiles = await Promise.all(
    [0, 1, 2, 3].map((n) => stat(`${place.file}.log/tile/0/00${n}`).then(Boolean, () => false)),
  )
  assert.deepEqual(
    tiles,
    [0, 1, 2, 3].map((n) => n >= Math.floor(removedBefore / 256)),
  )
})
