import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openFirstUseFolder } from '../../../src/cli/gateway/first-use-folder.ts'
import { silentLog, type Log } from '../../../src/log.ts'
import { requirement } from '../../requirements.ts'

let folder: string
const digests = ['a', 'b'].map((each) => each.repeat(64)) as [string, string]
const [one, other] = digests

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-first-use-'))
})

after(() => rm(folder, { recursive: true, force: true }))

test('what was seen first is remembered, in another process and after a start', () => {
  requirement('gateway.first-use-remembered')
  const at = join(folder, 'shared')
  const [first, beside] = [openFirstUseFolder(at, silentLog), openFirstUseFolder(at, silentLog)]
  assert.equal(beside.recall('files', 'echo'), undefined)
  assert.equal(first.remember('files', 'echo', one), one)
  assert.equal(beside.remember('files', 'echo', other), one)
  assert.equal(first.remember('files', 'echo', other), one)
  const later = openFirstUseFolder(at, silentLog)
  assert.equal(later.recall('files', 'echo'), one)
  assert.equal(later.remember('files', 'echo', other), one)
  assert.equal(later.remember('web', 'echo', other), other)
})

test('the name of a tool leads to no other place', async () => {
  requirement('gateway.first-use-remembered')
  const at = join(folder, 'names')
  const firstUse = openFirstUseFolder(at, silentLog)
  for (const name of ['../../outside', '/etc/passwd', '..', 'a\u0000b', 'x'.repeat(128)]) {
    assert.equal(firstUse.remember('files', name, one), one)
  }
  assert.deepEqual(await readdir(at), ['files'])
  for (const name of await readdir(join(at, 'files'))) assert.match(name, /^[0-9a-f]{64}$/)
})

test('one tool server fills no disk: of a thousand tools no more are trusted', () => {
  requirement('gateway.first-use-remembered')
  const firstUse = openFirstUseFolder(join(folder, 'many'), silentLog)
  for (let each = 0; each < 1000; each += 1) firstUse.remember('files', `tool-${each}`, one)
  assert.equal(firstUse.remember('files', 'one more', one), undefined)
  assert.equal(firstUse.remember('web', 'echo', one), one)
})

test('what cannot be written or read is not trusted, and that is said', async () => {
  requirement('gateway.first-use-remembered')
  const at = join(folder, 'broken')
  const lines: string[] = []
  const log: Log = { ...silentLog, error: (_fields, message) => void lines.push(message) }
  openFirstUseFolder(at, log).remember('files', 'echo', one)
  const [name = ''] = await readdir(join(at, 'files'))
  await writeFile(join(at, 'files', name), '{"tool":"ec')
  assert.equal(openFirstUseFolder(at, log).remember('files', 'echo', one), undefined)
  await writeFile(join(at, 'web'), 'a file in the place of a folder')
  const firstUse = openFirstUseFolder(at, log)
  for (const tool of ['echo', 'big']) assert.equal(firstUse.remember('web', tool, one), undefined)
  assert.deepEqual(lines, ['first use cannot be remembered, so nothing new is trusted'])
  await chmod(at, 0o700)
})

test('a folder that cannot be made is an error that names the field', async () => {
  await writeFile(join(folder, 'file'), '')
  assert.throws(() => openFirstUseFolder(join(folder, 'file', 'in'), silentLog), /firstUseFolder: /)
})
