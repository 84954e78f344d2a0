import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { silentLog } from '../../../src/log.ts'
import type { Decision } from '../../../src/policy/decision.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy, type Reply } from '../world/client.ts'
import {
  asked,
  clientOf,
  grantsOfOpen,
  legacyOnly,
  ok,
  openOne,
  sessionAt,
  wanted,
  type Script,
} from '../world/eras.ts'
import { openUpstream, type JsonMessage } from '../world/upstream.ts'
import type { World, WorldOptions } from '../world/world.ts'

/*
 * What an agent has subscribed to at the door of all, when its server has lost the session and another one is opened.
 */

const uriOf = (name: string | number): string => `test://open/${name}`

interface Open extends AsyncDisposable {
  readonly world: World
  readonly warned: unknown[]
  /** Its server forgets all sessions, as one that begins anew. */
  forget(): void
  ask(method: string, params?: Record<string, unknown>): Promise<Reply>
  /** The agent ends its session, on another connection. */
  end(): Promise<void>
  subscribe(name: string | number): Promise<void>
  /** What its server has been asked since, without what opens a session. */
  since(): readonly (JsonMessage & { readonly session: unknown; readonly token: unknown })[]
  /** What it has been asked to tell of since. */
  subscribed(): readonly string[]
}

async function open(script: Script = ok, more: WorldOptions = {}): Promise<Open> {
  const { answer, sessions } = legacyOnly(script)
  const warned: unknown[] = []
  const warn = (fields: object, message: string): void => void warned.push({ ...fields, message })
  const log = { ...silentLog, warn }
  const world = await openOne('legacy', answer, { grants: grantsOfOpen, log, ...more })
  const ofOne = { ...wanted, podUid: 'pod' }
  const [agent, other] = [await world.agent(ofOne), await world.agent(ofOne)]
  const session = await sessionAt(agent, '/mcp')
  let id = 1
  const ask: Open['ask'] = (method, params) => {
    const { body, headers } = legacy(method, params, { session, id: (id += 1) })
    return agent.post('/mcp', body, headers)
  }
  let before = 0
  const since: Open['since'] = () =>
    (world.upstreams['files']?.received ?? [])
      .slice(before)
      .filter(({ body }) => body !== '' && !body.includes('initialize'))
      .map(({ body, headers }) => ({
        ...(JSON.parse(body) as JsonMessage),
        session: headers['mcp-session-id'],
        token: headers['txn-token'],
      }))
  return {
    world,
    warned,
    ask,
    async end() {
      const headers = { 'mcp-session-id': session }
      const { status } = await other.send({ method: 'DELETE', path: '/mcp', headers })
      assert.equal(status, 204)
    },
    async subscribe(name) {
      const { json, text } = await ask('resources/subscribe', { uri: `files+${uriOf(name)}` })
      assert.deepEqual(json.result, { content: [] }, text)
    },
    forget() {
      sessions.clear()
      before = world.upstreams['files']?.received.length ?? 0
    },
    since,
    subscribed: () =>
      since()
        .filter(({ method }) => method === 'resources/subscribe')
        .map(({ params }) => String(params?.['uri']))
        .toSorted(),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

const echo = { name: 'files_echo', arguments: {} }

for (const [method, params] of [
  ['tools/call', echo],
  ['tools/list', {}],
  ['resources/unsubscribe', { uri: `files+${uriOf('c')}` }],
] as const) {
  test(`what a lost session had subscribed to is subscribed to in the next before ${method}, each by a decision and a token of its own`, async () => {
    requirement('gateway.subscriptions-renewed')
    await using at = await open()
    for (const name of ['a', 'b', 'c', 'd']) await at.subscribe(name)
    const { result } = (await at.ask('resources/unsubscribe', { uri: `files+${uriOf('d')}` })).json
    assert.ok(result)
    at.forget()
    const before = at.world.events.length
    const reply = await at.ask(method, { ...params })
    assert.ok(reply.json.result, reply.text)
    const uris = ['a', 'b', 'c'].map(uriOf)
    assert.deepEqual(at.subscribed(), uris)
    const subscribing = at.since().filter((each) => each.method === 'resources/subscribe')
    const inNew = at.since().filter(({ session }) => session === subscribing[0]?.session)
    assert.deepEqual(
      inNew.map((each) => each.method),
      [...subscribing.map((each) => each.method), method],
    )
    const decided = at.world.events.slice(before).map(({ decisionId }) => decisionId)
    const claims = subscribing.map(({ token }) => claimsOf(token))
    assert.deepEqual(
      claims.map(({ tctx }) => tctx.targetSha256).toSorted(),
      uris.map((uri) => hash('sha256', uri, 'base64url')).toSorted(),
    )
    assert.equal(new Set(claims.map(({ txn }) => txn)).size, 3)
    for (const { sub, txn, scope, tctx } of claims) {
      assert.equal(sub, 'spiffe://test.example/ns/agents/sa/agent')
      assert.ok(decided.includes(txn))
      assert.equal(scope, 'files')
      assert.equal(tctx.method, 'resources/subscribe')
    }
    assert.deepEqual(at.warned, [])
    // All that was asked of the session that is lost is asked of the next that is.
    at.forget()
    await at.ask('tools/call', echo)
    const left = method === 'resources/unsubscribe' ? uris.slice(0, 2) : uris
    assert.deepEqual(at.subscribed(), left)
  })
}

test('what policy denies now is not renewed, nor asked of a server, nor had any more', async () => {
  requirement('gateway.subscriptions-renewed')
  let isShut = false
  await using at = await open(ok, {
    authorizer: (real) => ({
      ...real,
      decide(texts) {
        const evaluated = real.decide(texts)
        const isDenied = isShut && texts.resource.includes(uriOf('b'))
        const value = { ...evaluated.value, allow: !isDenied && evaluated.value.allow } as Decision
        return { ...evaluated, value, result: value }
      },
    }),
  })
  for (const name of ['a', 'b']) await at.subscribe(name)
  isShut = true
  at.forget()
  await at.ask('tools/call', echo)
  assert.deepEqual(at.subscribed(), [uriOf('a')])
  const subject = 'spiffe://test.example/ns/agents/sa/agent'
  const told = { server: 'files', subject, dropped: 1, message: 'subscriptions are not renewed' }
  assert.deepEqual(at.warned, [told])
  isShut = false
  at.forget()
  await at.ask('tools/call', echo)
  assert.deepEqual(at.subscribed(), [uriOf('a')])
})

test('what only an approval permits is not renewed, and what is limited counts for nothing', async () => {
  requirement('gateway.subscriptions-renewed')
  let isAsked = false
  const approval = { id: 'look', type: 'approval', properties: { seconds: 60 } } as const
  const properties = { per: ['identity'], calls: 4, seconds: 3600 }
  const limit = { id: 'few', type: 'rate-limit', properties } as const
  const [looked, limited] = [[approval], [limit]]
  await using at = await open(ok, {
    authorizer: (real) => ({
      ...real,
      decide(texts) {
        const evaluated = real.decide(texts)
        const isLooked = isAsked && texts.resource.includes(uriOf('b'))
        const obligations = isLooked ? looked : limited
        const value = { ...evaluated.value, obligations } as Decision
        return { ...evaluated, value, result: value }
      },
    }),
  })
  for (const name of ['a', 'b']) await at.subscribe(name)
  isAsked = true
  at.forget()
  assert.ok((await at.ask('tools/call', echo)).json.result)
  assert.deepEqual(at.subscribed(), [uriOf('a')])
})

test('what its server does not take any more is not had any more', async () => {
  requirement('gateway.subscriptions-renewed')
  const gone = new Set<unknown>()
  await using at = await open(({ params }, say) => {
    if (gone.has(params?.['uri'])) say.error('{"code":-32002,"message":"no"}')
    else say.result('{"content":[]}')
  })
  for (const name of ['a', 'b']) await at.subscribe(name)
  gone.add(uriOf('b'))
  at.forget()
  await at.ask('tools/call', echo)
  assert.deepEqual(at.subscribed(), ['a', 'b'].map(uriOf))
  assert.equal(at.warned.length, 1)
  gone.clear()
  at.forget()
  await at.ask('tools/call', echo)
  assert.deepEqual(at.subscribed(), [uriOf('a')])
})

test('a session that is lost again while it is renewed loses nothing that was asked of it', async () => {
  requirement('gateway.subscriptions-renewed')
  let forgets = false
  await using at = await open(({ method }, say) => {
    if (forgets && method === 'resources/subscribe') {
      at.forget()
      say.response.writeHead(404).end()
    } else say.result('{"content":[]}')
  })
  for (const name of ['a', 'b']) await at.subscribe(name)
  forgets = true
  at.forget()
  assert.ok((await at.ask('tools/call', echo)).json.error)
  forgets = false
  at.forget()
  assert.ok((await at.ask('tools/call', echo)).json.result)
  assert.deepEqual(at.subscribed(), ['a', 'b'].map(uriOf))
  assert.deepEqual(at.warned, [])
})

test('a server that does not say whether it takes them keeps nobody waiting, and is asked a few at once', async () => {
  requirement('gateway.subscriptions-renewed')
  const waiting: ServerResponse[] = []
  let hangs = false
  await using at = await open(
    ({ method }, say) => {
      if (hangs && method === 'resources/subscribe') waiting.push(say.response)
      else say.result('{"content":[]}')
    },
    {
      upstreams: (all) => all.map((each) => ({ ...each, eras: ['legacy'], timeoutSeconds: 2 })),
    },
  )
  for (let number = 0; number < 20; number += 1) await at.subscribe(number)
  hangs = true
  at.forget()
  assert.ok((await at.ask('tools/call', echo)).json.result)
  assert.equal(waiting.length, 8)
  assert.equal(at.subscribed().length, 8)
  assert.equal(at.warned.length, 1)
  await eventually('nobody waits for them', () => waiting.every(({ destroyed }) => destroyed))
})

test('what its client has ended meanwhile is asked for no more', async () => {
  requirement('gateway.subscriptions-renewed')
  const waiting: (() => void)[] = []
  let hangs = false
  await using at = await open(({ method }, { result }) => {
    const answer = (): void => result('{"content":[]}')
    if (hangs && method === 'resources/subscribe') waiting.push(answer)
    else answer()
  })
  for (let number = 0; number < 20; number += 1) await at.subscribe(number)
  hangs = true
  at.forget()
  const calling = at.ask('tools/call', echo)
  await eventually('it is renewed', () => waiting.length === 8)
  await at.end()
  for (const answer of waiting.splice(0)) answer()
  await calling
  assert.equal(at.subscribed().length, 8)
  assert.deepEqual(at.warned, [])
})

test('who is gone is not subscribed for', async () => {
  requirement('gateway.subscriptions-renewed')
  let opens = (): void => {}
  const { answer, sessions } = legacyOnly(ok)
  await using world = await openOne(
    'legacy',
    (message, response, request) => {
      if (message.method === 'notifications/initialized') opens()
      answer(message, response, request)
    },
    { grants: grantsOfOpen },
  )
  const ask = await clientOf('legacy', await world.agent(wanted), '/mcp')
  assert.ok((await ask('resources/subscribe', { uri: `files+${uriOf('a')}` }, 2)).json.result)
  sessions.clear()
  // Whether its certificate is revoked is not known any more when a token has been signed.
  opens = () => (world.stale.revocations = 3600)
  await ask('tools/call', echo, 3)
  assert.equal(asked(world, 'files', 'resources/subscribe').length, 1)
})

test('a server that has the name of another is not told what was subscribed to there', async () => {
  requirement('gateway.subscriptions-renewed')
  await using at = await open()
  await at.subscribe('a')
  const { identities, gateway } = at.world
  const credential = identities.issue({
    namespace: 'tools',
    serviceAccount: 'other',
    role: 'tool-server',
  })
  const { answer, sessions } = legacyOnly(ok)
  await using other = await openUpstream({ credential, bundle: identities.bundle, answer })
  const spiffeId = parseSpiffeId(credential.svid.spiffeId.uri)
  gateway.replaceUpstreams([{ server: 'files', url: other.url, spiffeId, eras: ['legacy'] }])
  assert.ok((await at.ask('tools/call', echo)).json.result)
  sessions.clear()
  assert.ok((await at.ask('tools/call', echo)).json.result)
  assert.ok(!other.received.some(({ body }) => body.includes('subscribe')))
})

interface Claims {
  readonly sub: string
  readonly txn: string
  readonly scope: string
  readonly tctx: { readonly method: string; readonly targetSha256: string }
}

function claimsOf(token: unknown): Claims {
  assert.equal(typeof token, 'string')
  const claims = Buffer.from(String(token).split('.')[1] ?? '', 'base64url')
  return JSON.parse(claims.toString()) as Claims
}
