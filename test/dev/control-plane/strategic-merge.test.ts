import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBuiltInSchemas } from '../../../dev/control-plane/openapi/built-in-schemas.ts'
import { acceptedPatchTypes, applyPatch } from '../../../dev/control-plane/patch.ts'
import { StatusError } from '../../../dev/control-plane/status.ts'

const schemas = readBuiltInSchemas()
const schema = schemas.ofKind({ group: '', version: 'v1', kind: 'Pod' }) ?? {}

function patched(target: object, body: object): unknown {
  const mediaType = 'application/strategic-merge-patch+json'
  return applyPatch(target, { mediaType, body, accepted: acceptedPatchTypes({}), schema })
}

interface Case {
  readonly title: string
  readonly target: object
  readonly patch: object
  readonly result: object
}

const first = { name: 'first', image: 'a' }
const second = { name: 'second', image: 'b', env: [{ name: 'A', value: '1' }] }
const spec = { containers: [first, second], nodeName: 'n' }

const cases: readonly Case[] = [
  {
    title: 'an item of the same key is merged into, and the others stay',
    target: { spec },
    patch: { spec: { containers: [{ name: 'second', image: 'c' }] } },
    result: { spec: { ...spec, containers: [first, { ...second, image: 'c' }] } },
  },
  {
    title: 'an item of a new key comes last',
    target: { spec },
    patch: { spec: { containers: [{ name: 'third', image: 'c', command: null }] } },
    result: { spec: { ...spec, containers: [first, second, { name: 'third', image: 'c' }] } },
  },
  {
    title: 'lists within items are merged by their own key',
    target: { spec },
    patch: { spec: { containers: [{ name: 'second', env: [{ name: 'B', value: '2' }] }] } },
    result: {
      spec: {
        ...spec,
        containers: [
          first,
          {
            ...second,
            env: [
              { name: 'A', value: '1' },
              { name: 'B', value: '2' },
            ],
          },
        ],
      },
    },
  },
  {
    title: 'an item is deleted by its key',
    target: { spec },
    patch: {
      spec: {
        containers: [
          { name: 'first', $patch: 'delete' },
          { name: 'none', $patch: 'delete' },
        ],
      },
    },
    result: { spec: { ...spec, containers: [second] } },
  },
  {
    title: 'a list is replaced when the patch says so',
    target: { spec },
    patch: { spec: { containers: [{ name: 'only', image: 'c' }, { $patch: 'replace' }] } },
    result: { spec: { ...spec, containers: [{ name: 'only', image: 'c' }] } },
  },
  {
    title: 'items stand in the order that the patch gives, others keep their place',
    target: { spec: { containers: [first, { name: 'injected' }, second] } },
    patch: {
      spec: {
        '$setElementOrder/containers': [{ name: 'second' }, { name: 'first' }, { name: 'new' }],
        containers: [{ name: 'new' }],
      },
    },
    result: { spec: { containers: [{ name: 'injected' }, second, first, { name: 'new' }] } },
  },
  {
    title: 'a list without a strategy is replaced whole',
    target: { spec: { containers: [{ name: 'a', args: ['x', 'y'] }] } },
    patch: { spec: { containers: [{ name: 'a', args: ['z'] }] } },
    result: { spec: { containers: [{ name: 'a', args: ['z'] }] } },
  },
  {
    title: 'texts are added to a list of texts, and taken from it',
    target: { metadata: { finalizers: ['a/b', 'c/d'] } },
    patch: {
      metadata: { finalizers: ['a/b', 'e/f'], '$deleteFromPrimitiveList/finalizers': ['c/d'] },
    },
    result: { metadata: { finalizers: ['a/b', 'e/f'] } },
  },
  {
    title: 'members of maps are set, and null takes them away',
    target: { metadata: { labels: { a: '1', b: '2' } } },
    patch: { metadata: { labels: { a: null, c: '3' } } },
    result: { metadata: { labels: { b: '2', c: '3' } } },
  },
  {
    title: 'an object is replaced, emptied, or keeps only some members when the patch says so',
    target: {
      spec: { securityContext: { runAsUser: 1 }, dnsConfig: { searches: ['a'] } },
      metadata: { labels: { a: '1' }, annotations: { b: '2' } },
    },
    patch: {
      spec: { securityContext: { $patch: 'replace', fsGroup: 2 }, dnsConfig: { $patch: 'delete' } },
      metadata: { $retainKeys: ['labels'], labels: { c: '3' } },
    },
    result: {
      spec: { securityContext: { fsGroup: 2 }, dnsConfig: {} },
      metadata: { labels: { a: '1', c: '3' } },
    },
  },
  {
    title: 'a member that was not there is made without what only a patch may say',
    target: {},
    patch: {
      spec: {
        '$setElementOrder/containers': [{ name: 'a' }],
        containers: [{ name: 'a', args: null }],
      },
    },
    result: { spec: { containers: [{ name: 'a' }] } },
  },
]

for (const { title, target, patch, result } of cases) {
  test(title, () => {
    const before = structuredClone(target)
    assert.deepEqual(patched(target, patch), result)
    assert.deepEqual(target, before)
  })
}

test('an item without the key of its list is a 400', () => {
  const patch = { spec: { containers: [{ image: 'a' }] } }
  assert.throws(
    () => patched({ spec }, patch),
    (error) =>
      error instanceof StatusError && error.code === 400 && /merge key: name/.test(error.message),
  )
})

test('custom resources take no strategic merge: how their lists merge is not known', () => {
  const accepted = acceptedPatchTypes({ isCustom: true })
  const mediaType = 'application/strategic-merge-patch+json'
  assert.throws(
    () => applyPatch({}, { mediaType, body: {}, accepted, schema: {} }),
    (error) => error instanceof StatusError && error.code === 415,
  )
})
