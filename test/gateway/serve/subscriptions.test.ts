import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import {
  createSubscriptions,
  type Subscriber,
  type Subscriptions,
} from '../../../src/gateway/serve/subscriptions.ts'
import { requirement } from '../../requirements.ts'

const account = ['acme', 'agents', 'agent'] as const
const one = { owner: 'agent pod', account, key: 'one', server: 'web' }
const uriOf = (number: number): string => `test://${number}/`.padEnd(2048, 'a')

const add = (subscriptions: Subscriptions, subscriber: Subscriber, uri: string): boolean => {
  const end = subscriptions.ask(subscriber, uri)
  end?.(true)
  return end !== undefined
}

/** As much as one session may have: so many URIs. */
function fill(subscriptions: Subscriptions, subscriber: Subscriber): number {
  let taken = 0
  while (add(subscriptions, subscriber, uriOf(taken))) taken += 1
  return taken
}

test('a session subscribes to so many octets, and again to what it leaves room for', () => {
  requirement('gateway.changes-bounded')
  const subscriptions = createSubscriptions(defaultLimits)
  assert.equal(fill(subscriptions, one), 32)
  assert.ok(add(subscriptions, one, uriOf(1)))
  assert.ok(!add(subscriptions, one, uriOf(40)))
  subscriptions.remove(one, uriOf(1))
  assert.ok(add(subscriptions, one, uriOf(40)))
  assert.equal(subscriptions.of(one).length, 32)
})

test('an owner keeps so many octets, and loses its own oldest', () => {
  requirement('gateway.changes-bounded')
  const subscriptions = createSubscriptions(defaultLimits)
  const other = { ...one, owner: 'other pod', key: 'other' }
  fill(subscriptions, other)
  const sessions = Array.from({ length: 40 }, (_, number) => ({ ...one, key: `${number}` }))
  for (const session of sessions) assert.equal(fill(subscriptions, session), 32)
  const kept = sessions.filter((session) => subscriptions.of(session).length > 0)
  assert.deepEqual(kept, sessions.slice(-16))
  assert.equal(subscriptions.of(other).length, 32)
})

test('all have so many octets in shares, which come back with what ends', () => {
  requirement('gateway.changes-bounded')
  const subscriptions = createSubscriptions(defaultLimits)
  const owners: string[] = []
  for (let taken = 32; taken === 32;) {
    const owner = `pod ${owners.length}`
    owners.push(owner)
    for (let number = 0; number < 16 && taken === 32; number += 1) {
      taken = fill(subscriptions, { ...one, owner, key: `${owner} ${number}` })
    }
    assert.ok(owners.length < 64)
  }
  const other = { ...one, account: ['other', 'other', 'other'] as const, owner: 'o', key: 'o' }
  assert.equal(fill(subscriptions, other), 32)
  const before = owners.length
  for (const owner of owners) subscriptions.endOwner(owner)
  for (let number = 0; number < before - 1; number += 1) {
    const session = { ...one, owner: `new ${number}`, key: `new ${number}` }
    assert.equal(fill(subscriptions, session), 32)
    subscriptions.endOf(session)
  }
})

test('whoever is no more has subscribed to nothing', () => {
  const subscriptions = createSubscriptions(defaultLimits)
  const other = { ...one, owner: 'other pod', key: 'other' }
  for (const subscriber of [one, other]) add(subscriptions, subscriber, 'test://a')
  subscriptions.endOwner(one.owner)
  assert.deepEqual(subscriptions.of(one), [])
  assert.deepEqual(subscriptions.of(other), ['test://a'])
})

test('what a server takes in one of several requests at once is subscribed to, whichever ends first', () => {
  const uri = 'test://a'
  for (const answers of [
    [true, false],
    [false, true],
    [false, false],
  ]) {
    for (const isKnown of [false, true]) {
      const subscriptions = createSubscriptions(defaultLimits)
      if (isKnown) add(subscriptions, one, uri)
      const ends = answers.map(() => subscriptions.ask(one, uri))
      assert.ok(subscriptions.covers(one, uri))
      for (const [index, isTaken] of answers.entries()) ends[index]?.(isTaken)
      assert.equal(subscriptions.covers(one, uri), isKnown || answers.includes(true))
      // Of requests that are over nothing is left.
      subscriptions.remove(one, uri)
      subscriptions.ask(one, uri)?.(false)
      assert.ok(!subscriptions.covers(one, uri))
    }
  }
})

test('what is given up while it is asked for again is subscribed to', () => {
  const subscriptions = createSubscriptions(defaultLimits)
  add(subscriptions, one, 'test://a')
  const end = subscriptions.ask(one, 'test://a')
  subscriptions.remove(one, 'test://a')
  end?.(true)
  assert.deepEqual(subscriptions.of(one), ['test://a'])
})
