import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { openCredentialFolder, readCredentialFiles } from '../../src/renewal/credential-folder.ts'
import { requirement } from '../requirements.ts'

let parent: string
let folder: string
let count = 0

before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'credential-folder-'))
})
beforeEach(() => {
  count += 1
  folder = join(parent, String(count))
})
after(() => rm(parent, { recursive: true, force: true }))

const files = (version: string): { credentialBundle: string; trustBundle: string } => ({
  credentialBundle: `credential ${version}`,
  trustBundle: `anchors ${version}`,
})

const modeOf = async (name: string): Promise<string> =>
  ((await stat(join(folder, name))).mode & 0o777).toString(8)

test('files change all at once, by one link, and those before are gone', async () => {
  const opened = await openCredentialFolder(folder, { groupReadable: false })
  assert.equal(await opened.read(), undefined)
  await opened.write(files('1'))
  const first = await readlink(join(folder, '..data'))
  assert.equal(await readFile(join(folder, 'credential-bundle.pem'), 'utf8'), 'credential 1')
  await new Promise((resolve) => setTimeout(resolve, 2))
  await opened.write(files('2'))
  assert.deepEqual(await opened.read(), files('2'))
  assert.equal(
    await readlink(join(folder, 'credential-bundle.pem')),
    '..data/credential-bundle.pem',
  )
  assert.notEqual(await readlink(join(folder, '..data')), first)
  assert.ok(!(await readdir(folder)).includes(first))
})

test('nobody else may read a key, the group where it is told to, and never that of a request', async () => {
  requirement('renewal.key-for-its-owner')
  for (const [groupReadable, fileMode, folderMode] of [
    [false, '600', '700'],
    [true, '640', '750'],
  ] as const) {
    await rm(folder, { recursive: true, force: true })
    const before = process.umask(0)
    try {
      const opened = await openCredentialFolder(folder, { groupReadable })
      await opened.write(files('1'))
      await opened.keepPending({ name: 'a', privateKeyPem: 'b', asked: 'c' })
    } finally {
      process.umask(before)
    }
    assert.equal(await modeOf('credential-bundle.pem'), fileMode)
    assert.equal(await modeOf('.'), folderMode)
    assert.equal(await modeOf('..data'), folderMode)
    assert.equal(await modeOf('..pending.json'), '600')
  }
})

test('what a link leads to is not written over', async () => {
  requirement('renewal.key-for-its-owner')
  const opened = await openCredentialFolder(folder, { groupReadable: false })
  const other = join(parent, 'other')
  await writeFile(other, 'of another')
  await symlink(other, join(folder, '..pending.json.new'))
  await symlink(other, join(folder, '..pending.json'))
  await opened.keepPending({ name: 'a', privateKeyPem: 'b', asked: 'c' })
  assert.equal(await readFile(other, 'utf8'), 'of another')
  assert.deepEqual(await opened.pending(), { name: 'a', privateKeyPem: 'b', asked: 'c' })
})

test('a request that cannot be read is none, and a folder that cannot be written says so', async () => {
  const opened = await openCredentialFolder(folder, { groupReadable: false })
  await writeFile(join(folder, '..pending.json'), '{"name":', { mode: 0o600 })
  assert.equal(await opened.pending(), undefined)
  await opened.keepPending(undefined)
  assert.deepEqual(await readdir(folder), [])
  await writeFile(join(parent, 'file'), '')
  const bad = openCredentialFolder(join(parent, 'file', 'x'), { groupReadable: false })
  await assert.rejects(bad, { code: 'renewal/folder', message: /cannot be used, got=ENOTDIR/ })
})

const pending = { name: 'a', privateKeyPem: 'b', asked: 'c' }
const privately = { groupReadable: false }

