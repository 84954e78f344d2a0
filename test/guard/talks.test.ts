import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Child } from '../../src/guard/child.ts'
import { Talk } from '../../src/guard/talk.ts'
import { createTalks } from '../../src/guard/talks.ts'
import { requirement } from '../requirements.ts'

test('where all sessions are there, those that nobody has used for ten minutes make room', () => {
  requirement('guard.stdio-sessions-bounded')
  let now = 0
  const take = (): Child => ({
    lines: { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) },
    isAlive: () => true,
    ended: new Promise(() => {}),
    write: () => true,
    say: () => {},
    async [Symbol.asyncDispose]() {},
  })
  const standby = {
    take,
    state: () => ({ ok: true, reason: '' }),
    async [Symbol.asyncDispose]() {},
  }
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
