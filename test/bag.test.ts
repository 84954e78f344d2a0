import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Bag } from '../src/bag.ts'

test('a bag has what was put in and not taken out, whatever the order', () => {
  const step = fc.record({ add: fc.boolean(), member: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const bag = new Bag<object>()
      const set = new Set<object>()
      const objects = Array.from({ length: 6 }, () => ({}))
      for (const { add, member } of steps) {
        const object = objects[member] ?? {}
        if (add && !set.has(object)) {
          bag.add(object)
          set.add(object)
        } else if (!add) {
          bag.delete(object)
          set.delete(object)
        }
        assert.equal(bag.size, set.size)
        assert.deepEqual(new Set(bag.members()), set)
      }
    }),
  )
})

test('members may go while all are told something', () => {
  const bag = new Bag<() => void>()
  let told = 0
  for (let each = 0; each < 3; each += 1) {
    const member = (): void => {
      told += 1
      bag.delete(member)
    }
    bag.add(member)
  }
  for (const tell of bag.members()) tell()
  assert.deepEqual([told, bag.size], [3, 0])
})
