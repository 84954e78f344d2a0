import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'
import { initializeParams, legacy, modern } from '../world/client.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: { a: 1 } })

const meanwhile: Readonly<Record<string, readonly [(world: World) => void, number | undefined]>> = {
  'whose certificate is revoked': [
    (world) => world.revocations.set([{ name: 'leaked', tenant: 'acme', reason: 'secret' }]),
    undefined,
  ],
  'whose pod nobody knows of any more': [(world) => (world.stale.pods = 121), 503],
}

for (const [who, [change, status]] of Object.entries(meanwhile)) {
  test(`a caller ${who} while its token is signed is not spoken for`, async () => {
    requirement('token.caller-judged-after')
    let world: World | undefined
    await using opened = await openWorld({
      authorizer: (real) => ({
        ...real,
        decide(texts) {
          const evaluated = real.decide(texts)
          assert.ok(world !== undefined && evaluated.value.allow)
          change(world)
          return evaluated
        },
      }),
    })
    world = opened
    const agent = await world.agent()
    const reply = await agent
      .post('/mcp/files', echo.body, echo.headers)
      .catch((error: unknown) => ({ error, status: undefined }))
    assert.equal(reply.status, status)
    const sent = world.upstreams['files']?.received.filter(({ body }) =>
      body.includes('tools/call'),
    )
    assert.deepEqual(sent, [])
  })
}

test('a caller that goes away while its pod is asked for is not spoken for', async () => {
  requirement('gateway.gone-callers-not-spoken-for')
  const ofServers = new Set<string>()
  const asked: ((alive: boolean) => void)[] = []
  const gauges = new Map<string, number>()
  const errors: object[] = []
  await using world = await openWorld({
    log: { ...silentLog, error: (fields: object) => void errors.push(fields) },
    metrics: {
      count() {},
      observe() {},
      remove() {},
      set: (name, value) => void gauges.set(name, value),
    },
    pods: {
      alive: (uid) => ofServers.has(uid) || new Promise((resolve) => asked.push(resolve)),
      staleSeconds: 0,
      onChange: () => () => {},
    },
  })
  for (const uid of world.podsOf('files')) ofServers.add(uid)
  const called = (): number =>
    world.upstreams['files']?.received.filter(({ body }) => body.includes('tools/call')).length ?? 0
  const open = (): number | undefined => {
    world.gateway.measure()
    return gauges.get('countersign_gateway_connections')
  }
  const call = async (goes: boolean): Promise<void> => {
    const [socket, before] = [await world.rawConnection(), asked.length]
    const head = { host: 'gateway.test', 'content-type': 'application/json', ...echo.headers }
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`)
    const accept = 'accept: application/json, text/event-stream\r\n'
    const length = `content-length: ${Buffer.byteLength(echo.body)}\r\n\r\n`
    socket.write(`POST /mcp/files HTTP/1.1\r\n${lines.join('')}${accept}${length}${echo.body}`)
    await eventually('it is judged', () => asked.length > before)
    asked.at(-1)?.(true)
    await eventually('it is judged after signing', () => asked.length > before + 1)
    if (goes) {
      socket.destroy()
      await eventually('it has gone', () => open() === 0)
    }
    asked.at(-1)?.(true)
    if (!goes) await eventually('its call is sent', () => called() === 1)
    socket.destroy()
  }
  await call(true)
  // What comes after it has been sent: it would have been before that.
  await call(false)
  assert.equal(called(), 1)
  assert.deepEqual(errors, [])
})

/** An error with the id of its request, under a status of its own. */
function failing(status: number, form: 'json' | 'events'): Answer {
  return (message, response, request) => {
    if (message.id === undefined || message.method === 'initialize') {
      return answerBoth()(message, response, request)
    }
    const error = { code: -32602, message: 'no such thing' }
    const text = JSON.stringify({ jsonrpc: '2.0', id: message.id, error })
    const type = form === 'json' ? 'application/json' : 'text/event-stream'
    response.writeHead(status, { 'content-type': type })
    response.end(form === 'json' ? text : `data: ${text}\n\n`)
  }
}

for (const [status, form] of [
  [400, 'json'],
  [409, 'json'],
  [422, 'events'],
] as const) {
  test(`a tool server’s own error under ${status}, ${form}, ends no legacy session, and is told with its status else`, async () => {
    requirement('gateway.errors-end-no-session')
    const listed: Answer = (message, response, request) =>
      message.method === 'tools/call'
        ? failing(status, form)(message, response, request)
        : answerBoth()(message, response, request)
    const answers = { files: listed, web: failing(status, 'json') }
    await using world = await openWorld({ answers })
    const agent = await world.agent()
    for (const door of ['/mcp/files', '/mcp']) {
      const name = door === '/mcp' ? 'files_echo' : 'echo'
      const begin = legacy('initialize', initializeParams)
      const opened = await agent.post(door, begin.body, begin.headers)
      const session = String(opened.headers['mcp-session-id'])
      const call = legacy('tools/call', { name, arguments: {} }, { session })
      const told = await agent.post(door, call.body, call.headers)
      assert.equal(told.status, 200)
      assert.match(told.text, /"id":1,"error":\{"code":-32602,"message":"no such thing"/)
    }
    const begin = legacy('initialize', initializeParams)
    const opened = await agent.post('/mcp/web', begin.body, begin.headers)
    const session = String(opened.headers['mcp-session-id'])
    const list = legacy('tools/list', {}, { session })
    assert.equal((await agent.post('/mcp/web', list.body, list.headers)).status, 200)
    const plain = await agent.post('/mcp/files', echo.body, echo.headers)
    assert.equal(plain.status, status)
  })
}
