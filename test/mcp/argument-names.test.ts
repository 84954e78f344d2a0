import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { findVariant } from '../../src/mcp/argument-names.ts'
import { parseArgumentNames } from '../../src/mcp/schema-names.ts'
import { requirement } from '../requirements.ts'

const names = parseArgumentNames({
  properties: {
    path: { type: 'string' },
    Mode: {},
    key: { properties: { iss: {} } },
    list: { items: { properties: { a: {} } } },
  },
})
assert.ok(names !== undefined)

const variants: readonly [object, { readonly name: string; readonly wanted: string }][] = [
  [{ Path: '/etc' }, { name: 'Path', wanted: 'path' }],
  [
    { path: '/a', PATH: '/etc' },
    { name: 'PATH', wanted: 'path' },
  ],
  [{ mode: 1 }, { name: 'mode', wanted: 'Mode' }],
  [{ '\u212aey': {} }, { name: '\u212aey', wanted: 'key' }],
  [{ key: { iſs: 1 } }, { name: 'iſs', wanted: 'iss' }],
  [{ list: [{ a: 1 }, { A: 1 }] }, { name: 'A', wanted: 'a' }],
  [{ ｐath: 1 }, { name: 'ｐath', wanted: 'path' }],
]

suite('an argument that differs from a declared one in case only is found', () => {
  for (const [args, variant] of variants) {
    test(JSON.stringify(args), () => {
      requirement('gateway.one-reading')
      assert.deepEqual(findVariant(names, args as Record<string, unknown>), variant)
    })
  }
})

const others: readonly object[] = [
  {},
  { path: '/a', Mode: 1, key: { iss: 1 } },
  // Whatever the tool does not name is its own affair.
  { other: 1, Other: 2, key: { ISSUER: 1 }, list: [{ B: 1 }] },
  // What is no object has no members.
  { key: [{ ISS: 1 }] },
  { key: 'ISS' },
  { constructor: 1, toString: 2 },
]

suite('any other argument is none', () => {
  for (const args of others) {
    test(JSON.stringify(args), () => {
      assert.equal(findVariant(names, args as Record<string, unknown>), undefined)
    })
  }
})

test('a tool that names two arguments of one name but for case gets both', () => {
  const both = parseArgumentNames({ properties: { path: {}, Path: {} } })
  assert.ok(both !== undefined)
  assert.equal(findVariant(both, { path: 1, Path: 2 }), undefined)
  assert.deepEqual(findVariant(both, { PATH: 1 }), { name: 'PATH', wanted: 'Path' })
})

test('a schema without names gives none', () => {
  for (const schema of [undefined, null, true, {}, { properties: {} }, { properties: [] }]) {
    assert.equal(parseArgumentNames(schema), undefined)
  }
})

test('a long name beyond ASCII is not compared', () => {
  requirement('gateway.linear-time')
  const long = 'é'.repeat(300)
  const one = parseArgumentNames({ properties: { [long]: {} } })
  assert.ok(one !== undefined)
  assert.equal(findVariant(one, { [long.toUpperCase()]: 1 }), undefined)
})

test('so many names beyond ASCII are compared and no more, and any number of plain ones', () => {
  requirement('gateway.linear-time')
  const many = (name: string): Record<string, number> =>
    Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`${name.repeat(120)}${at}`, 0]))
  assert.equal(findVariant(names, { key: many('x') }), undefined)
  assert.equal(findVariant(names, { key: many('é') }), 'too many')
  assert.equal(findVariant(names, { other: many('é') }), undefined)
})
