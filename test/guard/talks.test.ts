import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Child } from '../../src/guard/child.ts'
import type { Standby } from '../../src/guard/standby.ts'
import { Talk } from '../../src/guard/talk.ts'
import { createTalks } from '../../src/guard/talks.ts'
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
  const caller = { via: 'direct', spiffeId: 'spiffe://a/b', models: [], toolScopes: [] } as const
  const isOpen = (talk: object): boolean =>
    talk instanceof Talk &&
    talks.find(talk.sessionId, { ...caller, allowsModel: () => false }) === talk
  const first = talks.begin()
  now = 300_000
  const second = talks.begin()
  now = 600_000
  assert.equal('status' in talks.begin(), true)
  now = 600_001
  assert.equal(isOpen(talks.begin()), true)
  assert.deepEqual([isOpen(first), isOpen(second)], [false, true])
})
