import assert from 'node:assert/strict'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readBundle } from '../../src/policy/bundle-place.ts'
import { mergeBundle, readBundleFiles } from '../../src/policy/bundle.ts'
import type { PolicyBundle } from '../../src/policy/bundle.ts'
import { requirement } from '../requirements.ts'
import { assembleModule, bundleFolder } from './policy-module.ts'

type Files = Parameters<typeof bundleFolder>[0]

async function read(files: Files, ...data: object[]): Promise<PolicyBundle> {
  await using bundle = await bundleFolder(files)
  return mergeBundle(await readBundleFiles(bundle.folder), data)
}

const refused: Readonly<Record<string, readonly [Files, object, RegExp]>> = {
  'a missing module': [{ wasm: null }, {}, /^bundle lacks a file, want=policy.wasm$/],
  'a missing manifest': [{ manifest: null }, {}, /^bundle lacks a file, want=.manifest$/],
  'missing data': [{ data: null }, {}, /^bundle lacks a file, want=data.json$/],
  'a manifest that is not JSON': [{ manifest: '{' }, {}, /^.manifest is not JSON$/],
  'a manifest that is a list': [{ manifest: '[]' }, {}, /^.manifest is not a JSON object$/],
  'a manifest without revision': [{ manifest: '{}' }, {}, /^manifest has no revision, want=/],
  'an empty revision': [{ manifest: '{"revision":""}' }, {}, /^manifest has no revision, want=/],
  'a revision with a line end': [
    { manifest: '{"revision":"a\\nb"}' },
    {},
    /^manifest has no revision, want=1..128 visible characters$/,
  ],
  'data that is null': [{ data: 'null' }, {}, /^data.json is not a JSON object$/],
  'a member of its data twice': [
    { data: '{"grants":{"tenants":{},"tenants":{"acme":{}}}}' },
    {},
    /^data.json: \/grants\/tenants: is said twice$/,
  ],
  'two revisions': [
    { manifest: '{"revision":"a","\\u0072evision":"b"}' },
    {},
    /^.manifest: \/revision: is said twice$/,
  ],
  'octets that are no module': [
    { wasm: Buffer.from('#!/bin/sh') },
    {},
    /^policy.wasm is not a WebAssembly module$/,
  ],
  'a module cut short': [
    { wasm: assembleModule().subarray(0, 100) },
    {},
    /^policy.wasm is not a WebAssembly module$/,
  ],
  'data named by both sides': [
    { data: '{"grants":{"tenants":{"acme":1}}}' },
    { grants: { tenants: { acme: {} } } },
    /^data is said twice, got="data.grants.tenants.acme"$/,
  ],
  'a list named by both sides': [
    { data: '{"a":[1]}' },
    { a: [1] },
    /^data is said twice, got="data.a"$/,
  ],
  'given data in the place of rules': [
    {},
    { countersign: { mcp: { decision: { allow: true } } } },
    /^data has a root that belongs to the rules, got=countersign$/,
  ],
  'bundled data in the place of rules': [
    { data: '{"countersign":{}}' },
    {},
    /^data has a root that belongs to the rules, got=countersign$/,
  ],
  'a lone surrogate in data': [
    { data: '{"a":"\\ud800"}' },
    {},
    /^text with half a surrogate pair: got=/,
  ],
  'a lone surrogate behind a backslash': [
    {},
    { a: '\\\ud800' },
    /^text with half a surrogate pair: got=/,
  ],
}

for (const [name, [files, data, message]] of Object.entries(refused)) {
  test(`a bundle with ${name} is refused`, async () => {
    requirement('policy.bundle-refused-whole')
    await assert.rejects(read(files, data), { code: 'policy/bundle', message })
  })
}

test('data that is not UTF-8 is refused', async () => {
  await using bundle = await bundleFolder({ data: Buffer.from([0x7b, 0xff, 0x7d]) })
  await assert.rejects(readBundleFiles(bundle.folder), {
    code: 'policy/bundle',
    message: 'data.json is not JSON',
  })
})

test('a text that only looks like an escape is no lone surrogate', async () => {
  const { dataText } = await read({}, { a: '\\ud800' })
  assert.deepEqual(JSON.parse(dataText), { a: '\\ud800' })
})

test('given data is merged member by member', async () => {
  const { dataText } = await read(
    { data: '{"grants":{"tenants":{"acme":{}},"subjects":{}},"log":{}}' },
    { grants: { tenants: { other: { files: {} } } }, more: [1] },
  )
  assert.deepEqual(JSON.parse(dataText), {
    grants: { tenants: { acme: {}, other: { files: {} } }, subjects: {} },
    log: {},
    more: [1],
  })
})

test('given documents are merged with each other, and neither hides the other', async () => {
  const one = { grants: { tenants: { acme: { files: {} } } } }
  const other = { grants: { tenants: { other: {} } } }
  const { dataText } = await read({}, one, other)
  assert.deepEqual(JSON.parse(dataText), {
    grants: { tenants: { acme: { files: {} }, other: {} } },
  })
  await assert.rejects(read({}, one, { grants: { tenants: [] } }), {
    code: 'policy/bundle',
    message: 'data is said twice, got="data.grants.tenants"',
  })
})

test('a member named __proto__ is data like any other', async () => {
  const { dataText } = await read(
    { data: '{"a":{}}' },
    JSON.parse('{"a":{"__proto__":{"x":1}}}') as object,
  )
  assert.equal(dataText, '{"a":{"__proto__":{"x":1}}}')
})

test('the digest depends on the module and the data, not on how the data is written', async () => {
  const one = await read({ data: '{"a":1,"b":{"c":[2,1]}}' })
  const other = await read({
    data: '{ "b" : {"c":[2,1]}, "a": 1.0 }',
    manifest: '{"revision":"2"}',
  })
  assert.equal(one.digest, other.digest)
  assert.equal(other.revision, '2')
  assert.equal((await read({ data: '{"a":1}' }, { b: { c: [2, 1] } })).digest, one.digest)
  assert.notEqual((await read({ data: '{"a":1,"b":{"c":[1,2]}}' })).digest, one.digest)
  const wasm = assembleModule({ probe: '[]' })
  assert.notEqual((await read({ data: '{"a":1,"b":{"c":[2,1]}}', wasm })).digest, one.digest)
})

test('a link may lead to what is in the folder, and nowhere else', async () => {
  requirement('policy.bundle-strict')
  await using bundle = await bundleFolder()
  await using elsewhere = await bundleFolder()
  const { folder } = bundle
  await mkdir(join(folder, '..one'))
  await writeFile(join(folder, '..one', 'notes.txt'), 'ours')
  await symlink('..one', join(folder, '..data'))
  await symlink('..data/notes.txt', join(folder, 'notes.txt'))
  // The place itself is the operator's word, wherever it leads.
  await symlink(folder, join(elsewhere.folder, 'place'))
  const { files } = await readBundle(join(elsewhere.folder, 'place'))
  assert.equal(String(files.get('notes.txt')), 'ours')
  for (const target of [join(elsewhere.folder, 'data.json'), elsewhere.folder]) {
    await symlink(target, join(folder, 'theirs'))
    await assert.rejects(readBundle(folder), {
      code: 'policy/bundle',
      message: 'link leads out of the folder, got="theirs"',
    })
    await rm(join(folder, 'theirs'))
  }
})
