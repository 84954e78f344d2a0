import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../../../src/gateway/caller/caller.ts'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import { createSeal } from '../../../src/gateway/handle/seal.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { badRequest, refused, type Refused } from '../../../src/gateway/refusal.ts'
import { createAsks, type Asks } from '../../../src/gateway/serve/asks.ts'
import { AskCarrier, lineOfStream } from '../../../src/gateway/serve/carry-asks.ts'
import { createPages } from '../../../src/gateway/serve/pages.ts'
import { judgeUnasked } from '../../../src/gateway/upstream/judge-answer.ts'
import { silentLog, type Log } from '../../../src/log.ts'
import { requirement } from '../../requirements.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'

interface Stage {
  readonly carrier: AskCarrier
  readonly asks: Asks
  /** What the caller is asked. */
  readonly written: string[]
  /** What the server is answered. */
  readonly answered: () => readonly string[]
  /** How many are decided on, and the end of all of those decisions. */
  readonly decisions: PromiseWithResolvers<Refused | undefined>[]
  readonly logged: string[]
  readonly carry: (id: unknown, method?: string) => boolean
}

/** A stream of a server that asks its caller, where every decision takes a while. */
function open(owner = 'agent pod', isSilent = false): Stage {
  const upstream = fakeUpstream(() => (isSilent ? undefined : { status: 202 }))
  const asks = createAsks({ limits: defaultLimits, now: () => 0 })
  const written: string[] = []
  const logged: string[] = []
  const decisions: PromiseWithResolvers<Refused | undefined>[] = []
  const log: Log = { ...silentLog, error: (_, message) => void logged.push(message) }
  const seal = createSeal({ keys: oneHandleKey() })
  const account = ['acme', 'agents', 'agent'] as const
  const carrier = new AskCarrier({
    caller: { account, ended: undefined } as unknown as Caller,
    line: lineOfStream({ owner, key: 'session', door: 'mcp' }, { asks, seal }, (event) => {
      written.push(event.toString('utf8'))
    }),
    upstream,
    there: { id: 's', version: '2025-11-25', spiffeId: upstream.config.spiffeId.uri },
    taskHere: (taskId) => (taskId === 'own' ? 'sealed' : undefined),
    permits() {
      const decision = Promise.withResolvers<Refused | undefined>()
      decisions.push(decision)
      return decision.promise
    },
    parts: {
      asks,
      pages: createPages(defaultLimits),
      limits: defaultLimits,
      now: () => 0,
      decisions: { digest: () => 'policy' },
      log,
    },
  })
  return {
    carrier,
    asks,
    written,
    answered: () => upstream.received.map(({ body }) => body?.toString('utf8') ?? ''),
    decisions,
    logged,
    carry(id, method = 'roots/list') {
      const octets = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method }))
      const verdict = judgeUnasked(octets)
      assert.ok(verdict.kind === 'server request')
      return carrier.carry(verdict, octets)
    },
  }
}

/** All that follows from what has been decided. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const no = refused('response', badRequest(403, 'not this'))

test('many requests of one id are asked once, however long it takes to decide', async () => {
  requirement('gateway.asks-bounded')
  const stage = open()
  for (let times = 0; times < 30; times += 1) assert.equal(stage.carry('theirs'), true)
  assert.equal(stage.decisions.length, 1)
  stage.decisions.forEach(({ resolve }) => resolve(undefined))
  await turn()
  assert.equal(stage.written.length, 1)
  assert.equal(stage.asks.size, 1)
  assert.deepEqual(stage.answered(), [])
  stage.carrier.end()
  assert.equal(stage.asks.size, 0, 'no place of the share is left behind')
})

test('what waits for a decision counts, and has its place again once it is refused', async () => {
  requirement('gateway.asks-bounded')
  const stage = open()
  for (let id = 0; id < 20; id += 1) assert.equal(stage.carry(id), true)
  assert.equal(stage.decisions.length, 16)
  await turn()
  stage.decisions.forEach(({ resolve }) => resolve(no))
  await turn()
  assert.equal(stage.answered().length, 20)
  assert.deepEqual(stage.written, [])
  stage.carry(0)
  assert.equal(stage.decisions.length, 17)
  stage.carrier.end()
})

test('what its server takes back, or nobody waits for, before it is decided is asked of nobody', async () => {
  requirement('gateway.asked-and-answered-once')
  const stage = open()
  stage.carry('back')
  const method = 'notifications/cancelled'
  const params = { requestId: 'back' }
  stage.carrier.takeBack(Buffer.from(JSON.stringify({ jsonrpc: '2.0', method, params })))
  stage.carry('late')
  stage.carrier.end()
  stage.decisions.forEach(({ resolve }) => resolve(undefined))
  await turn()
  assert.deepEqual([stage.written, stage.answered(), stage.asks.size], [[], [], 0])
})

test('what could not be decided on is refused, and the log says so', async () => {
  requirement('gateway.asks-bounded')
  const stage = open()
  stage.carry('theirs')
  stage.decisions.forEach(({ reject }) => reject(new Error('gone')))
  await turn()
  assert.deepEqual(stage.answered(), [
    '{"jsonrpc":"2.0","id":"theirs","error":{"code":-32601,"message":"Method not found"}}',
  ])
  assert.deepEqual(stage.logged, ['request of a server broke'])
  stage.carry('theirs')
  assert.equal(stage.decisions.length, 2, 'its place is free')
  stage.carrier.end()
})

test('a request of which no answer would open, so long are the ids of both sides, is not carried, and keeps no place', async () => {
  requirement('gateway.what-is-sealed-opens')
  const stage = open('x'.repeat(4000))
  for (let times = 1; times <= 2; times += 1) {
    stage.carry('theirs')
    assert.equal(stage.decisions.length, times, 'its place is free')
    stage.decisions.forEach(({ resolve }) => resolve(undefined))
    await turn()
    assert.deepEqual([stage.written, stage.asks.size], [[], 0])
  }
  const [answer, ...more] = stage.answered()
  assert.equal(
    answer,
    '{"jsonrpc":"2.0","id":"theirs","error":{"code":-32603,"message":"ids are too long"}}',
  )
  assert.deepEqual(more, [answer])
  stage.carrier.end()
})

test('what somebody has answered is told its server when that can be told, and has its place until then', async (t) => {
  requirement('gateway.asked-and-answered-once')
  requirement('gateway.asks-bounded')
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const stage = open('agent pod', true)
  for (let id = 1; id <= 16; id += 1) assert.equal(stage.carry(id), true)
  stage.decisions.forEach(({ resolve }) => resolve(undefined))
  await turn()
  const ids = stage.written.map((event) => {
    const { id } = JSON.parse(event.replace(/^data: /, '')) as { readonly id: string }
    return id
  })
  assert.equal(ids.length, 16)
  for (let id = 101; id <= 116; id += 1) assert.equal(stage.carry(id, 'ping'), true)
  for (const id of ids) await stage.carrier.answer(id, Buffer.from('{"roots":[]}'))
  assert.equal(stage.answered().length, 16)
  assert.equal(stage.carry('more'), false, 'there is no place')
  stage.carrier.end()
  t.mock.timers.tick(5000)
  await turn()
  assert.deepEqual(
    stage.answered().slice(16),
    ids.map((_, at) => `{"jsonrpc":"2.0","id":${at + 1},"result":{"roots":[]}}`),
  )
  assert.equal(stage.carry('more', 'ping'), false, 'they are on their way')
  t.mock.timers.tick(5000)
  await turn()
  assert.equal(stage.carry('more', 'ping'), true)
})
