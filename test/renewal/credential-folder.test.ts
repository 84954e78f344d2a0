import assert from 'node:assert/strict'
import {
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
import { openCredentialFolder } from '../../src/renewal/credential-folder.ts'
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
      await opened.keepPending({ name: 'a', privateKeyPem: 'b' })
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
  await opened.keepPending({ name: 'a', privateKeyPem: 'b' })
  assert.equal(await readFile(other, 'utf8'), 'of another')
  assert.deepEqual(await opened.pending(), { name: 'a', privateKeyPem: 'b' })
})

test('a request that cannot be read is none, and a folder that cannot be written says so', async () => {
  const opened = await openCredentialFolder(folder, { groupReadable: false })
  await writeFile(join(folder, '..pending.json'), '{"name":')
  assert.equal(await opened.pending(), undefined)
  await opened.keepPending(undefined)
  assert.deepEqual(await readdir(folder), [])
  await writeFile(join(parent, 'file'), '')
  const bad = openCredentialFolder(join(parent, 'file', 'x'), { groupReadable: false })
  await assert.rejects(bad, { code: 'renewal/folder', message: /cannot be written, got=ENOTDIR/ })
})
