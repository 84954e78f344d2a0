import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { requirement } from '../requirements.ts'
import {
  jsonAnswer,
  legacyRequest,
  notification,
  openBridgeStage,
  resultText,
  type Answer,
  type Sent,
} from './bridge-stage.ts'

const initialize = legacyRequest('i', 'initialize', { protocolVersion: '2025-11-25' })
const initialized = '{"method":"notifications/initialized", "jsonrpc":"2.0"}'

interface Server {
  readonly answer: Answer
  /** The session that it knows; every `initialize` makes another. */
  session: string
  version: string
  opened: number
}

/** A gateway with one session, which a test takes away. */
function openServer(): Server {
  const server: Server = {
    session: '',
    version: '2025-11-25',
    opened: 0,
    answer({ body, headers, method }) {
      if (method === 'DELETE') return new Response(null, { status: 200 })
      const { id, method: asked } = JSON.parse(body) as { id?: string | number; method: string }
      if (asked === 'initialize') {
        server.session = `session-${(server.opened += 1)}`
        const result = { protocolVersion: server.version }
        return jsonAnswer(resultText(id ?? '', result), { 'mcp-session-id': server.session })
      }
      if (headers['mcp-session-id'] !== server.session) return new Response(null, { status: 404 })
      if (id === undefined) return new Response(null, { status: 202 })
      return jsonAnswer(resultText(id))
    },
  }
  return server
}

function seen(sent: readonly Sent[]): readonly string[] {
  return sent.map(({ body, headers, method }) => {
    const said = body === '' ? method : (JSON.parse(body) as { method: string }).method
    return `${said} ${headers['mcp-session-id'] ?? '-'}`
  })
}

test('a session is carried by version and id after initialize, by neither before, and ends with the client', async () => {
  const server = openServer()
  const stage = openBridgeStage(server.answer)
  stage.say(initialize, initialized, legacyRequest(2, 'tools/list'))
  await stage.end()
  assert.deepEqual(seen(stage.sent), [
    'initialize -',
    'notifications/initialized session-1',
    'tools/list session-1',
    'DELETE session-1',
  ])
  const versions = stage.sent.map(({ headers }) => headers['mcp-protocol-version'])
  assert.deepEqual(versions, [undefined, '2025-11-25', '2025-11-25', '2025-11-25'])
})

test('what comes after initialize and its confirmation waits for them, and for nothing else', async () => {
  const first = Promise.withResolvers<Response>()
  const server = openServer()
  const stage = openBridgeStage((sent, index) =>
    index === 0 ? first.promise : server.answer(sent, index),
  )
  stage.say(initialize, initialized, legacyRequest(2, 'ping'))
  await eventually('initialize is sent', () => stage.sent.length > 0)
  assert.equal(stage.sent.length, 1)
  const { body } = stage.sent[0] ?? { body: '' }
  first.resolve(await server.answer({ ...(stage.sent[0] as Sent), body }, 0))
  await stage.end()
  assert.equal(seen(stage.sent)[2], 'ping session-1')
})

test('a lost session is opened again by the octets that opened it, once for all that need it, and they are served', async () => {
  requirement('agent.bridge-answers-all')
  const server = openServer()
  const stage = openBridgeStage(server.answer)
  stage.say(initialize, initialized)
  await eventually('it is open', () => stage.sent.length === 2)
  server.session = 'lost'
  stage.say(...[1, 2, 3].map((id) => legacyRequest(id, 'tools/call', { name: 'a' })))
  const written = await stage.lines(4)
  assert.deepEqual(
    written.slice(1).toSorted(),
    [1, 2, 3].map((id) => resultText(id)),
  )
  assert.equal(server.opened, 2)
  const again = stage.sent.slice(2).filter(({ body }) => !body.includes('tools/call'))
  assert.deepEqual(
    again.map(({ body }) => body),
    [initialize, initialized],
  )
  assert.deepEqual(stage.warned, [
    'the session was lost and is open again: what the client had set in it is forgotten',
  ])
  await stage.end()
  assert.equal(seen(stage.sent).at(-1), 'DELETE session-2')
})

test('a session that is lost again and again is opened once for a request, which is then told', async () => {
  requirement('agent.bridge-answers-all')
  const server = openServer()
  const stage = openBridgeStage((sent, index) =>
    sent.body.includes('tools/call')
      ? new Response(null, { status: 404 })
      : server.answer(sent, index),
  )
  stage.say(initialize, initialized, legacyRequest(1, 'tools/call', { name: 'a' }))
  const [, line = ''] = await stage.end()
  assert.match(line, /^\{"jsonrpc":"2\.0","id":1,"error":.*HTTP 404/)
  assert.equal(server.opened, 2)
})

test('where it cannot be opened again as it was, the request is told why', async () => {
  requirement('agent.bridge-answers-all')
  const server = openServer()
  const stage = openBridgeStage(server.answer)
  stage.say(initialize, initialized)
  await eventually('it is open', () => stage.sent.length === 2)
  server.session = 'lost'
  server.version = '2025-06-18'
  stage.say(legacyRequest(1, 'tools/call', { name: 'a' }))
  const [, line = ''] = await stage.end()
  assert.match(line, /"id":1,.*cannot be opened again: another protocol version is spoken now/)
})

test('a notification to a lost session opens none', async () => {
  const server = openServer()
  const stage = openBridgeStage(server.answer)
  stage.say(initialize, initialized)
  await eventually('it is open', () => stage.sent.length === 2)
  server.session = 'lost'
  stage.say(notification('notifications/roots/list_changed'))
  await eventually('it is told', () => stage.warned.length === 1)
  await stage.end()
  assert.equal(server.opened, 1)
})

test('the end of a session that nobody answers is not waited for', async () => {
  const server = openServer()
  const stage = openBridgeStage(
    (sent, index) =>
      sent.method === 'DELETE' ? new Promise(() => {}) : server.answer(sent, index),
    { bounds: { endMilliseconds: 1 } },
  )
  stage.say(initialize)
  await stage.end()
})
