import assert from 'node:assert/strict'
import { appendFileSync, existsSync, renameSync, writeFileSync } from 'node:fs'
import {
  appendFile,
  open as openFile,
  readFile,
  rename,
  rm,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { openSpool, type Spool } from '../../../src/policy/upload/spool.ts'
import { requirement } from '../../requirements.ts'
import { openFolder } from './folder.ts'

function open(file: string): Promise<Spool> {
  return openSpool({ file, log: silentLog })
}

async function read(spool: Spool, octetsMax = 1000): Promise<readonly string[] | undefined> {
  return (await spool.read(octetsMax))?.map(String)
}

/** Everything that is to be sent, a few octets at a time. */
async function readAll(spool: Spool, octetsMax = 8): Promise<readonly string[]> {
  const all: string[] = []
  for (;;) {
    const lines = await read(spool, octetsMax)
    if (lines === undefined) return all
    all.push(...lines)
    await spool.sent(lines.length)
  }
}

test('lines are read in their order, through the files that were put aside, to the last whole one', async () => {
  await using place = await openFolder()
  const { file } = place
  await writeFile(`${file}.3`, 'a\nb\n')
  await writeFile(`${file}.1`, 'c\nlong enough to be read in parts\n')
  await writeFile(file, 'd\ne\ncut')
  await using spool = await open(file)
  const all = ['a', 'b', 'c', 'long enough to be read in parts', 'd', 'e']
  assert.deepEqual(await readAll(spool), all)
  await appendFile(file, ' no more\n')
  assert.deepEqual(await readAll(spool), ['cut no more'])
})

test('what is not marked as sent is read again', async () => {
  await using place = await openFolder()
  await writeFile(place.file, 'a\nb\nc\n')
  await using spool = await open(place.file)
  assert.deepEqual(await read(spool), ['a', 'b', 'c'])
  await spool.sent(2)
  assert.deepEqual(await read(spool), ['c'])
  assert.deepEqual(await read(spool), ['c'])
  assert.equal(await spool.unsentOctets(), 2)
})

test('after a crash it goes on where it was, whatever the file is called by now', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  const { file } = place
  await writeFile(file, 'a\nb\nc\n')
  const spool = await open(file)
  await read(spool)
  await spool.sent(2)
  // No word of its end: what is on disk is all that the next one has.
  await rename(file, `${file}.1`)
  await writeFile(file, 'd\n')
  await using next = await open(file)
  assert.deepEqual(await readAll(next), ['c', 'd'])
  await spool[Symbol.asyncDispose]()
})

const broken: Readonly<Record<string, (file: string) => Promise<void>>> = {
  'is gone': (file) => rm(`${file}.sent`),
  'is empty': (file) => writeFile(`${file}.sent`, ''),
  'is cut': async (file) =>
    writeFile(`${file}.sent`, (await readFile(`${file}.sent`, 'utf8')).slice(0, -3)),
  'names another file': (file) =>
    writeFile(`${file}.sent`, `{"first":"${'0'.repeat(64)}","offset":2}\n`),
  'points into a line': async (file) =>
    writeFile(`${file}.sent`, (await readFile(`${file}.sent`, 'utf8')).replace(/:4\}/, ':3}')),
  'points behind the end': async (file) =>
    writeFile(`${file}.sent`, (await readFile(`${file}.sent`, 'utf8')).replace(/:4\}/, ':40}')),
}

for (const [how, breakIt] of Object.entries(broken)) {
  test(`what was sent is sent again where the record of that ${how}`, async () => {
    requirement('policy.upload-loses-nothing')
    await using place = await openFolder()
    const { file } = place
    await writeFile(file, 'a\nb\nc\n')
    {
      await using spool = await open(file)
      await read(spool)
      await spool.sent(2)
    }
    await breakIt(file)
    await using next = await open(file)
    assert.deepEqual(await readAll(next), ['a', 'b', 'c'])
  })
}

test('a file that is not sent is not written over', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  const { file } = place
  await using spool = await open(file)
  await writeFile(file, 'a\n')
  await spool.moveAside(file, 3)
  await writeFile(file, 'b\n')
  await spool.moveAside(file, 3)
  await writeFile(file, 'c\n')
  const full = { code: 'policy/upload', message: 'decision log is full of what is not sent' }
  await assert.rejects(spool.moveAside(file, 3), full)
  assert.deepEqual(await read(spool), ['a'])
  await assert.rejects(spool.moveAside(file, 3), full)
  await spool.sent(1)
  await spool.moveAside(file, 3)
  await writeFile(file, 'd\n')
  assert.equal(await readFile(`${file}.2`, 'utf8'), 'b\n')
  assert.deepEqual(await readAll(spool), ['b', 'c', 'd'])
  await spool.moveAside(file, 3)
  assert.equal(await readFile(`${file}.2`, 'utf8'), 'c\n')
})

test('a line that is written just before its file is put aside is sent', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  const { file } = place
  await writeFile(file, 'a\n')
  await using spool = await open(file)
  assert.deepEqual(await readAll(spool), ['a'])
  await rename(file, `${file}.elsewhere`)
  await appendFile(`${file}.elsewhere`, 'b\n')
  // The one that is there now has none yet, so the other may still be written to.
  await writeFile(file, '')
  assert.deepEqual(await readAll(spool), ['b'])
  await appendFile(`${file}.elsewhere`, 'c\n')
  await appendFile(file, 'd\n')
  assert.deepEqual(await readAll(spool), ['c', 'd'])
})

test('a line that is written between the look at its file and the one at the next is sent', async (t) => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  const { file } = place
  await writeFile(file, 'a\n')
  await using spool = await open(file)
  assert.deepEqual(await readAll(spool), ['a'])
  await using any = await openFile(file)
  const handles = Object.getPrototypeOf(any) as FileHandle
  // oxlint-disable-next-line typescript/unbound-method
  const whole = handles.read as (...given: unknown[]) => Promise<{ bytesRead: number }>
  t.mock.method(handles, 'read', async function (this: FileHandle, ...given: unknown[]) {
    const read = await whole.apply(this, given)
    if (read.bytesRead === 0 && !existsSync(`${file}.1`)) {
      appendFileSync(file, 'b\n')
      renameSync(file, `${file}.1`)
      writeFileSync(file, 'c\n')
    }
    return read
  })
  assert.deepEqual(await readAll(spool), ['b', 'c'])
})

test('a file that somebody has cut short in its place is read from its begin', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  const { file } = place
  await writeFile(file, 'a\nb\nc\n')
  await using spool = await open(file)
  assert.deepEqual(await readAll(spool), ['a', 'b', 'c'])
  await writeFile(file, 'd\n')
  // Not sent: it is not written over.
  await rename(file, `${file}.1`)
  await assert.rejects(spool.moveAside(file, 2), /full of what is not sent/)
  assert.equal(await spool.unsentOctets(), 2)
  assert.deepEqual(await readAll(spool), ['d'])
  await spool.moveAside(file, 2)
})
