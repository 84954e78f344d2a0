import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { Answering } from '../../../src/gateway/upstream/http/connection.ts'
import type { Ending, Listener } from '../../../src/gateway/upstream/hearing.ts'
import type { Guest } from '../../../src/gateway/seats.ts'
import { createListenings } from '../../../src/gateway/upstream/listenings.ts'
import type { Upstream } from '../../../src/gateway/upstream/upstream.ts'
import type { Change, ChangeFilter } from '../../../src/mcp/changes.ts'
import { requirement } from '../../requirements.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'
import { subscriptionId } from '../world/listening.ts'

const tools = { lists: ['tools'], uris: [] } as const satisfies ChangeFilter
const octetsMax = 64 * 1024
const account = ['tenant', 'namespace', 'identity'] as const

interface Opened {
  readonly id: string
  readonly filter: unknown
  isEnded: boolean
  says(octets: string): void
  tells(method: string, params?: object): void
}

/** An upstream of which a test has the other end. */
function openUpstream(): { readonly upstream: Upstream; readonly opened: Opened[] } {
  const opened: Opened[] = []
  const upstream: Upstream = {
    ...fakeUpstream(() => undefined),
    send({ body }, answering: Answering) {
      const { id, params } = JSON.parse(body?.toString('utf8') ?? '') as {
        readonly id: string
        readonly params: { readonly notifications: unknown }
      }
      const end = (): void => {
        one.isEnded = true
      }
      const says = (octets: string): void => {
        answering.data(Buffer.from(octets))
      }
      const one: Opened = {
        id,
        filter: params.notifications,
        isEnded: false,
        says,
        tells(method, given = {}) {
          const message = { jsonrpc: '2.0', method, params: { ...given, _meta: meta(id) } }
          says(`data: ${JSON.stringify(message)}\n\n`)
        },
      }
      queueMicrotask(() => {
        answering.begun()
        answering.head({
          status: 200,
          headers: { 'content-type': 'text/event-stream' },
          framing: 'until close',
          keeps: false,
          closes: true,
          idleMilliseconds: 0,
        })
        opened.push(one)
      })
      return { resume: () => {}, abort: end, leave: end }
    },
  }
  return { upstream, opened }
}

const meta = (id: string): object => ({ [subscriptionId]: id })

/** Writes down what it is told. */
function listener(): Listener & { readonly seen: (Change | ChangeFilter | Ending)[] } {
  const seen: (Change | ChangeFilter | Ending)[] = []
  const see = (told: Change | ChangeFilter | Ending): void => {
    seen.push(told)
  }
  return { seen, acknowledged: see, changed: see, ended: see }
}

async function acknowledge({ opened }: ReturnType<typeof openUpstream>): Promise<Opened> {
  await new Promise(setImmediate)
  const one = opened.at(-1)
  assert.ok(one)
  one.tells('notifications/subscriptions/acknowledged', { notifications: one.filter })
  return one
}

describe('what an upstream tells of changes', () => {
  test('is told to a thousand that listen, by one subscription, in several turns of the loop', async () => {
    requirement('gateway.changes-of-own-subscription')
    const listenings = createListenings({ octetsMax, listChanged: () => {} })
    const behind = openUpstream()
    const all = Array.from({ length: 1000 }, listener)
    const leaves = all.map((each) =>
      listenings.listen({ upstream: behind.upstream, account }, tools, each),
    )
    const one = await acknowledge(behind)
    one.tells('notifications/tools/list_changed')
    const told = (): number => all.filter(({ seen }) => seen.length === 2).length
    assert.ok(told() < 100)
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
    assert.equal(told(), 1000)
    assert.equal(behind.opened.length, 1)
    for (const each of leaves) each()
    assert.equal(one.isEnded, true)
    // The next one begins anew.
    const next = listener()
    const leave = listenings.listen({ upstream: behind.upstream, account }, tools, next)
    await acknowledge(behind)
    assert.equal(behind.opened.length, 2)
    assert.deepEqual(next.seen, [tools])
    leave()
  })

  test('is told a few times a second, however often it is said', async (context: TestContext) => {
    requirement('gateway.changes-bounded')
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const listenings = createListenings({ octetsMax, listChanged: () => {} })
    const behind = openUpstream()
    const one = listener()
    const leave = listenings.listen({ upstream: behind.upstream, account }, tools, one)
    const stream = await acknowledge(behind)
    for (let at = 0; at < 10_000; at += 1) stream.tells('notifications/tools/list_changed')
    assert.equal(one.seen.length, 2)
    context.mock.timers.tick(250)
    assert.equal(one.seen.length, 3)
    context.mock.timers.tick(250)
    assert.equal(one.seen.length, 3)
    leave()
  })

  test('of more than may be asked for at once ends the subscription', async () => {
    const listenings = createListenings({ octetsMax, listChanged: () => {} })
    const behind = openUpstream()
    const one = listener()
    listenings.listen({ upstream: behind.upstream, account }, tools, one)
    const stream = await acknowledge(behind)
    stream.says(`data: {"jsonrpc":"2.0","method":"${'x'.repeat(octetsMax)}`)
    assert.equal(stream.isEnded, true)
    const [, ended] = one.seen as readonly Ending[]
    assert.ok(ended?.kind === 'failed')
    assert.match(ended.failure.detail, /answer is too large/)
  })

  test('that never comes is given up', async (context: TestContext) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const listenings = createListenings({ octetsMax, listChanged: () => {} })
    const behind = openUpstream()
    const one = listener()
    listenings.listen({ upstream: behind.upstream, account }, tools, one)
    await new Promise(setImmediate)
    context.mock.timers.tick(60_000)
    const [ended] = one.seen as readonly Ending[]
    assert.equal(ended?.kind, 'failed')
    assert.equal(behind.opened[0]?.isEnded, true)
  })

  for (const [what, octets] of [
    ['is no JSON', '{'],
    ['has a member twice', '{"jsonrpc":"2.0","jsonrpc":"2.0","method":"notifications/x"}'],
    ['answers another request', '{"jsonrpc":"2.0","id":"other","result":{}}'],
    ['is no message', '{"jsonrpc":"2.0"}'],
  ] as const) {
    test(`that ${what} ends the subscription`, async () => {
      const listenings = createListenings({ octetsMax, listChanged: () => {} })
      const behind = openUpstream()
      const one = listener()
      listenings.listen({ upstream: behind.upstream, account }, tools, one)
      const stream = await acknowledge(behind)
      stream.says(`data: ${octets}\n\n`)
      const [, ended] = one.seen as readonly Ending[]
      assert.equal(ended?.kind, 'failed')
      assert.equal(stream.isEnded, true)
    })
  }
})

test('at a legacy server it is begun on the share of whoever asks for it first', async () => {
  requirement('gateway.changes-shared')
  const fake = fakeUpstream(() => undefined)
  const upstream: Upstream = { ...fake, config: { ...fake.config, eras: ['legacy'] } }
  const guest = (): Guest => ({ account, seated: () => {}, turnedAway: () => {} })
  while (upstream.seats.take(guest()));
  const ended = Promise.withResolvers<Ending>()
  const listener = { acknowledged: () => {}, changed: () => {}, ended: ended.resolve }
  const listenings = createListenings({ octetsMax, listChanged: () => {} })
  listenings.listen({ upstream, account }, tools, listener)
  const ending = await ended.promise
  assert.equal(ending.kind === 'failed' && ending.failure.failed, 'share used up')
  assert.deepEqual(fake.received, [])
})
