import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { archiveOctetsMax } from '../../src/policy/bundle-exchange.ts'
import { createBundleStore } from '../../src/policy/bundle-store.ts'
import { requirement } from '../requirements.ts'

const archive = Buffer.from('some archive')

async function createFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bundle-store-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('what is kept is read again, and nothing is there before', async (t) => {
  const store = createBundleStore(join(await createFolder(t), 'policy', 'kept'))
  assert.equal(await store.read(), undefined)
  await store.write(archive)
  assert.deepEqual(await store.read(), archive)
})

test('a pipe, a device or a link in the place of the bundle is none, and holds nobody', async (t) => {
  requirement('policy.bundle-followed')
  const folder = await createFolder(t)
  const file = join(folder, 'bundle.tar.gz')
  const other = join(folder, 'other')
  await writeFile(other, archive)
  const places: Readonly<Record<string, () => Promise<unknown>>> = {
    pipe: () => promisify(execFile)('mkfifo', [file]),
    device: () => symlink('/dev/zero', file),
    link: () => symlink(other, file),
  }
  for (const [what, make] of Object.entries(places)) {
    await make()
    const store = createBundleStore(folder)
    await assert.rejects(
      store.read(),
      { code: 'policy/bundle', message: /^bundle on disk cannot be read, got=/ },
      what,
    )
    // It gives way to a good one, and what a link leads to stays as it is.
    await store.write(Buffer.from(what))
    assert.deepEqual(await store.read(), Buffer.from(what))
    await rm(file)
  }
  assert.deepEqual(await readFile(other), archive)
})

test('no more is read of the disk than a bundle may have', async (t) => {
  const folder = await createFolder(t)
  const file = join(folder, 'bundle.tar.gz')
  await writeFile(file, '')
  await truncate(file, archiveOctetsMax + 1)
  await assert.rejects(createBundleStore(folder).read(), { message: /is too large/ })
  await truncate(file, archiveOctetsMax)
  assert.equal((await createBundleStore(folder).read())?.length, archiveOctetsMax)
})

test('what is written goes through no link, and what others left goes when it is old', async (t) => {
  requirement('policy.bundle-followed')
  const folder = await createFolder(t)
  const other = join(folder, 'other')
  await writeFile(other, 'other')
  const left = join(folder, 'bundle.tar.gz.0123456789abcdef.part')
  const writing = join(folder, 'bundle.tar.gz.fedcba9876543210.part')
  await writeFile(left, 'left')
  await utimes(left, 1, 1)
  await writeFile(writing, 'of another worker')
  await symlink(other, join(folder, `bundle.tar.gz.${process.pid}.part`))
  await createBundleStore(folder).write(archive)
  assert.equal(await readFile(other, 'utf8'), 'other')
  const names = await readdir(folder)
  assert.ok(names.includes('bundle.tar.gz.fedcba9876543210.part'))
  assert.ok(!names.includes('bundle.tar.gz.0123456789abcdef.part'))
})
