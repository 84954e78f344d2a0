import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import * as fc from 'fast-check'
import type { Account, SharePercents } from '../../src/shares.ts'
import { defaultLimits } from '../../src/gateway/limits.ts'
import { createSeats, type Guest, type SeatsOptions } from '../../src/gateway/seats.ts'
import { requirement } from '../requirements.ts'

/** Guests by number, and what they were told, in its order. */
function record(): { guest: (name: string) => Guest; told: string[] } {
  const told: string[] = []
  let count = 0
  return {
    told,
    guest(name) {
      count += 1
      const numbered = `${name}${count}`
      return {
        account: accountOf(name),
        seated: () => void told.push(`${numbered} seated`),
        turnedAway: (full) => void told.push(`${numbered} turned away: ${full}`),
      }
    },
  }
}

/** `tenant/namespace/identity`; one name alone is a party with everything of its own. */
function accountOf(name: string): Account {
  const [tenant = name, namespace = tenant, identity = namespace] = name.split('/')
  return [tenant, namespace, identity]
}

/** Each may hold as much as it leaves: two of four. */
const halves: SharePercents = {
  tenantSharePercent: 50,
  namespaceSharePercent: 50,
  identitySharePercent: 50,
}
const options: SeatsOptions = { ...halves, seatsMax: 4, waitMilliseconds: 1000 }

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
    assert.deepEqual(told, ['a3 turned away: identity', 'b5 turned away: identity'])
    for (const caller of ['c', 'd']) seats.take(guest(caller))
    t.mock.timers.tick(1000)
    assert.equal(told.at(-1), 'd7 turned away: gateway')
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
    const c = guest('c')
    for (const each of [a, guest('a'), b, guest('a'), c, guest('d')]) seats.take(each)
    seats.leave(b)
    assert.deepEqual(told, ['d6 seated'])
    seats.leave(c)
    assert.deepEqual(told, ['d6 seated'])
    seats.leave(a)
    assert.deepEqual(told, ['d6 seated', 'a5 seated'])
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
    const seats = createSeats({ ...options, seatsMax: 2 })
    for (let count = 0; count < 258; count += 1) seats.take(guest('a'))
    t.mock.timers.tick(1)
    assert.deepEqual(told, ['a258 turned away: identity'])
  })

  test('forty identities of a namespace are one party beside another tenant', (t) => {
    requirement('gateway.shares-for-all')
    fakeTimers(t)
    const { guest } = record()
    const seats = createSeats({ ...defaultLimits, seatsMax: 128, waitMilliseconds: 1000 })
    const taken = Array.from({ length: 40 * 8 }, (_, at) => guest(`a/n/i${at % 40}`)).filter(
      (each) => seats.take(each),
    )
    assert.equal(taken.length, 45)
    const modest = Array.from({ length: 16 }, () => guest('b'))
    assert.ok(modest.every((each) => seats.take(each)))
  })

  test('tenants take turns, whatever the number of their namespaces and identities', (t) => {
    requirement('gateway.shares-for-all')
    fakeTimers(t)
    const { guest, told } = record()
    const seats = createSeats({ ...options, seatsMax: 1 })
    const held = guest('x')
    seats.take(held)
    const names = ['a/1/p', 'a/1/q', 'a/1/r', 'a/2/s', 'b/3/t', 'b/3/t']
    const waiting = names.map((name) => guest(name))
    for (const each of waiting) seats.take(each)
    seats.leave(held)
    for (let turn = 0; turn < names.length; turn += 1) {
      const last = told.at(-1) ?? ''
      for (const [at, each] of waiting.entries()) {
        if (last === `${names[at]}${at + 2} seated`) seats.leave(each)
      }
    }
    const order = ['a/1/p2', 'b/3/t6', 'a/2/s5', 'b/3/t7', 'a/1/q3', 'a/1/r4']
    assert.deepEqual(
      told,
      order.map((name) => `${name} seated`),
    )
  })

  test('in no order of calls does anybody wait for a seat that they may have', (t) => {
    requirement('gateway.upstream-share')
    fakeTimers(t)
    const step = fc.record({
      name: fc.constantFrom('a/m/i', 'a/m/j', 'a/n/k', 'b/o/l', 'c'),
      leaves: fc.boolean(),
      which: fc.nat(20),
      milliseconds: fc.constantFrom(0, 0, 0, 400),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const seats = createSeats({ ...options, seatsMax: 8, identitySharePercent: 20 })
        const seated = new Set<Guest>()
        const waiting = new Set<Guest>()
        for (const { name, leaves, which, milliseconds } of steps) {
          const all = [...seated, ...waiting]
          const leaving = all[which % Math.max(all.length, 1)]
          if (leaves && leaving !== undefined) {
            seated.delete(leaving)
            waiting.delete(leaving)
            seats.leave(leaving)
          } else {
            const guest: Guest = {
              account: accountOf(name),
              seated: () => seated.add(guest) && waiting.delete(guest),
              turnedAway: () => waiting.delete(guest),
            }
            if (seats.take(guest)) seated.add(guest)
            else waiting.add(guest)
          }
          t.mock.timers.tick(milliseconds)
          const free = 8 - seated.size
          assert.ok(free >= 0)
          const shared = free - 1
          for (const { account } of waiting) {
            const held = account.map(
              (party, level) => [...seated].filter((each) => each.account[level] === party).length,
            )
            const [tenant = 0, namespace = 0, identity = 0] = held
            const hasRoom =
              (tenant === 0 || tenant < shared) &&
              (namespace === 0 || namespace < shared) &&
              (identity === 0 || identity < 0.25 * shared)
            assert.ok(free === 0 || !hasRoom, `${account.join('/')} waits with ${free} free`)
          }
        }
      }),
    )
  })
})
