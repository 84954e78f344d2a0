import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { writeVolume, type Payload } from '../../../dev/kubelet/volume-files.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-volume-'))
})
after(() => rm(folder, { recursive: true, force: true }))

function payload(files: Readonly<Record<string, string>>): Payload {
  return new Map(Object.entries(files).map(([path, text]) => [path, { text, mode: 0o600 }]))
}

test('files are for their owner alone and are reached through links', async () => {
  const volume = join(folder, 'links')
  assert.equal(await writeVolume(volume, payload({ 'a.pem': 'one', 'deep/b.pem': 'two' })), true)
  assert.equal(await readFile(join(volume, 'a.pem'), 'utf8'), 'one')
  assert.equal(await readFile(join(volume, 'deep/b.pem'), 'utf8'), 'two')
  assert.equal(await readlink(join(volume, 'a.pem')), '..data/a.pem')
  assert.match(await readlink(join(volume, '..data')), /^\.\.2/)
  assert.equal((await stat(join(volume, 'a.pem'))).mode & 0o777, 0o600)
  assert.equal((await stat(volume)).mode & 0o777, 0o700)
})

test('what is there already is not written again', async () => {
  const volume = join(folder, 'same')
  await writeVolume(volume, payload({ a: '1', b: '2' }))
  const link = await readlink(join(volume, '..data'))
  assert.equal(await writeVolume(volume, payload({ b: '2', a: '1' })), false)
  assert.equal(await readlink(join(volume, '..data')), link)
})

test('files that are no longer wanted go, and nothing old stays behind', async () => {
  const volume = join(folder, 'less')
  await writeVolume(volume, payload({ a: '1', b: '2', 'c/d': '3' }))
  assert.equal(await writeVolume(volume, payload({ a: '1' })), true)
  const names = (await readdir(volume)).toSorted()
  assert.equal(names.length, 3)
  assert.deepEqual([names[1], names[2]], ['..data', 'a'])
})

test('a reader never sees files of two writes in one folder, nor half of one', async () => {
  const volume = join(folder, 'atomic')
  const write = (round: number) =>
    writeVolume(volume, payload({ a: `${round} `.repeat(2000), b: `${round} `.repeat(2000) }))
  await write(0)
  const writing = new AbortController()
  const seen = new Set<string>()
  const read = async (): Promise<void> => {
    while (!writing.signal.aborted) {
      // As a careful reader does: the folder first, then the files in it.
      const target = await readlink(join(volume, '..data'))
      const files = await Promise.all(
        ['a', 'b'].map((name) =>
          readFile(join(volume, target, name), 'utf8').catch(() => undefined),
        ),
      )
      // Replaced while it was read: the folder has gone as a whole.
      if (files.includes(undefined)) continue
      const rounds = new Set(files.join('').trim().split(' '))
      assert.equal(rounds.size, 1)
      assert.equal(files[0], files[1])
      seen.add([...rounds].join())
    }
  }
  const readers = [read(), read()]
  for (let round = 1; round <= 40; round += 1) await write(round)
  writing.abort()
  await Promise.all(readers)
  assert.ok(seen.size > 1)
})
