import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import * as fc from 'fast-check'
import { createSeats, type Guest, type SeatsOptions } from '../../../src/gateway/upstream/seats.ts'
import { requirement } from '../../requirements.ts'

/** Guests by number, and what they were told, in its order. */
function record(): { guest: (caller: string) => Guest; told: string[] } {
  const told: string[] = []
  let count = 0
  return {
    told,
    guest(caller) {
      count += 1
      const name = `${caller}${count}`
      return {
        caller,
        seated: () => void told.push(`${name} seated`),
        turnedAway: (own) => void told.push(`${name} turned away${own ? ', own share' : ''}`),
      }
    },
  }
}

const options: SeatsOptions = { seatsMax: 3, shareMax: 2, waitMilliseconds: 1000 }

function fakeTimers(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout'] })
}

describe('seats', () => {
  test('one caller has its share, and others have theirs', (t) => {
    requirement('gateway.upstream-share')
    fakeTimers(t)
    const { guest, told } = record()
    const seats = createSeats(options)
    assert.deepEqual(
      [guest('a'), guest('a'), guest('a'), guest('b')].map((each) => seats.take(each)),
      [true, true, false, true],
    )
    assert.deepEqual(told, [])
  })

  test('who waits is turned away after a while, and told whose calls are in the way', (t) => {
    fakeTimers(t)
    const { guest, told } = record()
    const seats = createSeats(options)
    for (const caller of ['a', 'a', 'a', 'b', 'b']) seats.take(guest(caller))
    t.mock.timers.tick(999)
    assert.deepEqual(told, [])
    t.mock.timers.tick(1)
    assert.deepEqual(told, ['a3 turned away, own share', 'b5 turned away'])
  })

  test('a seat that is left goes to the next in line, whose callers take turns', (t) => {
    fakeTimers(t)
    const { guest, told } = record()
    const seats = createSeats({ ...options, seatsMax: 1 })
    const held = guest('x')
    seats.take(held)
    const waiting = ['a', 'a', 'b', 'a', 'b'].map((caller) => guest(caller))
    for (const each of waiting) assert.equal(seats.take(each), false)
    seats.leave(held)
    for (const index of [0, 2, 1, 4, 3]) seats.leave(waiting[index] ?? held)
    assert.deepEqual(told, ['a2 seated', 'b4 seated', 'a3 seated', 'b6 seated', 'a5 seated'])
    t.mock.timers.tick(1000)
    assert.equal(told.length, 5)
    assert.equal(seats.take(guest('a')), true)
  })

  test('the line passes over a caller whose share is used up', (t) => {
    fakeTimers(t)
    const { guest, told } = record()
    const seats = createSeats(options)
    const [a, b] = [guest('a'), guest('b')]
    for (const each of [a, guest('a'), b, guest('a'), guest('c')]) seats.take(each)
    seats.leave(b)
    assert.deepEqual(told, ['c5 seated'])
    seats.leave(a)
    assert.deepEqual(told, ['c5 seated', 'a4 seated'])
  })

  test('who gives up its place is called no more, and leaving twice is leaving once', (t) => {
    fakeTimers(t)
    const { guest, told } = record()
    const seats = createSeats({ ...options, seatsMax: 1 })
    const [held, gone] = [guest('a'), guest('b')]
    seats.take(held)
    seats.take(gone)
    seats.leave(gone)
    seats.leave(gone)
    seats.leave(held)
    seats.leave(held)
    t.mock.timers.tick(5000)
    assert.deepEqual(told, [])
    assert.equal(seats.take(guest('c')), true)
    assert.equal(seats.take(guest('c')), false)
  })

  test('a line has so many places and no more', (t) => {
    fakeTimers(t)
    const { guest, told } = record()
    const seats = createSeats({ ...options, shareMax: 1 })
    for (let count = 0; count < 258; count += 1) seats.take(guest('a'))
    t.mock.timers.tick(1)
    assert.deepEqual(told, ['a258 turned away, own share'])
  })

  test('no order of calls seats more than there are seats, or more of one caller than its share', (t) => {
    requirement('gateway.upstream-share')
    fakeTimers(t)
    const step = fc.record({
      caller: fc.constantFrom('a', 'b', 'c'),
      leaves: fc.boolean(),
      which: fc.nat(20),
      milliseconds: fc.constantFrom(0, 0, 0, 400),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const seats = createSeats(options)
        const seated = new Set<Guest>()
        const waiting = new Set<Guest>()
        for (const { caller, leaves, which, milliseconds } of steps) {
          const all = [...seated, ...waiting]
          const leaving = all[which % Math.max(all.length, 1)]
          if (leaves && leaving !== undefined) {
            seated.delete(leaving)
            waiting.delete(leaving)
            seats.leave(leaving)
          } else {
            const guest: Guest = {
              caller,
              seated: () => seated.add(guest) && waiting.delete(guest),
              turnedAway: () => waiting.delete(guest),
            }
            if (seats.take(guest)) seated.add(guest)
            else waiting.add(guest)
          }
          t.mock.timers.tick(milliseconds)
          const shares = Object.groupBy(seated, (guest) => guest.caller)
          assert.ok(seated.size <= options.seatsMax)
          for (const share of Object.values(shares)) {
            assert.ok((share?.length ?? 0) <= options.shareMax)
          }
          // Nobody waits for a seat that is free.
          const room = options.seatsMax > seated.size
          for (const guest of waiting) {
            assert.ok(!room || shares[guest.caller]?.length === options.shareMax)
          }
        }
      }),
    )
  })
})
