import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyMask as applyChanges, parseMask } from '../../src/policy/mask.ts'
import type { MaskableEvent, MaskedEvent } from '../../src/policy/mask.ts'

function applyMask(event: MaskableEvent, result: unknown): MaskedEvent {
  return applyChanges(event, parseMask(result))
}

const event = { input: { context: { arguments: { token: 'secret' } } }, result: { allow: true } }

test('pointers are removed and values put in the place of others, and both are named', () => {
  const masked = applyMask(event, [
    '/input/context/arguments',
    { op: 'upsert', path: '/result/allow', value: 'hidden' },
    { op: 'remove', path: '/input/absent' },
  ])
  assert.deepEqual(masked, {
    input: { context: {} },
    result: { allow: 'hidden' },
    erased: ['/input/context/arguments'],
    masked: ['/result/allow'],
  })
})

test('the event itself is not touched', () => {
  const before = structuredClone(event)
  applyMask(event, ['/input/context', { op: 'upsert', path: '/result', value: null }])
  assert.deepEqual(event, before)
})

test('the whole input can be removed', () => {
  const masked = applyMask(event, ['/input'])
  assert.equal(masked.input, undefined)
  assert.deepEqual(masked.erased, ['/input'])
})

test('changes are made in the order of their paths, whatever order they come in', () => {
  const changes = ['/input/b', { op: 'upsert', path: '/input/a', value: 1 }, '/input/context']
  assert.deepEqual(applyMask(event, changes), applyMask(event, changes.toReversed()))
})

const refused: Readonly<Record<string, readonly [unknown, RegExp]>> = {
  'no list': [{}, /^mask is of the wrong type/],
  nothing: [undefined, /^mask is of the wrong type/],
  'too many changes': [
    Array(257).fill('/input'),
    /^mask is of the wrong type, want=set of 0..256$/,
  ],
  'a number': [[1], /^change of a mask is of the wrong type, want=object got=number$/],
  'an unknown member': [
    [{ op: 'remove', path: '/input', why: 1 }],
    /^change of a mask has an unkn/,
  ],
  'no path': [[{ op: 'remove' }], /^path of a mask is of the wrong type, want=string$/],
  'an unknown op': [[{ op: 'add', path: '/input/a', value: 1 }], /^op of a mask is unknown/],
  'an upsert of nothing': [[{ op: 'upsert', path: '/input/a' }], /^upsert of a mask has no value$/],
  'a pointer to elsewhere': [['/decision_id'], /^mask changes what it may not/],
  'a pointer to everything': [[''], /^mask names no JSON pointer/],
  'a way through text': [
    [{ op: 'upsert', path: '/input/context/arguments/token/x', value: 1 }],
    /^mask cannot put a value here, got="x"$/,
  ],
}

for (const [name, [changes, message]] of Object.entries(refused)) {
  test(`a mask with ${name} is no mask`, () => {
    assert.throws(() => applyMask(event, changes), { code: 'policy/result', message })
  })
}
