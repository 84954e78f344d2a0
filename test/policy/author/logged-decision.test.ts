import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guardedInput, HiddenRead } from '../../../src/policy/author/logged-decision.ts'
import type { LoggedDecision } from '../../../src/policy/author/logged-decision.ts'
import type { Plain } from '../../../src/policy/plan/values.ts'
import { requirement } from '../../requirements.ts'

function decision(hidden: readonly string[]): LoggedDecision {
  const input = { context: { arguments: { a: 1 }, door: 'mcp', 'a/b': 2 }, list: [1] }
  const result = { allow: true, reasons: [], obligations: [] }
  const common = { id: 'd', path: 'p', revision: 'r', digest: 'd', hiddenResult: [] }
  return { ...common, input, hidden, result }
}

test('every way to a hidden member ends, and the others are as they were', () => {
  requirement('policy.replay-never-guesses')
  const { context } = guardedInput(decision(['/input/context/arguments'])) as { context: Plain }
  assert.equal(context['door'], 'mcp')
  assert.equal(Object.hasOwn(context, 'door'), true)
  const ways: readonly (() => unknown)[] = [
    () => context['arguments'],
    () => 'arguments' in context,
    () => Object.hasOwn(context, 'arguments'),
    () => Object.getOwnPropertyDescriptor(context, 'arguments'),
    () => Object.keys(context),
    () => Object.entries(context),
    () => ({ ...context }),
    () => JSON.stringify(context),
  ]
  for (const way of ways) assert.throws(way, HiddenRead)
})

test('a member that was removed is hidden, too, and names are read as pointers have them', () => {
  requirement('policy.replay-never-guesses')
  const removed = guardedInput(decision(['/input/context/secret'])) as { context: Plain }
  assert.throws(() => removed.context['secret'], HiddenRead)
  // Nobody finds that there is one member less than there was.
  assert.throws(() => Object.keys(removed.context), HiddenRead)
  const escaped = guardedInput(decision(['/input/context/a~1b'])) as { context: Plain }
  assert.throws(() => escaped.context['a/b'], HiddenRead)
})

test('what is hidden as a whole or within a list is not read around', () => {
  for (const pointer of ['/input', '/input/list/0']) {
    assert.throws(() => guardedInput(decision([pointer])), HiddenRead)
  }
})
