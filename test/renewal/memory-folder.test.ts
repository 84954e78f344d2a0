import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCredentialFolder } from '../../src/renewal/credential-folder.ts'
import { checkInMemory } from '../../src/renewal/memory-folder.ts'
import { requirement } from '../requirements.ts'

const types = { tmpfs: 0x01021994, ramfs: 0x858458f6, ext4: 0xef53, overlay: 0x794c7630 }

for (const [name, type] of Object.entries(types)) {
  const isMemory = name === 'tmpfs' || name === 'ramfs'
  test(`a folder on ${name} is ${isMemory ? '' : 'not '}in memory`, async () => {
    requirement('renewal.memory-only')
    const check = checkInMemory('/kept', () => Promise.resolve(type), 'linux')
    if (isMemory) return check
    await assert.rejects(check, {
      code: 'renewal/folder',
      message: `folder: "/kept" is not in memory, want=tmpfs or ramfs got=0x${type.toString(16)}`,
    })
  })
}

test('where nobody can tell it is not', async () => {
  requirement('renewal.memory-only')
  const check = checkInMemory('/kept', () => Promise.resolve(types.tmpfs), 'darwin')
  await assert.rejects(check, { message: /got=darwin$/ })
})

test('no key is written to a folder that has to be in memory and is on a disk', async () => {
  requirement('renewal.memory-only')
  const folder = await mkdtemp(join(tmpdir(), 'memory-folder-'))
  try {
    let type = types.tmpfs
    const fileSystemOf = (): Promise<number> => Promise.resolve(type)
    const options = { groupReadable: false, memory: true, fileSystemOf }
    const opened = await openCredentialFolder(folder, options)
    type = types.ext4
    const files = { credentialBundle: 'credential', trustBundle: 'anchors' }
    await assert.rejects(opened.write(files), { code: 'renewal/folder' })
    const pending = { name: 'n', privateKeyPem: 'key', asked: 'a' }
    await assert.rejects(opened.keepPending(pending), { code: 'renewal/folder' })
    assert.deepEqual(await readdir(folder), [])
    await assert.rejects(openCredentialFolder(folder, options), { code: 'renewal/folder' })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('what the system has in memory is taken', { skip: !existsSync('/dev/shm') }, async () => {
  const folder = await mkdtemp('/dev/shm/countersign-memory-')
  try {
    const opened = await openCredentialFolder(folder, { groupReadable: false, memory: true })
    await opened.write({ credentialBundle: 'credential', trustBundle: 'anchors' })
    assert.equal((await opened.read())?.credentialBundle, 'credential')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
