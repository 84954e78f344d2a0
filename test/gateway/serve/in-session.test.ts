import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { requirement } from '../../requirements.ts'
import { initializeParams, legacy, type Reply, type TestClient, whyOf } from '../world/client.ts'
import { answerBoth, openUpstream, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld } from '../world/world.ts'

interface Forgetful {
  readonly answer: Answer
  /** What clients have said of themselves, by session. */
  readonly opened: Map<string, unknown>
  /** As a server does that starts anew. */
  forget(): void
  /** It neither opens sessions nor answers in one. */
  down: boolean
}

/** A server with sessions: whoever names one that it does not know is told 404. */
function forgetful(name: string): Forgetful {
  const known = new Set<string>()
  const server: Forgetful = {
    opened: new Map(),
    forget: () => known.clear(),
    down: false,
    answer(message, response, request) {
      if (server.down) {
        response.destroy()
        return
      }
      if (message.method === 'initialize') {
        const id = `${name}-${server.opened.size}`
        known.add(id)
        server.opened.set(id, message.params)
        const result = '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}'
        const text = `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`
        sendJson(response, text, { 'mcp-session-id': id })
      } else if (known.has(String(request.headers['mcp-session-id']))) {
        answerBoth({ name })(message, response, request)
      } else {
        const text = '{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no session"}}'
        response.writeHead(404, { 'content-type': 'application/json' }).end(text)
      }
    },
  }
  return server
}

async function openAt(door: string, agent: TestClient, params: object = {}): Promise<string> {
  const { body, headers } = legacy('initialize', { ...initializeParams, ...params })
  const reply = await agent.post(door, body, headers)
  assert.equal(reply.status, 200, reply.text)
  return String(reply.headers['mcp-session-id'])
}

const asking =
  (agent: TestClient, door: string, session: string) =>
  (method: string, params?: Record<string, unknown>): Promise<Reply> => {
    const { body, headers } = legacy(method, params, { session })
    return agent.post(door, body, headers)
  }

const echo = { name: 'web_echo', arguments: { n: 1 } }

test('a session that one of several upstreams has forgotten is opened again, and the others go on', async () => {
  requirement('gateway.lost-session-opened-again')
  const [files, web] = [forgetful('files'), forgetful('web')]
  await using world = await openWorld({ answers: { files: files.answer, web: web.answer } })
  const agent = await world.agent()
  const clientInfo = { name: 'agent of mine', version: '7' }
  const session = await openAt('/mcp', agent, { clientInfo, capabilities: { roots: {} } })
  const ask = asking(agent, '/mcp', session)
  assert.equal((await ask('tools/call', echo)).status, 200)
  const before = web.opened.size
  web.forget()
  const called = await ask('tools/call', echo)
  assert.equal(called.status, 200, called.text)
  assert.match(called.text, /\{\\"n\\":1\}/)
  assert.equal(web.opened.size, before + 1)
  // Opened in the caller's name: as its client introduced itself.
  const said = { protocolVersion: '2025-11-25', clientInfo, capabilities: { roots: {} } }
  assert.deepEqual([...web.opened.values()].at(-1), said)
  assert.equal((await ask('tools/call', echo)).status, 200)
  assert.equal(web.opened.size, before + 1)
  web.forget()
  const listed = await ask('tools/list')
  assert.equal(listed.status, 200)
  assert.match(listed.text, /"web_echo"/)
  assert.equal(web.opened.size, before + 2)
  assert.equal(listed.json.result?.['_meta'], undefined)
})

test('calls that find a session lost at the same time open one', async () => {
  const [files, web] = [forgetful('files'), forgetful('web')]
  await using world = await openWorld({ answers: { files: files.answer, web: web.answer } })
  const [agent, uid] = [await world.agent({ podUid: 'pod' }), 'pod']
  const others = await Promise.all([1, 2, 3].map(() => world.agent({ podUid: uid })))
  const session = await openAt('/mcp', agent)
  await asking(agent, '/mcp', session)('tools/call', echo)
  const before = web.opened.size
  web.forget()
  const replies = await Promise.all(
    [agent, ...others].map((each) => asking(each, '/mcp', session)('tools/call', echo)),
  )
  assert.deepEqual(
    replies.map(({ status }) => status),
    [200, 200, 200, 200],
  )
  assert.equal(web.opened.size, before + 1)
})