test('a folder that another owns or can write to is not taken, nor a link to one', async () => {
  requirement('renewal.key-for-its-owner')
  const taken = (options = {}): Promise<unknown> =>
    openCredentialFolder(folder, { ...privately, ...options })
  await mkdir(folder)
  for (const mode of [0o777, 0o770, 0o702, 0o1777]) {
    await chmod(folder, mode)
    await assert.rejects(taken(), { code: 'renewal/folder', message: /can be written by others/ })
    assert.equal(await modeOf('.'), (mode & 0o777).toString(8), 'it is left as it is')
  }
  await chmod(folder, 0o755)
  await taken()
  const own = process.getuid?.() ?? 0
  await assert.rejects(taken({ uid: () => own + 1 }), {
    code: 'renewal/folder',
    message: /is of another owner/,
  })
  const there = folder
  folder = join(parent, 'a-link')
  await symlink(there, folder)
  await assert.rejects(taken(), { code: 'renewal/folder' })
})

test('a folder that others can write to since it was opened is neither read nor written to', async () => {
  requirement('renewal.key-for-its-owner')
  const opened = await openCredentialFolder(folder, privately)
  await opened.write(files('1'))
  await opened.keepPending(pending)
  const version = await readlink(join(folder, '..data'))
  for (const name of ['.', version]) {
    await chmod(join(folder, name), 0o777)
    await assert.rejects(opened.read(), { message: /can be written by others/ })
    await chmod(join(folder, name), 0o700)
  }
  await chmod(folder, 0o777)
  for (const work of [
    () => opened.write(files('2')),
    () => opened.pending(),
    () => opened.keepPending(pending),
    () => readCredentialFiles(folder),
  ]) {
    await assert.rejects(work, { code: 'renewal/folder', message: /can be written by others/ })
  }
  await chmod(folder, 0o700)
  assert.deepEqual(await opened.read(), files('1'))
})

test('a request that another could have written or read is none', async () => {
  requirement('renewal.key-for-its-owner')
  const own = process.getuid?.() ?? 0
  let uid = own
  const opened = await openCredentialFolder(folder, { ...privately, uid: () => uid })
  await opened.keepPending(pending)
  const path = join(folder, '..pending.json')
  for (const mode of [0o644, 0o640, 0o620]) {
    await chmod(path, mode)
    assert.equal(await opened.pending(), undefined, mode.toString(8))
  }
  await chmod(path, 0o600)
  assert.deepEqual(await opened.pending(), pending)
  await rm(path)
  await writeFile(join(parent, 'elsewhere'), JSON.stringify(pending), { mode: 0o600 })
  await symlink(join(parent, 'elsewhere'), path)
  assert.equal(await opened.pending(), undefined, 'a link')
  await rm(path)
  execFileSync('mkfifo', ['-m', '600', path])
  assert.equal(await opened.pending(), undefined, 'a pipe')
  uid = own + 1
  await assert.rejects(opened.pending(), { message: /is of another owner/ })
})

test('files are read where they are files of ours, through our own link', async () => {
  requirement('renewal.key-for-its-owner')
  const opened = await openCredentialFolder(folder, privately)
  await opened.write(files('1'))
  const file = join(folder, await readlink(join(folder, '..data')), 'credential-bundle.pem')
  for (const [why, plant] of [
    ['not a regular file', () => execFileSync('mkfifo', [file])],
    ['cannot be read, got=ELOOP', () => symlink('/dev/zero', file)],
    ['can be written by others', () => writeFile(file, '').then(() => chmod(file, 0o666))],
    ['too large', () => writeFile(file, 'x'.repeat(2 * 1024 * 1024 + 1))],
  ] as const) {
    await rm(file)
    await plant()
    await assert.rejects(opened.read(), { code: 'renewal/folder', message: new RegExp(why) })
  }
  await mkdir(join(parent, 'planted'))
  await rm(join(folder, '..data'))
  await symlink('../planted', join(folder, '..data'))
  await assert.rejects(opened.read(), { code: 'renewal/folder', message: /leads elsewhere/ })
})

