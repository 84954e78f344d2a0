import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createCarriedHistory,
  serveHistory,
  type CarriedHistory,
  type HistoryAsk,
} from '../../../src/gateway/history/carried-history.ts'
import { createKeptHistory } from '../../../src/gateway/history/kept-history.ts'
import type { Account } from '../../../src/shares.ts'
import type { KeptFacts } from '../../../src/policy/history.ts'
import { requirement } from '../../requirements.ts'

const shares = { tenantSharePercent: 50, namespaceSharePercent: 40, identitySharePercent: 25 }
const reader: Account = ['acme', 'agents', 'spiffe://example.test/ns/agents/sa/reader']
const facts = (...times: readonly number[]): KeptFacts => new Map([['calls', times]])

interface Processes {
  /** Another process that asks the one. */
  readonly worker: (number: number) => CarriedHistory
  readonly server: ReturnType<typeof serveHistory>
  readonly asked: HistoryAsk[]
}

/** What crosses between processes is a copy. */
function open(): Processes {
  const server = serveHistory(
    createKeptHistory({ ...shares, historyIdentitiesMax: 64, now: () => 0, after: () => () => {} }),
  )
  const asked: HistoryAsk[] = []
  return {
    server,
    asked,
    worker(number) {
      const history: CarriedHistory = createCarriedHistory({
        after: () => () => {},
        send(ask) {
          asked.push(ask)
          void server.hear(number, structuredClone(ask), (answer) => {
            history.hear(structuredClone(answer))
          })
        },
      })
      return history
    },
  }
}

test('of calls in several workers each finds what the one before has kept', async () => {
  requirement('policy.history-shared')
  const { worker } = open()
  const workers = [worker(1), worker(2), worker(3)]
  const seen: number[] = []
  async function call(history: CarriedHistory | undefined): Promise<void> {
    const turn = await history?.take(reader)
    const times = turn?.kept.get('calls') ?? []
    seen.push(times.length)
    assert.equal(await turn?.keep(facts(...times, times.length), 1000), 'kept')
  }
  await Promise.all(Array.from({ length: 12 }, (_, index) => call(workers[index % 3])))
  assert.deepEqual(
    seen,
    Array.from({ length: 12 }, (_, index) => index),
  )
})

test('a turn with nothing to keep ends there, too', async () => {
  const { worker } = open()
  const first = await worker(1).take(reader)
  const second = worker(2).take(reader)
  first?.end()
  first?.end()
  assert.equal(await first?.keep(facts(1), 1000), 'late')
  assert.equal((await second)?.kept.size, 0)
})

test('the turns of a worker that has ended are the next ones’, and nothing is answered to it', async () => {
  requirement('policy.history-shared')
  const processes = open()
  const { worker } = processes
  const dead = await worker(1).take(reader)
  const other = worker(2).take(reader)
  void worker(1).take(reader)
  processes.server.gone(1)
  const turn = await other
  assert.equal(await turn?.keep(facts(1), 1000), 'kept')
  assert.equal(await dead?.keep(facts(2), 1000), 'late')
  assert.deepEqual((await worker(1).take(reader))?.kept, facts(1))
})

test('where there is no answer in time nothing is known, and nothing is kept', async () => {
  requirement('policy.history-kept-first')
  const sent: HistoryAsk[] = []
  const timers: (() => void)[] = []
  const history = createCarriedHistory({
    send: (ask) => void sent.push(ask),
    after(_milliseconds, work) {
      timers.push(work)
      return () => {}
    },
  })
  const lost = history.take(reader)
  timers.shift()?.()
  assert.equal(await lost, undefined)
  assert.deepEqual(
    sent.map(({ kind }) => kind),
    ['take', 'end'],
  )
  const given = history.take(reader)
  const { ask = '' } = sent.at(-1) ?? {}
  history.hear({ kind: 'turn', ask: 'too late', kept: facts(9) })
  assert.deepEqual(sent.at(-1), { kind: 'end', ask: 'too late' })
  history.hear({ kind: 'turn', ask, kept: facts(1) })
  const turn = await given
  assert.deepEqual(turn?.kept, facts(1))
  const kept = turn?.keep(facts(1, 2), 1000)
  timers.at(-1)?.()
  assert.equal(await kept, 'late')
})
