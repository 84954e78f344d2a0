import assert from 'node:assert/strict'
import { hash, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { modern } from '../world/client.ts'
import { grantsOfOpen, asked, legacyOnly, openOne } from '../world/eras.ts'
import { speaking } from '../world/speaking.ts'
import { listenAs, subscriptionId, type Message } from '../world/listening.ts'
import { sendJson, type Answer } from '../world/upstream.ts'
import type { World, WorldOptions } from '../world/world.ts'

/*
 * A modern agent listens to legacy servers: in one session of the gateway's own each, whoever listens to the same.
 */

const wanted = { toolScopes: 'files:*' }
const everything = {
  tools: { listChanged: true },
  prompts: { listChanged: false },
  resources: { subscribe: true, listChanged: true },
}

const toolsChanged = 'notifications/tools/list_changed'
const updated = 'notifications/resources/updated'

interface Open extends AsyncDisposable {
  readonly world: World
  /** The open streams of sessions. */
  readonly streams: ReadonlyMap<string, ServerResponse>
  /** Says this on all of them. */
  say(method: string, params?: object, id?: unknown): void
}

async function open(
  o: WorldOptions & { readonly capabilities?: object; readonly stream?: 'none' } = {},
): Promise<Open> {
  const { capabilities = everything, stream, ...more } = o
  const server = legacyOnly(({ method, params }, { result, error }) => {
    if (params?.['uri'] === 'test://open/hangs') return
    if (method !== 'resources/subscribe') error('{"code":-32601,"message":"no"}')
    else if (params?.['uri'] === 'test://open/gone') error('{"code":-32002,"message":"no"}')
    else result('{}')
  })
  const answer: Answer = (message, response, request) => {
    if (message.method === 'initialize') {
      const id = `s${server.sessions.size + 1}`
      server.sessions.add(id)
      const said = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'o' } }
      const text = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: said })
      sendJson(response, text, { 'mcp-session-id': id })
    } else if (message.method === undefined) response.writeHead(202).end()
    else server.answer(message, response, request)
  }
  const files = speaking()
  const world = await openOne('legacy', answer, {
    grants: grantsOfOpen,
    ...(stream === 'none' ? {} : { streams: { files: files.stream } }),
    ...more,
  })
  return {
    world,
    streams: files.bySession,
    say: (method, params, id) => files.say(JSON.stringify({ jsonrpc: '2.0', id, method, params })),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

function filterOf(message: Message | undefined): unknown {
  assert.equal(message?.method, 'notifications/subscriptions/acknowledged')
  return message.params?.['notifications']
}

function toldOf(messages: readonly Message[]): readonly unknown[] {
  return messages.slice(1).map(({ method, params }) => [method, params?.['uri']])
}

describe('a stream of changes of a legacy server', () => {
  for (const door of ['/mcp', '/mcp/files'] as const) {
    const here = (uri: string): string => (door === '/mcp' ? `files+${uri}` : uri)

    test(`tells at ${door} what its server offers and its caller may read, and nothing else`, async () => {
      requirement('gateway.changes-decided')
      await using at = await open()
      const agent = await at.world.agent(wanted)
      const uris = ['test://open/a', 'test://open/gone', 'test://shut/a'].map(here)
      const stream = await listenAs(
        agent,
        door,
        {
          toolsListChanged: true,
          promptsListChanged: true,
          resourceSubscriptions: uris,
        },
        'own-7',
      )
      const [first] = await stream.until(1)
      assert.deepEqual(filterOf(first), {
        toolsListChanged: true,
        resourceSubscriptions: [here('test://open/a')],
      })
      assert.deepEqual(
        asked(at.world, 'files', 'resources/subscribe')
          .map(({ body }) => String((JSON.parse(body) as Message).params?.['uri']))
          .toSorted(),
        ['test://open/a', 'test://open/gone'],
      )
      at.say(updated, { uri: 'test://open/b' })
      at.say('notifications/resources/list_changed')
      at.say('notifications/prompts/list_changed')
      at.say('roots/list', {}, 7)
      at.say(updated, { uri: 'test://open/a', secret: 1 })
      at.say(toolsChanged)
      assert.deepEqual(toldOf(await stream.until(3)), [
        [updated, here('test://open/a')],
        [toolsChanged, undefined],
      ])
      const [, told] = stream.messages
      const { _meta: meta, ...rest } = told?.params ?? {}
      assert.deepEqual(meta, { [subscriptionId]: 'own-7' })
      assert.deepEqual(rest, { uri: here('test://open/a') })
    })
  }

  test('is one for all that listen to the same, and ends with the last of them', async () => {
    requirement('gateway.changes-shared')
    await using at = await open()
    const filter = { toolsListChanged: true }
    const agents = [await at.world.agent(wanted), await at.world.agent(wanted)]
    const streams = await Promise.all(agents.map((each) => listenAs(each, '/mcp/files', filter)))
    for (const stream of streams) await stream.until(1)
    const [session, ...others] = at.streams.keys()
    assert.deepEqual(others, [])
    at.say(toolsChanged)
    for (const stream of streams) assert.equal((await stream.until(2)).length, 2)
    streams[0]?.close()
    at.say('notifications/message', { level: 'error', data: 'of nobody' })
    assert.equal(at.streams.size, 1)
    streams[1]?.close()
    await eventually('nothing is open there', () => at.streams.size === 0)
    await eventually('the session is over', () =>
      (at.world.upstreams['files']?.received ?? []).some(
        ({ method, headers }) => method === 'DELETE' && headers['mcp-session-id'] === session,
      ),
    )
  })

  test('ends where its server ends it, so that its caller listens anew', async () => {
    await using at = await open()
    const stream = await listenAs(await at.world.agent(wanted), '/mcp/files', {
      toolsListChanged: true,
    })
    await stream.until(1)
    for (const response of at.streams.values()) response.end()
    const messages = await stream.over()
    assert.equal(messages.at(-1)?.result?.['resultType'], 'complete')
  })

  test('ends where its server says only later that there is none', async () => {
    await using at = await open({
      streams: {
        files(response) {
          setTimeout(() => response.writeHead(405).end(), 1500)
        },
      },
    })
    const stream = await listenAs(await at.world.agent(wanted), '/mcp/files', {
      toolsListChanged: true,
    })
    const [first] = await stream.until(1)
    assert.deepEqual(filterOf(first), { toolsListChanged: true })
    const messages = await stream.over()
    assert.equal(messages.at(-1)?.result?.['resultType'], 'complete')
  })

  test('is acknowledged with nothing where its server offers none', async () => {
    await using at = await open({ stream: 'none' })
    const stream = await listenAs(await at.world.agent(wanted), '/mcp/files', {
      toolsListChanged: true,
    })
    const [first] = await stream.over()
    assert.deepEqual(filterOf(first), {})
  })

  test('is offered as its server says', async () => {
    await using at = await open()
    const agent = await at.world.agent(wanted)
    const { body, headers } = modern('server/discover')
    const { json } = await agent.post('/mcp/files', body, headers)
    assert.deepEqual(json.result?.['capabilities'], {
      tools: { listChanged: true },
      prompts: {},
      resources: { listChanged: true, subscribe: true },
    })
  })

  test('of a resource is asked for in the name of who asks, with a token for each', async () => {
    requirement('gateway.subscribed-in-its-name')
    await using at = await open()
    const podUid = randomUUID()
    const agent = await at.world.agent({ ...wanted, podUid })
    const uris = ['test://open/a', 'test://open/b', 'test://shut/a']
    const stream = await listenAs(agent, '/mcp/files', { resourceSubscriptions: uris })
    await stream.until(1)
    const subscribed = asked(at.world, 'files', 'resources/subscribe')
    const claims = subscribed
      .toSorted((one, other) => (one.body < other.body ? -1 : 1))
      .map(({ headers }) => claimsOf(headers['txn-token']))
    const [decision] = at.world.events
    assert.deepEqual(
      claims.map(({ sub, txn, scope, tctx }) => [
        sub,
        txn,
        scope,
        tctx.method,
        tctx.pod.uid,
        tctx.targetSha256,
      ]),
      uris
        .slice(0, 2)
        .map((uri) => [
          'spiffe://test.example/ns/agents/sa/agent',
          decision?.decisionId,
          'files',
          'resources/subscribe',
          podUid,
          hash('sha256', uri, 'base64url'),
        ]),
    )
    stream.close()
  })

  test('of a resource is of one pod, which shares it with nobody', async () => {
    requirement('gateway.subscribed-in-its-name')
    await using at = await open()
    const filter = { resourceSubscriptions: ['test://open/a'] }
    const pods = [randomUUID(), randomUUID()]
    const [first = '', second = ''] = pods
    const streams = []
    for (const podUid of [first, first, second]) {
      const agent = await at.world.agent({ ...wanted, podUid })
      const stream = await listenAs(agent, '/mcp/files', filter)
      await stream.until(1)
      streams.push(stream)
    }
    const subscribed = asked(at.world, 'files', 'resources/subscribe')
    const owners = subscribed.map(({ headers }) => claimsOf(headers['txn-token']).tctx.pod.uid)
    assert.deepEqual(owners, pods)
    assert.equal(at.streams.size, 2)
    at.say(updated, { uri: 'test://open/a' })
    for (const stream of streams) assert.equal((await stream.until(2)).length, 2)
    // What is in the name of a pod ends with it, and that of the other goes on.
    at.world.gone.set(new Set([first]))
    await eventually('one is left', () => at.streams.size === 1)
    at.say(updated, { uri: 'test://open/a' })
    assert.equal((await streams[2]?.until(3))?.length, 3)
    streams[2]?.close()
    await eventually('nothing is open there', () => at.streams.size === 0)
  })

  test('of a resource is not asked for in the name of nobody', async () => {
    requirement('gateway.subscribed-in-its-name')
    const files = speaking()
    let opening = (): void => {}
    await using at = await open({
      streams: {
        files(response, request) {
          opening()
          files.stream(response, request)
        },
      },
    })
    // Whether its certificate is revoked is not known any more when the token has been signed.
    opening = () => (at.world.stale.revocations = 3600)
    const filter = { toolsListChanged: true, resourceSubscriptions: ['test://open/a'] }
    const stream = await listenAs(await at.world.agent(wanted), '/mcp/files', filter)
    const [first] = await stream.until(1)
    assert.deepEqual(filterOf(first), { toolsListChanged: true })
    assert.deepEqual(asked(at.world, 'files', 'resources/subscribe'), [])
    stream.close()
  })

  for (const door of ['/mcp', '/mcp/files'] as const) {
    test(`that is long in coming at ${door} makes the server absent for nobody else`, async () => {
      requirement('gateway.changes-bounded')
      const timeoutSeconds = door === '/mcp' ? 60 : 4
      await using at = await open({
        limits: { federationWaitMilliseconds: 1000 },
        upstreams: (all) => all.map((each) => ({ ...each, eras: ['legacy'], timeoutSeconds })),
      })
      const agent = await at.world.agent(wanted)
      const names = ['test://open/hangs', 'test://open/a']
      if (door === '/mcp') {
        const { body, headers } = modern('subscriptions/listen', {
          notifications: { resourceSubscriptions: names.map((uri) => `files+${uri}`) },
        })
        const { text } = await agent.post(door, body, headers)
        assert.match(text, /"error"/)
      } else {
        const stream = await listenAs(agent, door, { resourceSubscriptions: names })
        const [first] = await stream.until(1)
        assert.deepEqual(filterOf(first), { resourceSubscriptions: ['test://open/a'] })
        stream.close()
      }
      const other = await at.world.agent(wanted)
      const { body, headers } = modern('tools/list')
      const { text } = await other.post('/mcp', body, headers)
      assert.match(text, /"tools":\[\{/)
      assert.doesNotMatch(text, /missing|unavailable/)
    })
  }

  test('is asked for once more when its tools have changed, for the catalogue', async () => {
    await using at = await open()
    const stream = await listenAs(await at.world.agent(wanted), '/mcp/files', {
      toolsListChanged: true,
    })
    await stream.until(1)
    const before = asked(at.world, 'files', 'tools/list').length
    at.say(toolsChanged)
    await eventually(
      'the tools are listed',
      () => asked(at.world, 'files', 'tools/list').length > before,
    )
  })
})

interface Claims {
  readonly sub: string
  readonly txn: string
  readonly scope: string
  readonly tctx: {
    readonly method: string
    readonly targetSha256: string
    readonly pod: { readonly uid: string }
  }
}

function claimsOf(token: unknown): Claims {
  assert.equal(typeof token, 'string')
  const claims = Buffer.from(String(token).split('.')[1] ?? '', 'base64url')
  return JSON.parse(claims.toString()) as Claims
}