test('the group enters where it may read, whatever mask there is and whatever was there', async () => {
  const before = process.umask(0o077)
  try {
    await mkdir(folder)
    await chmod(folder, 0o2700)
    const opened = await openCredentialFolder(folder, { groupReadable: true })
    await opened.write(files('1'))
    assert.equal((await stat(folder)).mode & 0o7777, 0o2750, 'the group is inherited')
    assert.equal(await modeOf('..data'), '750')
    assert.equal(await modeOf('credential-bundle.pem'), '640')
    folder = join(folder, 'another')
    await openCredentialFolder(folder, { groupReadable: true })
    assert.equal(await modeOf('.'), '750')
  } finally {
    process.umask(before)
  }
})

test('whoever only looks makes no folder', async () => {
  assert.equal(await readCredentialFiles(folder), undefined)
  assert.ok(!(await readdir(parent)).includes(String(count)))
})

const versionsIn = async (): Promise<readonly string[]> =>
  (await readdir(folder)).filter((name) => /^\.\.\d/.test(name))

test('what cannot be written leaves no key behind, and what stood there', async () => {
  requirement('renewal.key-for-its-owner')
  const opened = await openCredentialFolder(folder, privately)
  for (const name of ['..data', 'trust-bundle.pem', 'credential-bundle.pem']) {
    await mkdir(join(folder, name))
    await assert.rejects(opened.write(files('1')), {
      code: 'renewal/folder',
      message: /neither a file nor a link/,
    })
    assert.deepEqual(await readdir(folder), [name])
    await rm(join(folder, name), { recursive: true })
  }
  await opened.write(files('1'))
  const current = await versionsIn()
  // Nothing can be renamed over it, and it is not looked at before.
  await mkdir(join(folder, '..data_tmp'))
  await assert.rejects(opened.write(files('2')), { code: 'renewal/folder' })
  assert.deepEqual(await versionsIn(), current)
  assert.deepEqual(await opened.read(), files('1'))
  await rm(join(folder, '..data_tmp'), { recursive: true })
  // Files of ours stand, and one of the two links is in the way of nothing.
  await rm(join(folder, 'trust-bundle.pem'))
  await mkdir(join(folder, 'trust-bundle.pem_tmp'))
  await assert.rejects(opened.write(files('2')), { code: 'renewal/folder' })
  assert.deepEqual(await opened.read(), files('2'), 'what is in force stays whole')
})

test('what a process that was ended has left behind is gone before more is written', async () => {
  const opened = await openCredentialFolder(folder, privately)
  await opened.write(files('1'))
  const [current] = await versionsIn()
  await mkdir(join(folder, '..2026-01-01T00_00_00_000Z'))
  await mkdir(join(folder, '..data_tmp'))
  await assert.rejects(opened.write(files('2')))
  assert.deepEqual(await versionsIn(), [current])
})

test('two writes at the same moment stand beside each other', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 })
  const opened = await openCredentialFolder(folder, privately)
  await opened.write(files('1'))
  await opened.write(files('2'))
  assert.deepEqual(await opened.read(), files('2'))
  assert.equal((await versionsIn()).length, 1)
})

test('who reads while the next is written and this one taken away sees the next', async () => {
  const folder = join(parent, 'read-beside')
  const opened = await openCredentialFolder(folder, privately)
  await opened.write({ credentialBundle: 'credential 0', trustBundle: 'anchors 0' })
  const before = readlinkSync(join(folder, '..data'))
  const next = '..2099-01-01T00_00_00_000Z-abcdef'
  let isSwapped = false
  // Asked for between the link and the files.
  const uid = (): number | undefined => {
    if (!isSwapped) {
      isSwapped = true
      mkdirSync(join(folder, next), { mode: 0o700 })
      writeFileSync(join(folder, next, 'credential-bundle.pem'), 'credential 1', { mode: 0o600 })
      writeFileSync(join(folder, next, 'trust-bundle.pem'), 'anchors 1', { mode: 0o600 })
      symlinkSync(next, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
      rmSync(join(folder, before), { recursive: true })
    }
    return process.getuid?.()
  }
  assert.deepEqual(await readCredentialFiles(folder, uid), {
    credentialBundle: 'credential 1',
    trustBundle: 'anchors 1',
  })
})
