import assert from 'node:assert/strict'
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openEventFile } from '../../src/policy/event-file.ts'
import type { EventFile, EventFileHandle } from '../../src/policy/event-file.ts'
import { moveAside } from '../../src/policy/rotate.ts'
import { CountersignError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'

async function emptyFolder(): Promise<AsyncDisposable & { readonly file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-events-'))
  const file = join(folder, 'decisions.jsonl')
  return { file, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

function openFile(file: string): Promise<EventFile> {
  return openEventFile({ file, bufferOctetsMax: 1000, log: silentLog })
}

/** A file in memory whose writes fail, or end early, when they are told to. */
class FaultyHandle {
  written = ''
  synced = 0
  closed = false
  failWrites = 0
  failSyncs = 0
  octetsPerWrite = Number.POSITIVE_INFINITY

  async write(octets: Buffer): Promise<{ bytesWritten: number; buffer: Buffer }> {
    if (this.failWrites > 0) {
      this.failWrites -= 1
      throw new Error('ENOSPC: no space left on device')
    }
    const bytesWritten = Math.min(octets.length, this.octetsPerWrite)
    this.written += octets.subarray(0, bytesWritten).toString('latin1')
    return { bytesWritten, buffer: octets }
  }

  async stat(): Promise<{ size: number }> {
    return { size: this.written.length }
  }

  async datasync(): Promise<void> {
    if (this.failSyncs > 0) {
      this.failSyncs -= 1
      throw new Error('EIO: i/o error')
    }
    this.synced += 1
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

interface Faulty {
  readonly handle: FaultyHandle
  readonly file: EventFile
  readonly retries: (() => void)[]
}

async function openFaulty(bufferOctetsMax = 1000): Promise<Faulty> {
  const handle = new FaultyHandle()
  const retries: (() => void)[] = []
  const file = await openEventFile({
    file: 'unused',
    bufferOctetsMax,
    log: silentLog,
    openHandle: async () => handle as unknown as EventFileHandle,
    isMoved: async () => false,
    // Lines are gathered for a moment; only retries wait for us.
    delay: (milliseconds) =>
      milliseconds < 1000
        ? new Promise(setImmediate)
        : new Promise<void>((resolve) => retries.push(resolve)),
  })
  return { handle, file, retries }
}

test('lines are on disk, in order, once they are flushed, and only we can read them', async () => {
  await using folder = await emptyFolder()
  await using file = await openFile(folder.file)
  for (const line of ['one', 'two', 'é']) assert.equal(file.append(line), true)
  await file.flush()
  assert.equal(await readFile(folder.file, 'utf8'), 'one\ntwo\né\n')
  assert.equal((await stat(folder.file)).mode & 0o777, 0o600)
})

test('a file that is there is continued, its mode narrowed, and a cut line ended', async () => {
  await using folder = await emptyFolder()
  await writeFile(folder.file, 'old\ncut li')
  await chmod(folder.file, 0o644)
  {
    await using file = await openFile(folder.file)
    file.append('new')
  }
  assert.equal(await readFile(folder.file, 'utf8'), 'old\ncut li\nnew\n')
  assert.equal((await stat(folder.file)).mode & 0o777, 0o600)
})

test('a symbolic link, a folder and a missing folder are refused', async () => {
  await using folder = await emptyFolder()
  const link = `${folder.file}.link`
  await symlink(folder.file, link)
  for (const file of [link, join(folder.file, '..'), join(folder.file, 'missing', 'x')]) {
    await assert.rejects(openFile(file), {
      code: 'policy/log',
      message: `decision log cannot be opened, got=${JSON.stringify(file)}`,
    })
  }
})

test('lines of one turn go out in one write', async () => {
  const { handle, file } = await openFaulty()
  handle.octetsPerWrite = 4
  for (const line of ['abc', 'def']) file.append(line)
  await file.flush()
  assert.equal(handle.written, 'abc\ndef\n')
})

test('writes that end in the middle of a line are continued there, across a failure too', async () => {
  const { handle, file, retries } = await openFaulty()
  handle.octetsPerWrite = 3
  file.append('a long line')
  await new Promise(setImmediate)
  handle.failWrites = 1
  file.append('another')
  await assert.rejects(file.flush(), {
    code: 'policy/log',
    message: 'decision log cannot be written',
  })
  retries.shift()?.()
  await file.flush()
  assert.equal(handle.written, 'a long line\nanother\n')
})

test('a failed write makes the file unavailable until a retry goes well, and loses nothing', async () => {
  const { handle, file, retries } = await openFaulty()
  handle.failWrites = 2
  file.append('one')
  await assert.rejects(file.flush(), { code: 'policy/log' })
  assert.equal(file.available, false)
  assert.equal(file.append('two'), true)
  assert.equal(retries.length, 1)
  retries.shift()?.()
  await new Promise(setImmediate)
  assert.equal(file.available, false, 'the second attempt failed too')
  assert.equal(retries.length, 1)
  retries.shift()?.()
  await new Promise(setImmediate)
  assert.equal(file.available, true)
  assert.equal(handle.written, 'one\ntwo\n')
})

test('failures one after the other wait for one retry, not for one each', async () => {
  const { handle, file, retries } = await openFaulty()
  handle.failWrites = 5
  file.append('one')
  for (let times = 0; times < 4; times += 1) await assert.rejects(file.flush())
  assert.equal(retries.length, 1)
})

test('at half of its room it is unavailable, and past it nothing is taken', async () => {
  const { handle, file } = await openFaulty(20)
  assert.equal(file.append('123456789'), true)
  assert.equal(file.available, true)
  assert.equal(file.append('1'), true)
  assert.equal(file.available, false)
  assert.equal(file.append('12345678'), false)
  assert.equal(file.append('1234567'), true)
  await file.flush()
  assert.equal(file.available, true)
  assert.equal(handle.written, '123456789\n1\n1234567\n')
})

test('what cannot be made durable is an error of the flush', async () => {
  const { handle, file } = await openFaulty()
  handle.failSyncs = 1
  file.append('one')
  await assert.rejects(file.flush(), {
    code: 'policy/log',
    message: 'decision log cannot be made durable',
  })
  await file.flush()
  assert.equal(handle.synced, 1)
})

test('closing flushes, closes once, and takes nothing after', async () => {
  const { handle, file } = await openFaulty()
  file.append('last')
  await file[Symbol.asyncDispose]()
  await file[Symbol.asyncDispose]()
  assert.equal(handle.written, 'last\n')
  assert.equal(handle.synced, 1)
  assert.equal(handle.closed, true)
  assert.equal(file.available, false)
  assert.equal(file.append('late'), false)
})

test('a file that cannot be written is closed all the same', async () => {
  const { handle, file } = await openFaulty()
  handle.failWrites = Number.POSITIVE_INFINITY
  file.append('lost')
  await assert.rejects(async () => file[Symbol.asyncDispose](), { code: 'policy/log' })
  assert.equal(handle.closed, true)
})

test('lines that come at any moment are all written, in order', async () => {
  const { handle, file } = await openFaulty(100_000)
  handle.octetsPerWrite = 7
  const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`)
  for (const [index, line] of lines.entries()) {
    file.append(line)
    if (index % 3 === 0) await Promise.resolve()
    if (index % 50 === 0) await new Promise(setImmediate)
  }
  // No flush: the writer has to notice by itself.
  for (let turns = 0; turns < 2000 && !handle.written.endsWith('299\n'); turns += 1) {
    await new Promise(setImmediate)
  }
  assert.equal(handle.written, `${lines.join('\n')}\n`)
})

test('a file that would become too large is put aside, and the oldest goes', async () => {
  await using folder = await emptyFolder()
  await using file = await openEventFile({
    file: folder.file,
    bufferOctetsMax: 1000,
    rotation: { fileBytesMax: 10, files: 3 },
    log: silentLog,
  })
  for (const line of ['one', 'two', 'three', 'four', 'five five five', 'six']) {
    assert.equal(file.append(line), true)
    await file.flush()
  }
  const kept = ['', '.1', '.2', '.3'].map((suffix) => readFile(folder.file + suffix, 'utf8'))
  const found = await Promise.allSettled(kept)
  assert.deepEqual(
    found.map((each) => (each.status === 'fulfilled' ? each.value : 'none')),
    ['six\n', 'five five five\n', 'four\n', 'none'],
  )
  assert.equal((await stat(folder.file)).mode & 0o777, 0o600)
})

test('a file that lines have gone to for long enough is put aside, also while none come', async () => {
  requirement('policy.log-files-end')
  await using folder = await emptyFolder()
  await writeFile(folder.file, 'of yesterday\n')
  let clock = 0
  let look = (): void => {}
  let full = true
  await using file = await openEventFile({
    file: folder.file,
    bufferOctetsMax: 1000,
    rotation: { fileBytesMax: 1000, fileSecondsMax: 60, files: 3 },
    moveAside: async (path, files) => {
      if (full) throw new CountersignError('policy/upload', 'decision log is full')
      await moveAside(path, files)
    },
    log: silentLog,
    // The file was made now: it was begun fifty seconds ago by this clock.
    now: () => Date.now() + 50_000,
    elapsed: () => clock,
    looking: () => new Promise<void>((resolve) => (look = resolve)),
  })
  async function pass(seconds: number): Promise<void> {
    clock += seconds * 1000
    look()
    await new Promise(setImmediate)
    await file.flush()
  }
  file.append('one')
  await pass(8)
  await assert.rejects(stat(`${folder.file}.1`))
  // What cannot go because it is not sent takes more.
  await pass(8)
  file.append('two')
  await pass(0)
  assert.equal(await readFile(folder.file, 'utf8'), 'of yesterday\none\ntwo\n')
  full = false
  await pass(2)
  assert.equal(await readFile(`${folder.file}.1`, 'utf8'), 'of yesterday\none\ntwo\n')
  await pass(59)
  await pass(59)
  file.append('three')
  await pass(0)
  assert.equal(await readFile(folder.file, 'utf8'), 'three\n')
  await assert.rejects(stat(`${folder.file}.2`))
})

test('what a file holds at the start counts, and a line is never in two files', async () => {
  await using folder = await emptyFolder()
  await writeFile(folder.file, '12345678\n')
  const rotation = { fileBytesMax: 12, files: 2 }
  await using file = await openEventFile({
    file: folder.file,
    bufferOctetsMax: 1000,
    rotation,
    log: silentLog,
  })
  file.append('abcdef')
  await file.flush()
  assert.equal(await readFile(folder.file, 'utf8'), 'abcdef\n')
  assert.equal(await readFile(`${folder.file}.1`, 'utf8'), '12345678\n')
})

test('while a file cannot be put aside nothing is available, and no line is lost', async () => {
  await using folder = await emptyFolder()
  const retries: (() => void)[] = []
  // A folder in the way: rename refuses to put a file over it.
  await mkdir(join(`${folder.file}.1`, 'in', 'the'), { recursive: true })
  await using file = await openEventFile({
    file: folder.file,
    bufferOctetsMax: 1000,
    rotation: { fileBytesMax: 5, files: 2 },
    log: silentLog,
    delay: (milliseconds) =>
      milliseconds < 1000
        ? new Promise(setImmediate)
        : new Promise<void>((resolve) => retries.push(resolve)),
  })
  file.append('one')
  await file.flush()
  file.append('two')
  await assert.rejects(file.flush(), { code: 'policy/log' })
  assert.equal(file.available, false)
  await rm(`${folder.file}.1`, { recursive: true })
  retries.shift()?.()
  await file.flush()
  assert.equal(file.available, true)
  assert.equal(await readFile(`${folder.file}.1`, 'utf8'), 'one\n')
  assert.equal(await readFile(folder.file, 'utf8'), 'two\n')
})

test('a new file that cannot be opened costs none of those that were put aside', async () => {
  await using folder = await emptyFolder()
  const retries: (() => void)[] = []
  let failing = 0
  await using file = await openEventFile({
    file: folder.file,
    bufferOctetsMax: 1000,
    rotation: { fileBytesMax: 5, files: 3 },
    log: silentLog,
    openHandle: async (path) => {
      if (failing > 0) {
        failing -= 1
        throw new Error('EMFILE: too many open files')
      }
      return open(path, 'a', 0o600)
    },
    delay: (milliseconds) =>
      milliseconds < 1000
        ? new Promise(setImmediate)
        : new Promise<void>((resolve) => retries.push(resolve)),
  })
  for (const line of ['one', 'two']) {
    file.append(line)
    await file.flush()
  }
  failing = 4
  file.append('three')
  for (let left = failing; left > 0; left -= 1) {
    await assert.rejects(file.flush(), { code: 'policy/log' })
  }
  await file.flush()
  assert.equal(await readFile(folder.file, 'utf8'), 'three\n')
  assert.equal(await readFile(`${folder.file}.1`, 'utf8'), 'two\n')
  assert.equal(await readFile(`${folder.file}.2`, 'utf8'), 'one\n')
})
