import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { acceptedPatchTypes, applyPatch } from '../../../dev/control-plane/patch.ts'
import { StatusError } from '../../../dev/control-plane/status.ts'

function patched(target: unknown, mediaType: string, body: unknown): unknown {
  return applyPatch(target, { mediaType, body, accepted: acceptedPatchTypes({}), schema: {} })
}

const mergeType = 'application/merge-patch+json'
const jsonType = 'application/json-patch+json'

/** RFC 7396 appendix A, as far as patches are objects. */
const merges: readonly (readonly [target: unknown, patch: object, result: unknown])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

for (const [target, patch, result] of merges) {
  test(`merging ${JSON.stringify(patch)} into ${JSON.stringify(target)} gives ${JSON.stringify(result)}`, () => {
    assert.deepEqual(patched(target, mergeType, patch), result)
  })
}

/** RFC 6902 appendix A. */
const operations: readonly (readonly [target: unknown, operation: object, result: unknown])[] = [
  [{ foo: 'bar' }, { op: 'add', path: '/baz', value: 'qux' }, { foo: 'bar', baz: 'qux' }],
  [{ foo: ['a', 'b'] }, { op: 'add', path: '/foo/1', value: 'c' }, { foo: ['a', 'c', 'b'] }],
  [{ foo: ['a'] }, { op: 'add', path: '/foo/-', value: 'b' }, { foo: ['a', 'b'] }],
  [
    { foo: 'bar' },
    { op: 'add', path: '/child', value: { a: {} } },
    { foo: 'bar', child: { a: {} } },
  ],
  [{ a: 1, b: 2 }, { op: 'remove', path: '/a' }, { b: 2 }],
  [{ a: [1, 2, 3] }, { op: 'remove', path: '/a/1' }, { a: [1, 3] }],
  [{ a: { b: { c: 1 } } }, { op: 'remove', path: '/a/b/c' }, { a: { b: {} } }],
  [{ a: 1 }, { op: 'replace', path: '/a', value: 2 }, { a: 2 }],
  [{ a: [1, 2] }, { op: 'replace', path: '/a/0', value: 9 }, { a: [9, 2] }],
  [
    { a: { b: 1 }, c: {} },
    { op: 'move', from: '/a/b', path: '/c/d' },
    { a: {}, c: { d: 1 } },
  ],
  [{ a: [1, 2, 3] }, { op: 'move', from: '/a/0', path: '/a/2' }, { a: [2, 3, 1] }],
  [{ a: 1 }, { op: 'copy', from: '/a', path: '/b' }, { a: 1, b: 1 }],
  [{ a: 1 }, { op: 'test', path: '/a', value: 1 }, { a: 1 }],
  [
    { '/': 1, '~1': 2 },
    { op: 'replace', path: '/~01', value: 3 },
    { '/': 1, '~1': 3 },
  ],
  [{ '/': 1 }, { op: 'replace', path: '/~1', value: 2 }, { '/': 2 }],
  [{ a: 1 }, { op: 'replace', path: '', value: { b: 2 } }, { b: 2 }],
]

for (const [target, operation, result] of operations) {
  test(`${JSON.stringify(operation)} on ${JSON.stringify(target)} gives ${JSON.stringify(result)}`, () => {
    assert.deepEqual(patched(target, jsonType, [operation]), result)
  })
}

const refusals: readonly (readonly [string, string, unknown, number])[] = [
  ['a failed test', jsonType, [{ op: 'test', path: '/a', value: 2 }], 422],
  ['the removal of nothing', jsonType, [{ op: 'remove', path: '/none' }], 422],
  ['the replacement of nothing', jsonType, [{ op: 'replace', path: '/none/b', value: 1 }], 422],
  ['an index past the end', jsonType, [{ op: 'add', path: '/list/3', value: 1 }], 422],
  ['an index that is none', jsonType, [{ op: 'add', path: '/list/01', value: 1 }], 422],
  ['an inherited member', jsonType, [{ op: 'remove', path: '/constructor' }], 422],
  ['an unknown operation', jsonType, [{ op: 'frob', path: '/a' }], 422],
  ['a path that is no pointer', jsonType, [{ op: 'remove', path: 'a' }], 400],
  ['an operation that is no object', jsonType, [1], 400],
  ['a JSON patch that is no list', jsonType, {}, 400],
  ['too many operations', jsonType, Array.from({ length: 10_001 }, () => ({})), 400],
  ['a merge patch that is no object', mergeType, [], 400],
  ['an unknown media type', 'application/apply-patch+yaml', {}, 415],
  ['an inherited media type', 'constructor', {}, 415],
]

for (const [what, mediaType, patch, code] of refusals) {
  test(`${what} is refused with ${code}`, () => {
    assert.throws(
      () => patched({ a: 1, list: [1] }, mediaType, patch),
      (error) => error instanceof StatusError && error.code === code,
    )
  })
}

test('no patch reaches a prototype', () => {
  const patches: readonly (readonly [string, unknown])[] = [
    [
      mergeType,
      JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    ],
    [jsonType, [{ op: 'add', path: '/__proto__', value: { polluted: 1 } }]],
  ]
  for (const [mediaType, patch] of patches) {
    const result = patched({}, mediaType, patch) as Record<string, unknown>
    assert.equal(Object.getPrototypeOf(result), Object.prototype)
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  }
})

test('property: merging an object into nothing gives it without its nulls, twice the same', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (patch, target) => {
      const once = patched(target, mergeType, patch)
      assert.deepEqual(patched(once, mergeType, patch), once)
    }),
  )
})

test('property: what is added and then removed leaves the object as it was', () => {
  const name = fc.string().map((text) => text.replaceAll('~', '~0').replaceAll('/', '~1'))
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      name,
      fc.jsonValue(),
      (target, key, value) => {
        const path = `/${key}`
        const member = key.replaceAll('~1', '/').replaceAll('~0', '~')
        fc.pre(!Object.hasOwn(target, member))
        const patch = [
          { op: 'add', path, value },
          { op: 'test', path, value },
          { op: 'remove', path },
        ]
        assert.deepEqual(patched(target, jsonType, patch), { ...target })
      },
    ),
  )
})
