import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathsIn } from '../../../src/policy/plan/paths.ts'
import type { Block, Statement } from '../../../src/policy/plan/plan.ts'
import { requirement } from '../../requirements.ts'

const local = (value: number) => ({ type: 'local', value }) as const
const string = (value: number) => ({ type: 'string_index', value }) as const

/** One step of a reference, from one local to another. */
const dot = (from: number, key: number, target: number): Statement => ({
  type: 'DotStmt',
  source: local(from),
  key: string(key),
  target,
})

const equal = (a: number, b: number): Statement => ({
  type: 'EqualStmt',
  a: local(a),
  b: string(b),
})

/** A body that holds where what two keys lead to is a text. */
const body = (key: number): Block => ({
  statements: [dot(0, 7, 4), dot(4, 8, 5), equal(5, key)],
})

const told = (blocks: readonly Block[]): readonly string[] =>
  Array.from(pathsIn(blocks, [0, 1]).values(), ({ document, keys, isEnd, kept }) =>
    [document, ...keys, isEnd ? 'end' : 'step', kept ?? 'anew'].join(' '),
  )

test('what bodies look for again and again is looked for once, though they share their locals', () => {
  assert.deepEqual(told([body(1), body(2)]), [
    '0 7 8 step 0',
    '0 7 8 end 0',
    '0 7 8 step 0',
    '0 7 8 end 0',
  ])
  assert.deepEqual(told([body(1)]), ['0 7 8 step anew', '0 7 8 end anew'])
})

test('a step that anything else reads is there to be read', () => {
  requirement('policy.plan-agrees')
  const reads: Block = { statements: [equal(4, 3)] }
  assert.deepEqual(told([body(1), body(2), reads]), ['0 7 end 0', '0 7 end 0'])
  const broken: Block = { statements: [dot(0, 7, 4), equal(2, 3), dot(4, 8, 5)] }
  assert.deepEqual(told([broken]), ['0 7 end anew'])
})

test('where the documents may be others nothing is kept', () => {
  requirement('policy.plan-agrees')
  const replaced: Statement = {
    type: 'WithStmt',
    local: 0,
    path: [7],
    value: string(9),
    block: body(2),
  }
  const inner: Block = { statements: [replaced] }
  assert.ok(told([body(1), inner]).every((path) => path.endsWith('anew')))
})

test('what is no key, or begins at no document, is no path', () => {
  const keyed: Statement = { type: 'DotStmt', source: local(0), key: local(2), target: 4 }
  assert.deepEqual(told([{ statements: [keyed, dot(4, 8, 5), dot(2, 7, 6)] }]), [])
})
