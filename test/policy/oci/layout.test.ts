import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readBundle } from '../../../src/policy/bundle-place.ts'
import { requirement } from '../../requirements.ts'
import { archiveOf } from '../archive.ts'
import { blobOf, imageOf, indexOf, writeLayout, type Image } from './image.ts'

let root: string
let first: Image
let second: Image

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-layout-'))
  first = imageOf(await archiveOf({ text: 'first' }))
  second = imageOf(await archiveOf({ text: 'second' }))
})

after(() => rm(root, { recursive: true }))

async function layoutOf(images: Readonly<Record<string, Image>>): Promise<string> {
  const folder = await mkdtemp(join(root, 'layout-'))
  await writeLayout(folder, images)
  return folder
}

async function textOf(place: string): Promise<string | undefined> {
  const { files } = await readBundle(place)
  return files.get('text')?.toString()
}

test('a bundle is read of a layout by its tag, by its digest, or as the only one', async () => {
  const both = await layoutOf({ v1: first, v2: second })
  assert.equal(await textOf(`${both}:v1`), 'first')
  assert.equal(await textOf(`${both}:v2`), 'second')
  assert.equal(await textOf(`${both}@${second.digest}`), 'second')
  assert.equal(await textOf(await layoutOf({ v1: first, stable: first })), 'first')
})

test('what is not meant, or could mean two, is refused', async () => {
  requirement('policy.bundle-by-digest')
  const both = await layoutOf({ v1: first, v2: second })
  const code = 'policy/bundle'
  const cases: readonly (readonly [string, RegExp])[] = [
    [both, /^layout has 2 manifests, want=one, or <folder>:<tag>$/],
    [`${both}:v3`, /^layout has 0 manifests of "v3", want=one$/],
    [`${both}@sha256:${'0'.repeat(64)}`, /^layout has 0 manifests of "sha256:0/],
    [`${both}:v1:v2`, /^bundle cannot be read/],
    [`${await mkdtemp(join(root, 'none-'))}:v1`, /^bundle cannot be read/],
  ]
  for (const [place, message] of cases) await assert.rejects(readBundle(place), { code, message })
})

test('nothing is parsed but what its digest names', async () => {
  requirement('policy.bundle-by-digest')
  for (const digest of [first.digest, first.layer]) {
    const folder = await layoutOf({ v1: first, v2: second })
    const blob = blobOf(folder, digest)
    const octets = await readFile(blob)
    const other =
      digest === first.digest ? second.manifest : await readFile(blobOf(folder, second.layer))
    const bad = [octets.subarray(0, -1), Buffer.concat([octets, octets]), other, Buffer.alloc(0)]
    for (const content of bad) {
      await writeFile(blob, content)
      await assert.rejects(readBundle(`${folder}:v1`), {
        code: 'policy/bundle',
        message:
          /^file (?:is not what it is named for, got=|of the layout is too large.*got=)blobs/,
      })
    }
    await rm(blob)
    await assert.rejects(readBundle(`${folder}:v1`), { code: 'policy/bundle' })
  }
})

test('no link leads out of a layout, and no more is read than there may be', async () => {
  requirement('policy.bundle-by-digest')
  const folder = await layoutOf({ v1: first })
  const blob = blobOf(folder, first.layer)
  await rename(blob, join(folder, 'beside'))
  await symlink(join(folder, 'beside'), blob)
  assert.equal(await textOf(folder), 'first')
  const outside = join(root, 'outside')
  await rename(join(folder, 'beside'), outside)
  await rm(blob)
  await symlink(outside, blob)
  await assert.rejects(readBundle(folder), { message: /^link leads out of the layout/ })
  await truncate(join(folder, 'index.json'), 256 * 1024 + 1)
  await assert.rejects(readBundle(folder), { message: /^file of the layout is too large/ })
})

test('of an index of images the one image is read, and nothing of it but what its digest names', async () => {
  requirement('policy.bundle-by-digest')
  const index = indexOf([first])
  const folder = await layoutOf({ v1: index })
  assert.equal(await textOf(folder), 'first')
  assert.equal(await textOf(`${folder}:v1`), 'first')
  assert.equal(await textOf(`${folder}@${index.digest}`), 'first')
  await writeFile(blobOf(folder, first.digest), second.manifest)
  await assert.rejects(readBundle(folder), { message: /^file is not what it is named for/ })
  const both = await layoutOf({ v1: indexOf([first, second]) })
  await assert.rejects(readBundle(both), { message: /^index has 2 images, want=one$/ })
})
