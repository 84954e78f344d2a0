import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HistoryTurn } from '../../../src/gateway/history/history-store.ts'
import { createKeptHistory, createOwnHistory } from '../../../src/gateway/history/kept-history.ts'
import type { Account } from '../../../src/shares.ts'
import type { Soon } from '../../../src/gateway/soon.ts'
import type { KeptFacts } from '../../../src/policy/history.ts'
import { requirement } from '../../requirements.ts'

const shares = { tenantSharePercent: 50, namespaceSharePercent: 40, identitySharePercent: 25 }
const reader: Account = ['acme', 'agents', 'spiffe://example.test/ns/agents/sa/reader']

const facts = (at: number): KeptFacts => new Map([['calls', [at]]])

interface Bench {
  readonly store: ReturnType<typeof createKeptHistory>
  at: number
  /** What waits for its time. */
  readonly timers: (() => void)[]
}

function open(historyIdentitiesMax = 64): Bench {
  const timers: (() => void)[] = []
  const bench: Bench = {
    at: 0,
    timers,
    store: createKeptHistory({
      ...shares,
      historyIdentitiesMax,
      now: () => bench.at,
      after(_milliseconds, work) {
        timers.push(work)
        return () => {
          const index = timers.indexOf(work)
          if (index >= 0) timers.splice(index, 1)
        }
      },
    }),
  }
  return bench
}

function atOnce(turn: Soon<HistoryTurn | undefined>): HistoryTurn {
  assert.ok(turn !== undefined && !(turn instanceof Promise))
  return turn
}

test('what was kept of an identity is there for the next turn, and of no other identity', () => {
  const { store } = open()
  const turn = atOnce(store.take(reader))
  assert.equal(turn.kept.size, 0)
  assert.equal(turn.keep(facts(1), 1000), 'kept')
  assert.deepEqual(atOnce(store.take(reader)).kept, facts(1))
  assert.equal(atOnce(store.take(['acme', 'agents', 'spiffe://x/ns/a/sa/other'])).kept.size, 0)
})

test('who comes while somebody has the turn waits for it, and finds what that one has kept', async () => {
  requirement('policy.history-no-race')
  const { store } = open()
  const first = atOnce(store.take(reader))
  const second = store.take(reader)
  const third = store.take(reader)
  assert.ok(second instanceof Promise && third instanceof Promise)
  assert.equal(first.keep(facts(1), 1000), 'kept')
  const next = await second
  assert.deepEqual(next?.kept, facts(1))
  next?.end()
  assert.deepEqual((await third)?.kept, facts(1))
})

test('whoever holds a turn for too long while others wait has lost it, and keeps nothing any more', async () => {
  requirement('policy.history-no-race')
  const bench = open()
  const slow = atOnce(bench.store.take(reader))
  assert.equal(bench.timers.length, 0)
  const waiting = bench.store.take(reader)
  const last = bench.store.take(reader)
  assert.equal(bench.timers.length, 1)
  bench.timers[0]?.()
  const turn = await waiting
  assert.equal(slow.keep(facts(1), 1000), 'late')
  slow.end()
  assert.equal(turn?.keep(facts(2), 1000), 'kept')
  assert.deepEqual((await last)?.kept, facts(2))
  assert.equal(turn?.keep(facts(3), 1000), 'late')
})

test('a turn ends once', () => {
  const { store } = open()
  const turn = atOnce(store.take(reader))
  turn.end()
  assert.equal(turn.keep(facts(1), 1000), 'late')
  const next = atOnce(store.take(reader))
  turn.end()
  assert.ok(store.take(reader) instanceof Promise)
  next.end()
})

test('where there is no room nothing new is kept, and nothing that counts is forgotten for it', () => {
  requirement('policy.history-bounded')
  const bench = open(16)
  const accountOf = (index: number): Account => [`t${index}`, `n${index}`, `id${index}`]
  const outcomes = Array.from({ length: 40 }, (_, index) =>
    atOnce(bench.store.take(accountOf(index))).keep(facts(index), 1000),
  )
  assert.equal(outcomes.filter((outcome) => outcome === 'kept').length, 16)
  assert.deepEqual(outcomes.at(-1), { full: 'gateway' })
  assert.deepEqual(atOnce(bench.store.take(accountOf(0))).kept, facts(0))
  // Whoever is kept already is kept on.
  assert.equal(atOnce(bench.store.take(accountOf(1))).keep(facts(7), 5000), 'kept')
  assert.equal(bench.store.size, 16)
  bench.at = 1000
  assert.equal(atOnce(bench.store.take(accountOf(39))).keep(facts(39), 5000), 'kept')
  assert.equal(bench.store.size, 2)
})

test('identities of one tenant leave room for others', () => {
  requirement('policy.history-bounded')
  const { store } = open(64)
  const outcomes = Array.from({ length: 64 }, (_, index) =>
    atOnce(store.take(['acme', `n${index % 8}`, `id${index}`])).keep(facts(index), 1000),
  )
  assert.deepEqual(outcomes.at(-1), { full: 'tenant' })
  assert.equal(atOnce(store.take(['globex', 'n', 'other'])).keep(facts(1), 1000), 'kept')
})

test('what has passed is gone', () => {
  const bench = open()
  assert.equal(atOnce(bench.store.take(reader)).keep(facts(1), 1000), 'kept')
  bench.at = 1000
  assert.equal(atOnce(bench.store.take(reader)).kept.size, 0)
  assert.equal(bench.store.size, 0)
})

test('several processes do not keep beside each other', () => {
  requirement('policy.history-shared')
  const how = { ...shares, historyIdentitiesMax: 16, now: () => 0 }
  assert.ok(createOwnHistory(how) !== undefined)
  assert.equal(createOwnHistory({ ...how, workers: 2 }), undefined)
})
