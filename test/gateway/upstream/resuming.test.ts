import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { createResuming } from '../../../src/gateway/upstream/resuming.ts'
import { collectAnswer } from '../../../src/gateway/upstream/collect.ts'
import type { UpstreamRequest } from '../../../src/gateway/upstream/upstream.ts'
import { fakeUpstream, type FakeAnswer } from '../world/fake-upstream.ts'
import { requirement } from '../../requirements.ts'

const inSession: UpstreamRequest = {
  headers: ['accept', 'a', 'mcp-session-id', 's1', 'txn-token', 'secret', 'mcp-method', 'm'],
  body: Buffer.from('{}'),
}

function resuming(t: TestContext): {
  sent: UpstreamRequest[]
  next: (id: string, retry?: number) => boolean
  end: () => void
} {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const sent: UpstreamRequest[] = []
  const made = createResuming(inSession, (rest) => sent.push(rest))
  return {
    sent,
    next: (lastEventId, retryMilliseconds) => made.next({ lastEventId, retryMilliseconds }),
    end: () => made.end(),
  }
}

suite('the rest of a stream', () => {
  for (const [title, retry, milliseconds] of [
    ['a second, where the server says nothing', undefined, 1000],
    ['as long as the server says', 2500, 2500],
    ['no shorter than would be a loop', 0, 100],
    ['no longer than anybody waits', 999_999_999, 30_000],
  ] as const) {
    test(`is waited for: ${title}`, (t) => {
      requirement('gateway.rest-of-streams-bounded')
      const { sent, next } = resuming(t)
      assert.equal(next('e1', retry), true)
      t.mock.timers.tick(milliseconds - 1)
      assert.equal(sent.length, 0)
      t.mock.timers.tick(1)
      assert.equal(sent.length, 1)
    })
  }

  test('is asked for in the session, from the last event on, and with nothing else of the call', (t) => {
    const { sent, next } = resuming(t)
    next('e 1')
    t.mock.timers.tick(1000)
    const headers = ['accept', 'a', 'mcp-session-id', 's1', 'last-event-id', 'e 1']
    assert.deepEqual(sent, [{ method: 'GET', headers, body: null }])
  })

  test('is asked for four times without an event of another id', (t) => {
    requirement('gateway.rest-of-streams-bounded')
    const { next } = resuming(t)
    const asked = (id: string): number => {
      for (let times = 0; times < 20; times += 1) if (!next(id)) return times
      return 20
    }
    assert.equal(asked('e1'), 5)
    assert.equal(asked('e2'), 5)
  })

  test('is not asked for any more when the call has ended, or outside of a session', (t) => {
    const { sent, next, end } = resuming(t)
    next('e1')
    end()
    t.mock.timers.tick(60_000)
    assert.deepEqual(sent, [])
    const outside = createResuming({ headers: ['accept', 'a'], body: null }, () => assert.fail())
    assert.equal(outside.next({ lastEventId: 'e1', retryMilliseconds: 0 }), false)
  })
})

const answer = '{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}'
const events = { 'content-type': 'text/event-stream' }

/** What is collected of a server that says these, one after the other. */
async function collected(...said: readonly FakeAnswer[]): Promise<unknown> {
  let asked = 0
  const upstream = fakeUpstream(() => said[asked++])
  const request = { headers: ['mcp-session-id', 's1'], body: Buffer.from('{}') }
  const given = await collectAnswer({
    upstream,
    asked: { era: 'legacy', method: 'tools/list', id: { value: 1 } },
    request,
    answerBytesMax: 1024,
  })
  return 'failed' in given ? given.detail : [given.body.toString(), upstream.received.length]
}

suite('a stream that ends before its answer', () => {
  const begun = { headers: events, body: 'id: e1\nretry: 0\ndata:\n\n' }
  const notGoneOn = (status: number): string =>
    `stream ended without a response, and its rest was answered with status ${status}`

  test('is gone on with, and what had not ended of an event is none', async () => {
    const cut = { headers: events, body: `${begun.body}data: {"jsonrpc":"2.0","id":1,"result":{}}` }
    const whole = { headers: events, body: `data: ${answer}\n\n` }
    assert.deepEqual(await collected(cut, whole), [answer, 2])
  })

  test('is over where the rest is no stream', async () => {
    requirement('gateway.rest-of-streams-judged')
    const json = { headers: { 'content-type': 'application/json' }, body: answer }
    assert.equal(await collected(begun, json), notGoneOn(200))
    for (const status of [404, 405])
      assert.equal(await collected(begun, { status, headers: {} }), notGoneOn(status))
  })

  test('is over where no event of it had an id that can be brought back', async () => {
    for (const id of ['', 'a\u0001', 'x'.repeat(513), ' a', 'ü']) {
      const without = { headers: events, body: `id: e1\ndata:\n\nid: ${id}\ndata:\n\n` }
      assert.equal(await collected(without), 'stream ended without a response', id)
    }
  })
})
