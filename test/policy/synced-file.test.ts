import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { writeSynced } from '../../src/policy/synced-file.ts'

const folder = await mkdtemp(join(tmpdir(), 'countersign-synced-'))
after(() => rm(folder, { recursive: true, force: true }))

test('a file is new, whole, and its owner’s alone', async () => {
  const file = join(folder, 'new')
  await writeSynced(file, 'all of it')
  assert.equal(await readFile(file, 'utf8'), 'all of it')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
})

test('nothing is written over, and no link is followed', async () => {
  const there = join(folder, 'there')
  await writeFile(there, 'mine')
  await symlink(join(folder, 'elsewhere'), join(folder, 'link'))
  for (const name of ['there', 'link']) {
    await assert.rejects(writeSynced(join(folder, name), 'other'), { code: 'EEXIST' })
  }
  assert.equal(await readFile(there, 'utf8'), 'mine')
})
