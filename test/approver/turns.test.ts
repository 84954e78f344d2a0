import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTurns, type Turn } from '../../src/approver/turns.ts'
import { requirement } from '../requirements.ts'

/** Made at the time that its key says. */
const turn = (requester: string, key: string): Turn => ({ requester, key, madeAt: Number(key) })

test('of each requester the newest few are worked on, and the others when there is room', () => {
  requirement('approver.storm-bounded')
  const turns = createTurns((requester) => (requester === 'one' ? 1 : 2))
  assert.equal(turns.add(turn('a', '1')), undefined)
  assert.equal(turns.add(turn('a', '2')), undefined)
  assert.equal(turns.add(turn('a', '2')), undefined, 'the same again')
  assert.equal(turns.add(turn('a', '3')), '1', 'the oldest makes room')
  assert.deepEqual(
    ['1', '2', '3'].filter((key) => turns.has(turn('a', key))),
    ['2', '3'],
  )
  assert.equal(turns.add(turn('a', '0')), '0', 'an older one has none, though it comes later')
  assert.equal(turns.add(turn('b', '1')), undefined, 'another requester has turns of their own')
  assert.equal(turns.add(turn('a', '1')), undefined, 'what waits does not come before its turn')
  assert.equal(turns.remove(turn('a', '3')), '1', 'the newest has the place that becomes free')
  assert.equal(turns.remove(turn('a', '2')), '0')
  assert.equal(turns.remove(turn('a', '1')), undefined)
  assert.equal(turns.remove(turn('a', '0')), undefined)
  assert.equal(turns.remove(turn('a', '0')), undefined)
  assert.equal(turns.add(turn('one', '1')), undefined)
  assert.equal(turns.add(turn('one', '2')), '1', 'so many as its requester may have')
})

test('what was made before is taken out, whether it is worked on or waits', () => {
  requirement('approver.storm-bounded')
  const turns = createTurns(() => 2)
  for (const key of ['1', '2', '3', '4']) turns.add(turn('a', key))
  assert.deepEqual(turns.removeBefore('a', 4).toSorted(), ['1', '2', '3'])
  assert.deepEqual(turns.removeBefore('b', 4), [])
  assert.equal(turns.remove(turn('a', '4')), undefined)
})
