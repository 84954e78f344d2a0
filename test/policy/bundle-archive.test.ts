import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { unpackBundle } from '../../src/policy/bundle-archive.ts'
import { requirement } from '../requirements.ts'
import { archiveOf } from './archive.ts'

type Entry = Parameters<typeof packTar>[0][number]

function entry(name: string, more: object = {}): Entry {
  const header = { name, size: 1, ...more }
  return { header, body: header.size === 0 ? '' : 'x' }
}

const folderOfMany: readonly Entry[] = Array.from({ length: 1025 }, (_, at) => entry(`a/${at}`))

const refused: Readonly<Record<string, readonly [readonly Entry[], RegExp]>> = {
  'a symbolic link': [
    [entry('data.json', { type: 'symlink', linkname: '/etc/passwd', size: 0 })],
    /^archive has what is no file, got=symlink "data.json"$/,
  ],
  'a hard link': [
    [entry('a', { type: 'link', linkname: 'data.json', size: 0 })],
    /^archive has what is no file, got=link "a"$/,
  ],
  'a device': [
    [entry('a', { type: 'character-device', size: 0 })],
    /^archive has what is no file, got=character-device "a"$/,
  ],
  'a path that goes up': [[entry('a/../../b')], /^path leads elsewhere, got="a\/..\/..\/b"$/],
  'an empty segment': [[entry('a//b')], /^path leads elsewhere, got="a\/\/b"$/],
  'two slashes first': [[entry('//b')], /^path leads elsewhere, got="\/b"$/],
  'a backslash': [[entry('a\\b')], /^path has a character that no path needs, got="a\\\\b"$/],
  'a control character': [[entry('a\u0007')], /^path has a character that no path needs/],
  'one file twice': [[entry('a'), entry('/a')], /^file is there twice, got="a"$/],
  'a second manifest at the end of a name': [
    [entry('x.manifest')],
    /^file has no place there, got="x.manifest" want=.manifest$/,
  ],
  'a manifest in a folder': [
    [entry('a/.manifest')],
    /^file has no place there, got="a\/.manifest" want=.manifest$/,
  ],
  'signatures at the end of a name': [
    [entry('other.signatures.json')],
    /^file has no place there, got="other.signatures.json" want=.signatures.json$/,
  ],
  'data in a folder': [
    [entry('grants/data.json')],
    /^file has no place there, got="grants\/data.json" want=data.json$/,
  ],
  'data as YAML': [[entry('data.yml')], /^file has no place there, got="data.yml" want=data.json$/],
  'a delta': [
    [entry('patch.json')],
    /^file has no place there, got="patch.json" want=the whole bundle, no delta$/,
  ],
  'too many files': [folderOfMany, /^bundle has too many files, want=..1024$/],
  'a path in an extended header': [
    [entry('data.json', { pax: { path: 'policy.wasm' } })],
    /^archive has an extended header, want=tar --format=ustar got="policy.wasm"$/,
  ],
}

for (const [what, [entries, message]] of Object.entries(refused)) {
  test(`an archive with ${what} is refused`, async () => {
    requirement('policy.bundle-strict')
    const archive = gzipSync(await packTar(entries))
    await assert.rejects(unpackBundle(archive), { code: 'policy/bundle', message })
  })
}

test('an archive that unpacks to more than a bundle may have ends while it is unpacked', async () => {
  requirement('policy.bundle-strict')
  const archive = gzipSync(Buffer.alloc(80 * 1024 * 1024))
  assert.ok(archive.length < 100_000)
  await assert.rejects(unpackBundle(archive), {
    code: 'policy/bundle',
    message: /^bundle is too large, want=..67108864 octets unpacked$/,
  })
})

test('a file that says it is larger than a bundle may be is refused by its header', async () => {
  requirement('policy.bundle-strict')
  const tar = Buffer.from(await packTar([entry('a')]))
  const size = (100 * 1024 * 1024).toString(8).padStart(11, '0')
  tar.write(size, 124, 'latin1')
  tar.write('        ', 148, 'latin1')
  const sum = tar.subarray(0, 512).reduce((total, octet) => total + octet, 0)
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  await assert.rejects(unpackBundle(gzipSync(tar)), {
    message: /^bundle is too large, want=..67108864 octets unpacked$/,
  })
})

test('an archive cut short anywhere is refused', async () => {
  requirement('policy.bundle-strict')
  const whole = await archiveOf({ '/.manifest': '{}', '/data.json': '{"a":1}' })
  for (let octets = 0; octets < whole.length; octets += 1) {
    await assert.rejects(unpackBundle(whole.subarray(0, octets)), { code: 'policy/bundle' })
  }
  const tar = Buffer.from(await packTar([entry('a'), entry('b')]))
  for (const octets of [0, 100, 512, 1024, 1100, 2048, tar.length - 512]) {
    await assert.rejects(unpackBundle(gzipSync(tar.subarray(0, octets))), { code: 'policy/bundle' })
  }
})

test('names have no slash first, folders are nothing of their own, and the digest is of names and octets', async () => {
  const one = await unpackBundle(await archiveOf({ '/.manifest': '{}', '/a/b.rego': 'package a' }))
  assert.deepEqual([...one.files.keys()], ['.manifest', 'a/b.rego'])
  assert.equal(one.files.get('a/b.rego')?.toString(), 'package a')
  const folder: Entry = { header: { name: './a/', size: 0, type: 'directory' } }
  const files = [entry('./a/b', { size: 1 }), entry('./c')]
  const other = await unpackBundle(gzipSync(await packTar([folder, ...files])))
  assert.deepEqual([...other.files.keys()], ['a/b', 'c'])
  const again = await unpackBundle(await archiveOf({ c: 'x', 'a/b': 'x' }))
  assert.equal(again.digest, other.digest)
  for (const files of [{ c: 'y', 'a/b': 'x' }, { c: 'x', 'a/d': 'x' }, { c: 'x' }]) {
    assert.notEqual((await unpackBundle(await archiveOf(files))).digest, other.digest)
  }
})
