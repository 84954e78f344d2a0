import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseJsonPointer, removeAt, upsertAt } from '../../src/policy/json-pointer.ts'

test('segments are read as RFC 6901 §3 says', () => {
  for (const [text, segments] of [
    ['/', ['']],
    ['/a/b', ['a', 'b']],
    ['/a~1b/m~0n/~01', ['a/b', 'm~n', '~1']],
    ['/é/ /%20', ['é', ' ', '%20']],
    ['/a//b/', ['a', '', 'b', '']],
  ] as const) {
    assert.deepEqual(parseJsonPointer(text), segments)
  }
})

test('what is no pointer is refused', () => {
  for (const text of ['', 'a', 'a/b', '#/a', '/a~', '/~2', '/a~x']) {
    assert.throws(() => parseJsonPointer(text), {
      code: 'policy/result',
      message: `mask names no JSON pointer, got=${JSON.stringify(text)}`,
    })
  }
})

const document = { a: { b: [1, { c: 2 }, 3], 'x/y': null }, d: 'text' }

const removed: readonly (readonly [string, unknown])[] = [
  ['/a/b', { a: { 'x/y': null }, d: 'text' }],
  ['/a/b/1', { a: { b: [1, 3], 'x/y': null }, d: 'text' }],
  ['/a/b/1/c', { a: { b: [1, {}, 3], 'x/y': null }, d: 'text' }],
  ['/a/x~1y', { a: { b: [1, { c: 2 }, 3] }, d: 'text' }],
]

for (const [pointer, expected] of removed) {
  test(`${pointer} is removed from a copy`, () => {
    const before = structuredClone(document)
    assert.deepEqual(removeAt(document, parseJsonPointer(pointer)), expected)
    assert.deepEqual(document, before)
  })
}

test('removing what is not there changes nothing', () => {
  for (const pointer of ['/z', '/a/b/3', '/a/b/01', '/a/b/-', '/a/b/length', '/d/0', '/toString']) {
    assert.equal(
      JSON.stringify(removeAt(document, parseJsonPointer(pointer))),
      JSON.stringify(document),
    )
  }
})

test('a value is put at a pointer of a copy, and objects on the way are made', () => {
  const before = structuredClone(document)
  for (const [pointer, expected] of [
    ['/a/b', { a: { b: 'new', 'x/y': null }, d: 'text' }],
    ['/a/b/0', { a: { b: ['new', { c: 2 }, 3], 'x/y': null }, d: 'text' }],
    ['/a/b/1/c', { a: { b: [1, { c: 'new' }, 3], 'x/y': null }, d: 'text' }],
    ['/e/f', { ...document, e: { f: 'new' } }],
    ['/toString', { ...document, toString: 'new' }],
  ] as const) {
    assert.deepEqual(upsertAt(document, parseJsonPointer(pointer), 'new'), expected)
  }
  assert.deepEqual(document, before)
})

test('there is no way through text, null or past the end of a list', () => {
  for (const [pointer, segment] of [
    ['/d/x', 'x'],
    ['/a/x~1y/z', 'z'],
    ['/a/b/3', '3'],
    ['/a/b/-', '-'],
    ['/a/b/0/z', 'z'],
  ] as const) {
    assert.throws(() => upsertAt(document, parseJsonPointer(pointer), 'new'), {
      code: 'policy/result',
      message: `mask cannot put a value here, got="${segment}"`,
    })
  }
})

test('a prototype cannot be reached', () => {
  const changed = upsertAt({}, ['__proto__', 'polluted'], true)
  assert.equal(JSON.stringify(changed), '{"__proto__":{"polluted":true}}')
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
})

test('what was put somewhere is found there, and removing it leaves the rest', () => {
  const name = fc.string({ minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), fc.jsonValue(), (path, value) => {
      const put = upsertAt({ other: 1 }, ['root', ...path], value)
      const found = ['root', ...path].reduce<unknown>(
        (at, segment) => (at as Record<string, unknown>)[segment],
        put,
      )
      assert.deepEqual(found, value)
      assert.deepEqual(removeAt(put, ['root']), { other: 1 })
    }),
  )
})
