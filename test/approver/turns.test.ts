import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTurns } from '../../src/approver/turns.ts'
import { requirement } from '../requirements.ts'

test('of each requester the newest few are worked on, and the others when there is room', () => {
  requirement('approver.storm-bounded')
  const turns = createTurns(2)
  assert.equal(turns.add('a', '1'), undefined)
  assert.equal(turns.add('a', '2'), undefined)
  assert.equal(turns.add('a', '2'), undefined, 'the same again')
  assert.equal(turns.add('a', '3'), '1', 'the oldest makes room')
  assert.equal(turns.add('b', '1'), undefined, 'another requester has turns of their own')
  assert.equal(turns.add('a', '1'), undefined, 'what waits does not come before its turn')
  assert.equal(turns.remove('a', '3'), '1', 'and has the place that becomes free')
  assert.equal(turns.remove('a', '2'), undefined)
  assert.equal(turns.remove('a', '1'), undefined)
  assert.equal(turns.remove('a', '1'), undefined)
})
