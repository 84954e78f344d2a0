import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Child } from '../../src/guard/child.ts'
import type { Standby } from '../../src/guard/standby.ts'
import { Talk } from '../../src/guard/talk.ts'
import { createTalks } from '../../src/guard/talks.ts'
import type { VerifiedCaller } from '../../src/toolserver/caller.ts'
import { requirement } from '../requirements.ts'

/** Processes that are ended when they are told so. */
const standbyOf = (end: () => Promise<void>): Standby => ({
  take: (): Child => ({
    lines: { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) },
    isAlive: () => true,
    ended: new Promise(() => {}),
    write: () => true,
    say: () => {},
    [Symbol.asyncDispose]: end,
  }),
  state: () => ({ ok: true, reason: '' }),
  async [Symbol.asyncDispose]() {},
})

const callerOf = (spiffeId: string, tenant: string = 'acme'): VerifiedCaller => ({
  via: 'gateway',
  spiffeId,
  tenant,
  models: [],
  toolScopes: [],
  allowsModel: () => false,
})

test('sessions that end make room at once, until as many processes are ending', async () => {
  requirement('guard.stdio-sessions-bounded')
  const ending = Promise.withResolvers<void>()
  const standby = standbyOf(() => ending.promise)
  const talks = createTalks({ standby, sessionsMax: 2, now: () => 0 })
  const endNew = (): string => {
    const talk = talks.begin()
    if ('status' in talk) return talk.message
    talks.end(talk)
    return 'ended'
  }
  const seen = [endNew(), endNew(), endNew()]
  assert.deepEqual(seen, ['ended', 'ended', 'as many sessions end as there may be'])
  ending.resolve()
  await nextTurn()
  assert.equal(endNew(), 'ended')
})

test('where all sessions are there, those that nobody has used for ten minutes make room', () => {
  requirement('guard.stdio-sessions-bounded')
  let now = 0
  const standby = standbyOf(async () => {})
  const talks = createTalks({ standby, sessionsMax: 2, now: () => now })
  const open = (name: string): Talk => {
    const talk = talks.begin()
    assert.ok(talk instanceof Talk)
    assert.equal(talks.find(talk.sessionId, callerOf('spiffe://a/ns/b/sa/' + name)), talk)
    return talk
  }
  const isOpen = (talk: Talk): boolean =>
    talks.find(talk.sessionId, { ...callerOf(''), via: 'direct' }) === talk
  const first = open('one')
  now = 300_000
  const second = open('two')
  now = 600_000
  assert.equal('status' in talks.begin(), true)
  now = 600_001
  open('three')
  assert.deepEqual([isOpen(first), isOpen(second)], [false, true])
})

test('where all sessions are there, those that are nobody’s make room before long, however they are listened to', () => {
  requirement('guard.stdio-sessions-shared')
  let now = 0
  const talks = createTalks({ standby: standbyOf(async () => {}), sessionsMax: 2, now: () => now })
  const first = talks.begin()
  assert.ok(first instanceof Talk)
  first.listen(new ServerResponse(new IncomingMessage(new Socket())))
  now = 30_000
  assert.ok(talks.begin() instanceof Talk)
  assert.equal('status' in talks.begin(), true)
  now = 30_001
  assert.ok(talks.begin() instanceof Talk)
})

test('of the sessions no caller, namespace or tenant takes so many that none is left for the next', async () => {
  requirement('guard.stdio-sessions-shared')
  const talks = createTalks({ standby: standbyOf(async () => {}), sessionsMax: 16, now: () => 0 })
  const mine: Talk[] = []
  /** As many as they get, one after the other in turns; what ended it. */
  const takeAll = (...callers: readonly VerifiedCaller[]): readonly [number, string] => {
    for (let count = 0; ; count += 1) {
      const caller = callers[count % callers.length] ?? assert.fail()
      const begun = talks.begin()
      const found = begun instanceof Talk ? talks.find(begun.sessionId, caller) : begun
      if (!(found instanceof Talk)) return [count, found.message]
      mine.push(found)
    }
  }
  const one = callerOf('spiffe://a/ns/b/sa/one', 'acme')
  assert.deepEqual(takeAll(one), [7, 'share of the identity is used up: sessions'])
  // What it was refused is no session any more, and the next one has room.
  const beside = callerOf('spiffe://a/ns/b/sa/two', 'acme')
  assert.deepEqual(takeAll(beside), [1, 'share of the namespace is used up: sessions'])
  const tenant = callerOf('spiffe://a/ns/c/sa/one', 'acme')
  assert.deepEqual(takeAll(tenant), [1, 'share of the tenant is used up: sessions'])
  for (const next of ['spiffe://a/ns/d/sa/one', 'spiffe://other/ns/b/sa/one']) {
    assert.ok(takeAll(callerOf(next, next.includes('other') ? 'acme' : 'globex'))[0] > 0)
  }
  // A session that ends gives back what it took.
  for (const talk of mine) talks.end(talk)
  await nextTurn()
  assert.equal(takeAll(one)[0], 7)
})

test('a session is of whom its first token names, and of nobody else', () => {
  requirement('guard.stdio-sessions-bounded')
  const talks = createTalks({ standby: standbyOf(async () => {}), sessionsMax: 16, now: () => 0 })
  const talk = talks.begin()
  assert.ok(talk instanceof Talk)
  const { sessionId } = talk
  const gateway: VerifiedCaller = { ...callerOf('spiffe://a/ns/g/sa/g'), via: 'direct' }
  assert.equal(talks.find(sessionId, gateway), talk)
  assert.equal(talks.find(sessionId, callerOf('spiffe://a/ns/b/sa/one')), talk)
  const other = talks.find(sessionId, callerOf('spiffe://a/ns/b/sa/two'))
  assert.equal('status' in other && other.status, 404)
  assert.equal(talks.find(sessionId, gateway), talk)
})
