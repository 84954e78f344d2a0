import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { FairLane } from '../../src/kubernetes/fair-lane.ts'

/** `shop/node-a/1` stands in `node-a` within `shop`. */
function laneOf(keys: readonly string[]): FairLane {
  const lane = new FairLane((key) => key.split('/').slice(0, -1))
  for (const key of keys) lane.add(key)
  return lane
}

function takeAll(lane: FairLane): readonly string[] {
  const taken: string[] = []
  for (let key = lane.take(); key !== undefined; key = lane.take()) taken.push(key)
  return taken
}

describe('a fair lane', () => {
  test('keeps the order of arrival within a group', () => {
    assert.deepEqual(takeAll(laneOf(['1', '2', '3'])), ['1', '2', '3'])
  })

  test('lets groups take turns, and the groups within each', () => {
    const storm = Array.from({ length: 4 }, (_, index) => `shop/node-a/${index}`)
    const lane = laneOf([...storm, 'shop/node-b/0', 'bank/node-a/0'])
    assert.deepEqual(takeAll(lane), [
      'shop/node-a/0',
      'bank/node-a/0',
      'shop/node-b/0',
      'shop/node-a/1',
      'shop/node-a/2',
      'shop/node-a/3',
    ])
  })

  test('lets a group that comes again wait behind those that are there', () => {
    const lane = laneOf(['a/1', 'a/2', 'b/1'])
    assert.equal(lane.take(), 'a/1')
    lane.add('c/1')
    assert.deepEqual(takeAll(lane), ['b/1', 'a/2', 'c/1'])
  })

  test('finds and drops a key whose groups are others by now', () => {
    let group = 'old'
    const lane = new FairLane(() => [group])
    lane.add('key')
    group = 'new'
    lane.add('key')
    assert.equal(lane.size, 1)
    assert.equal(lane.has('key'), true)
    lane.delete('key')
    assert.equal(lane.has('key'), false)
    assert.equal(lane.size, 0)
    assert.equal(lane.take(), undefined)
  })

  test('is empty when it was cleared', () => {
    const lane = laneOf(['a/1', 'b/1'])
    lane.clear()
    assert.equal(lane.size, 0)
    assert.equal(lane.take(), undefined)
  })

  test('gives back each key once, and counts what it holds', () => {
    const key = fc.stringMatching(/^[xyz]\/[pq]\/[0-9]$/)
    fc.assert(
      fc.property(fc.array(key, { maxLength: 40 }), (keys) => {
        const lane = laneOf(keys)
        const [first] = keys
        if (first !== undefined) lane.delete(first)
        const expected = new Set(keys.filter((each) => each !== first))
        assert.equal(lane.size, expected.size)
        assert.deepEqual(takeAll(lane).toSorted(), [...expected].toSorted())
        assert.equal(lane.size, 0)
      }),
    )
  })
})
