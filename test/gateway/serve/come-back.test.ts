import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { legacy, type Reply, type TestClient } from '../world/client.ts'
import { asked, openOne, wanted } from '../world/eras.ts'
import { answerEvent, event, polling, priming, type PollingServer } from '../world/polling.ts'
import { openSession, openStream, type OpenStream } from '../world/session.ts'
import type { World, WorldOptions } from '../world/world.ts'

/*
 * An agent whose connection is lost amid a call asks for the rest of its stream itself (MCP 2025-11-25 transports).
 */

const doors = { '/mcp': 'files_echo', '/mcp/files': 'echo' } as const

const own = { ...wanted, podUid: '6c9bde4d-0d4c-4a57-8f5d-9d3a3d6c1a00' }

type Door = keyof typeof doors

const note = '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"a"}}'

/** What stands on the stream of the call, which stays open, and what its server says to whoever asks for the rest. */
function silent(rest?: number): PollingServer {
  const parts = [`${priming('e1', 250)}${event(note, 'e2')}`, answerEvent]
  const server = polling(parts, {
    end: (response, text) =>
      void (text.includes('late') ? response.end(text) : response.write(text)),
    ...(rest === undefined ? {} : { rest }),
  })
  return server
}

interface Called extends AsyncDisposable {
  readonly world: World
  readonly agent: TestClient
  readonly session: string
  readonly stream: OpenStream
  readonly ids: readonly string[]
  /** Asks for the rest. */
  readonly rest: (
    place: string,
    o?: { readonly session?: string; readonly door?: Door },
  ) => Promise<Reply>
}

interface Calling extends WorldOptions {
  readonly door?: Door
  readonly given?: string
}

async function calling(
  { answer, stream: streamOf }: PollingServer,
  { door = '/mcp/files', given = 'a', ...more }: Calling = {},
): Promise<Called> {
  await using opened = new AsyncDisposableStack()
  const streams = { files: streamOf }
  const world = opened.use(await openOne('legacy', answer, { streams, ...more }))
  const agent = await world.agent(own)
  const session = await openSession(agent, door)
  const call = legacy('tools/call', { name: doors[door], arguments: { given } }, { session })
  // Its connection is its own, and is lost.
  const other = await world.agent(own)
  const stream = await openStream(other, { path: door, ...call })
  opened.defer(() => stream.close())
  await stream.message(1)
  const all = opened.move()
  const ids = [...stream.octets().matchAll(/^id: (.*)$/gm)].map(([, id = '']) => id)
  return {
    world,
    agent,
    session,
    stream,
    ids,
    rest(place, o = {}) {
      const named = { 'mcp-session-id': o.session ?? session, 'last-event-id': place }
      const headers = { accept: 'text/event-stream', ...named }
      return agent.send({ method: 'GET', path: o.door ?? door, headers })
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

suite('an agent that comes back to the stream of a call', () => {
  for (const door of ['/mcp', '/mcp/files'] as const)
    test(`is told the rest, of a call that is made once and decided on twice, at ${door}`, async () => {
      requirement('gateway.places-decided-on')
      const server = silent()
      await using called = await calling(server, { door })
      const { world, stream, ids, rest } = called
      assert.match(stream.octets(), /^id: \S+\nretry: 250\ndata:\n\nid: \S+\nretry: 250\ndata: \{/)
      assert.doesNotMatch(stream.octets(), /^id: e/m)
      stream.close()
      const decided = world.events.length
      const reply = await rest(ids[1] ?? '')
      assert.equal(reply.status, 200)
      assert.equal(reply.headers['content-type'], 'text/event-stream')
      assert.match(reply.text, /^data: \{"jsonrpc":"2.0","id":1,"result":.*"late"/m)
      assert.deepEqual([server.askedFrom, server.calls()], [['e2'], 1])
      const since = world.events.slice(decided).map(({ path }) => path)
      assert.deepEqual(since, [world.events[decided - 1]?.path])
    })

  test('is refused where policy lets it make that call no more, and its server is asked nothing', async () => {
    requirement('gateway.places-decided-on')
    let mayCall = true
    const server = silent()
    await using called = await calling(server, {
      authorizer: (real) => ({
        ...real,
        decide(texts) {
          const evaluated = real.decide(texts)
          const value = { ...evaluated.value, allow: mayCall && evaluated.value.allow }
          return { ...evaluated, value, result: value }
        },
      }),
    })
    mayCall = false
    const { ids, rest } = called
    const reply = await rest(ids[0] ?? '')
    assert.equal(reply.status, 200)
    assert.match(reply.text, /^data: \{"jsonrpc":"2.0","id":1,"error":\{"code":-31403/)
    assert.deepEqual(server.askedFrom, [])
  })

  test('is refused in another session of its own, at another door, and when the stream is over by then', async () => {
    requirement('gateway.places-decided-on')
    let passed = 0
    const server = silent()
    await using called = await calling(server, { now: () => Date.now() + passed })
    const { agent, ids, rest } = called
    const place = ids[0] ?? ''
    const unknown = /last-event-id is of no stream of this session/
    assert.match(
      (await rest(place, { session: await openSession(agent, '/mcp/files') })).text,
      unknown,
    )
    const session = await openSession(agent, '/mcp')
    assert.match((await rest(place, { session, door: '/mcp' })).text, unknown)
    passed = 3600 * 1000
    assert.match((await rest(place)).text, unknown)
    assert.deepEqual(server.askedFrom, [])
  })

  for (const [title, status] of [
    ['is lost', 404],
    ['keeps nothing', 405],
  ] as const)
    test(`is refused where its server ${title}, and the call is not made again`, async () => {
      requirement('gateway.rest-of-streams-judged')
      for (const door of ['/mcp', '/mcp/files'] as const) {
        const server = silent(status)
        await using called = await calling(server, { door })
        const { ids, rest, world } = called
        const reply = await rest(ids[1] ?? '')
        assert.ok(reply.status === 404 || /"error"/.test(reply.text), reply.text)
        assert.equal(asked(world, 'files', 'tools/call').length, 1)
        assert.deepEqual(server.askedFrom, ['e2'])
      }
    })

  test('has no more of the ids of a server that says nothing else than it reads', async () => {
    requirement('gateway.unread-answers-bounded')
    const server = polling([`${'id:a\n\n'.repeat(10_000)}${answerEvent}`])
    await using world = await openOne('legacy', server.answer, {
      streams: { files: server.stream },
    })
    const agent = await world.agent(own)
    const session = await openSession(agent, '/mcp/files')
    const params = { name: 'echo', arguments: { given: 'x'.repeat(1200) } }
    const { body, headers } = legacy('tools/call', params, { session })
    const { text } = await agent.post('/mcp/files', body, headers)
    assert.match(text, /^id: \S+\ndata:\n\n/)
    assert.match(text, /"late"/)
    // Ten thousand places would be twenty mebibytes.
    assert.ok(text.length < 4 * 1024 * 1024, String(text.length))
  })

  test('has nothing to come back with after a long request', async () => {
    await using called = await calling(silent(), { given: 'x'.repeat(2000) })
    const { stream, ids } = called
    assert.deepEqual(ids, [])
    assert.match(stream.octets(), /^:\n\ndata: \{/)
  })
})
