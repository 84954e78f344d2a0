import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import { writeImageArchive } from '../../image/archive.ts'
import { file, type LayerEntry } from '../../image/layer.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-archive-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const program: readonly LayerEntry[] = [
  file('usr/bin/pause', 'a program', 0o755),
  { type: 'link', path: 'bin', target: 'usr/bin' },
]
const settings: readonly LayerEntry[] = [
  file('etc/passwd', 'pause:x:65535:65535::/:/nonexistent\n'),
]

function write(
  name: string,
  layers: readonly (readonly LayerEntry[])[],
): ReturnType<typeof writeImageArchive> {
  return writeImageArchive({
    file: join(folder, name),
    reference: 'registry.example/tests/pause:1.0',
    config: { Entrypoint: ['/bin/pause'], User: '65535:65535' },
    layers,
  })
}

/** The files of an archive by name. */
async function readArchive(name: string): Promise<ReadonlyMap<string, Buffer>> {
  const entries = await unpackTar(await readFile(join(folder, name)), { strict: true })
  return new Map(entries.map(({ header, data }) => [header.name, Buffer.from(data ?? [])]))
}

/** The entries of an archive's only layer. */
async function readLayer(name: string): ReturnType<typeof unpackTar> {
  const blobs = [...(await readArchive(name)).values()]
  const [layer] = blobs.filter((data) => data.subarray(0, 2).toString('hex') === '1f8b')
  assert.ok(layer)
  return unpackTar(gunzipSync(layer), { strict: true })
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

test('an archive is an OCI layout whose digests are those of its blobs', async () => {
  const { digest, contentBytes } = await write('layout.tar', [program, settings])
  const files = await readArchive('layout.tar')
  const json = (name: string): unknown => JSON.parse(String(files.get(name)))
  assert.deepEqual(json('oci-layout'), { imageLayoutVersion: '1.0.0' })
  for (const [name, data] of files) {
    if (name.startsWith('blobs/sha256/') && !name.endsWith('/')) {
      assert.equal(name, `blobs/sha256/${sha256(data)}`)
    }
  }
  const index = json('index.json') as { manifests: { digest: string; annotations: object }[] }
  assert.deepEqual(
    index.manifests.map((each) => [each.digest, each.annotations]),
    [
      [
        digest,
        {
          'io.containerd.image.name': 'registry.example/tests/pause:1.0',
          'org.opencontainers.image.ref.name': '1.0',
        },
      ],
    ],
  )
  const blob = (of: string): string => `blobs/sha256/${of.replace('sha256:', '')}`
  const manifest = json(blob(digest)) as {
    config: { digest: string }
    layers: { digest: string; size: number }[]
  }
  const config = json(blob(manifest.config.digest)) as {
    config: object
    created: string
    rootfs: { diff_ids: string[] }
  }
  assert.deepEqual(config.config, { Entrypoint: ['/bin/pause'], User: '65535:65535' })
  assert.equal(config.created, '1970-01-01T00:00:00Z')
  const layers = manifest.layers.map((each) => files.get(blob(each.digest)) ?? Buffer.alloc(0))
  assert.deepEqual(
    manifest.layers.map(({ size }) => size),
    layers.map(({ length }) => length),
  )
  const unpacked = layers.map((layer) => gunzipSync(layer))
  assert.deepEqual(
    config.rootfs.diff_ids,
    unpacked.map((layer) => `sha256:${sha256(layer)}`),
  )
  assert.equal(
    contentBytes,
    unpacked.reduce((sum, { length }) => sum + length, 0),
  )
})

test('a layer holds its entries below their folders, in order, owned by root and without a time', async () => {
  await write('layer.tar', [program])
  const entries = await readLayer('layer.tar')
  assert.deepEqual(
    entries.map(({ header }) => [header.name, header.type, header.mode]),
    [
      ['bin', 'symlink', 0o777],
      ['usr/', 'directory', 0o755],
      ['usr/bin/', 'directory', 0o755],
      ['usr/bin/pause', 'file', 0o755],
    ],
  )
  for (const { header } of entries) {
    assert.deepEqual([header.uid, header.gid, header.mtime?.getTime()], [0, 0, 0], header.name)
  }
})

test('the same entries in another order give the same octets', async () => {
  const one = await write('one.tar', [program, settings])
  const other = await write('other.tar', [program.toReversed(), settings])
  assert.deepEqual(one, other)
  assert.deepEqual(
    await readFile(join(folder, 'one.tar')),
    await readFile(join(folder, 'other.tar')),
  )
})

test('a path longer than an old header can hold is kept whole', async () => {
  const path = `${'long/'.repeat(60)}name`
  await write('long.tar', [[file(path, 'x')]])
  const entries = await readLayer('long.tar')
  assert.equal(entries.at(-1)?.header.name, path)
})

const faults: readonly { title: string; layer: readonly LayerEntry[]; message: RegExp }[] = [
  {
    title: 'two entries of one path',
    layer: [file('a', '1'), file('a', '2')],
    message: /want=each path once got=a/,
  },
  {
    title: 'a file below a file',
    layer: [file('a', '1'), file('a/b', '2')],
    message: /want=a folder got=file a/,
  },
]

for (const { title, layer, message } of faults) {
  test(`a layer is refused, and nothing is written: ${title}`, async () => {
    await assert.rejects(write('refused.tar', [layer]), message)
    assert.equal((await readdir(folder)).includes('refused.tar'), false)
  })
}

test('a reference without registry or tag is refused', async () => {
  for (const reference of ['pause', 'tests/pause', 'registry.example/pause']) {
    const options = { file: join(folder, 'x.tar'), config: { Entrypoint: ['/x'] }, layers: [] }
    await assert.rejects(writeImageArchive({ ...options, reference }), /want=registry\/name:tag/)
  }
})