test('an upstream that loses every session is told of as a fault, after one more', async () => {
  const web = forgetful('web')
  const answer: Answer = (message, response, request) => {
    if (message.method === 'tools/call') web.forget()
    web.answer(message, response, request)
  }
  await using world = await openWorld({ answers: { files: answerBoth(), web: answer } })
  const agent = await world.agent()
  const session = await openAt('/mcp', agent)
  await asking(agent, '/mcp', session)('tools/list')
  const before = web.opened.size
  const reply = await asking(agent, '/mcp', session)('tools/call', echo)
  assert.equal(reply.json.error?.code, -32603, reply.text)
  assert.ok(web.opened.size - before <= 2)
})

for (const [method, params] of [
  ['tools/call', { name: 'echo', arguments: {} }],
  ['tools/list', undefined],
  ['ping', undefined],
] as const) {
  test(`at the door of one upstream, its lost session is told to who asks by ${method}`, async () => {
    requirement('gateway.lost-session-opened-again')
    const web = forgetful('web')
    await using world = await openWorld({ answers: { web: web.answer } })
    const agent = await world.agent()
    const session = await openAt('/mcp/web', agent)
    const ask = asking(agent, '/mcp/web', session)
    assert.equal((await ask('tools/call', { name: 'echo', arguments: {} })).status, 200)
    web.forget()
    const reply = await ask(method, params)
    assert.equal(reply.status, 404)
    assert.equal(whyOf(reply), 'session is not known')
  })
}

test('a notification in a session that is lost is taken: the next request says that it is', async () => {
  const web = forgetful('web')
  await using world = await openWorld({ answers: { web: web.answer } })
  const agent = await world.agent()
  const ask = asking(agent, '/mcp/web', await openAt('/mcp/web', agent))
  web.forget()
  assert.equal((await ask('notifications/initialized')).status, 202)
  assert.equal((await ask('tools/list')).status, 404)
})

test('an upstream that was away when a session was opened is in it as soon as it is there', async () => {
  const web = forgetful('web')
  let shift = 0
  await using world = await openWorld({
    answers: { files: answerBoth({ name: 'files' }), web: web.answer },
    now: () => Date.now() + shift,
  })
  const agent = await world.agent()
  web.down = true
  const session = await openAt('/mcp', agent)
  const ask = asking(agent, '/mcp', session)
  const refused = await ask('tools/call', echo)
  assert.equal(whyOf(refused), 'upstream is temporarily unavailable')
  assert.match(String(refused.headers['retry-after']), /^[0-9]+$/)
  web.down = false
  shift = 60_000
  const called = await ask('tools/call', echo)
  assert.equal(called.status, 200, called.text)
  const listed = await ask('tools/list')
  assert.match(listed.text, /"web_echo"/)
  assert.equal(listed.json.result?.['_meta'], undefined)
})

test('a cancellation in a session that is lost has nothing to cancel', async () => {
  const web = forgetful('web')
  await using world = await openWorld({ answers: { files: answerBoth(), web: web.answer } })
  const agent = await world.agent()
  const session = await openAt('/mcp', agent)
  const before = web.opened.size
  web.forget()
  const reply = await asking(agent, '/mcp', session)('notifications/cancelled', { requestId: 1 })
  assert.equal(reply.status, 202)
  assert.equal(web.opened.size, before)
})

for (const [door, status] of [
  ['/mcp', 200],
  ['/mcp/web', 404],
] as const) {
  test(`at ${door}, a server that has the name of another is not told of its sessions`, async () => {
    requirement('gateway.session-bound')
    const [web, next] = [forgetful('web'), forgetful('next')]
    await using world = await openWorld({ answers: { web: web.answer } })
    const agent = await world.agent()
    const session = await openAt(door, agent)
    const credential = world.identities.issue({
      namespace: 'tools',
      serviceAccount: 'other',
      role: 'tool-server',
    })
    const { bundle } = world.identities
    const other = await openUpstream({ credential, bundle, answer: next.answer })
    const spiffeId = parseSpiffeId(credential.svid.spiffeId.uri)
    world.gateway.replaceUpstreams([
      { server: 'web', url: other.url, spiffeId, eras: ['modern', 'legacy'] },
    ])
    const ask = asking(agent, door, session)
    const call = { ...echo, name: door === '/mcp' ? 'web_echo' : 'echo' }
    assert.equal((await ask('tools/call', call)).status, status)
    const told = other.received.map(({ headers }) => String(headers['mcp-session-id']))
    assert.deepEqual(
      told.filter((id) => id.startsWith('web-')),
      [],
    )
    await other[Symbol.asyncDispose]()
  })
}
