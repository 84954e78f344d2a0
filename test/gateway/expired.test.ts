import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text as textOfStream } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { connect, Server, type TLSSocket } from 'node:tls'
import { parseBundle } from '../../src/pki/bundle.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority, type TestAuthority } from '../support/test-authority.ts'
import { modern, whyOf } from './world/client.ts'
import { answerBoth, type Answer } from './world/upstream.ts'
import { openWorld, type World } from './world/world.ts'

const dayMilliseconds = 86_400_000
const echo = modern('tools/call', { name: 'echo', arguments: {} })

/** A CA whose leaves of an hour may have been over for long. */
function yesterday(): TestAuthority {
  return createTestAuthority({
    lifetimeSeconds: 864_000,
    now: () => Date.now() - dayMilliseconds,
  })
}

function connectTo(
  port: number,
  { chainPem, privateKeyPem }: Credential,
  more: { readonly ca: string; readonly session?: Buffer | undefined },
): TLSSocket {
  return connect({
    port,
    host: '127.0.0.1',
    cert: chainPem,
    key: privateKeyPem,
    checkServerIdentity: () => undefined,
    ca: more.ca,
    ...(more.session === undefined ? {} : { session: more.session }),
  })
}

const requestText = [
  'POST /mcp/files HTTP/1.1',
  'host: gateway.test',
  'connection: close',
  'content-type: application/json',
  'accept: application/json, text/event-stream',
  `content-length: ${Buffer.byteLength(echo.body)}`,
  ...Object.entries(echo.headers).map(([name, value]) => `${name}: ${value}`),
  '',
  echo.body,
].join('\r\n')

interface Called {
  readonly status: number
  readonly answer: string
  readonly isResumed: boolean
  /** What may be resumed. */
  readonly session: Buffer | undefined
}

/** One call on a connection that ends with it. */
async function callOn(socket: TLSSocket): Promise<Called> {
  let session: Buffer | undefined
  socket.on('session', (given: Buffer) => (session = given))
  await once(socket, 'secureConnect')
  const isResumed = socket.isSessionReused()
  socket.write(requestText)
  const answer = await textOfStream(socket)
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]), answer, isResumed, session }
}

/** Begins to stream, and goes on for as long as it is let. */
const endless: Answer = (message, response, request) => {
  if (message.method !== 'tools/call') return answerBoth()(message, response, request)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(
    'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n',
  )
}

/** What every listener is made of here: as the gateway makes it, or as Node would by itself. */
const listeners: Readonly<Record<'with' | 'without', (t: TestContext) => void>> = {
  with(t) {
    type SetSecureContext = (options: Parameters<Server['setSecureContext']>[0]) => void
    const own = Object.getOwnPropertyDescriptor(Server.prototype, 'setSecureContext')
    const set = own?.value as SetSecureContext
    t.mock.method(Server.prototype, 'setSecureContext', function (this: Server, options) {
      set.call(this, { ...options, secureOptions: 0 })
    } as SetSecureContext)
  },
  without: () => {},
}

/** The claim of each cell: what the certificate is used for, by what the listener gives. */
const cells = {
  handshake: {
    with: () => requirement('expired.handshake-with-tickets'),
    without: () => requirement('expired.handshake-without-tickets'),
  },
  resumption: {
    with: () => requirement('expired.resumption-with-tickets'),
    without: () => requirement('expired.resumption-without-tickets'),
  },
  connection: {
    with: () => requirement('expired.connection-with-tickets'),
    without: () => requirement('expired.connection-without-tickets'),
  },
} as const

/** A world whose gateway looks at a clock that a test moves. */
async function openAgeing(): Promise<{ readonly world: World; readonly age: () => void }> {
  let ahead = 0
  const world = await openWorld({ now: () => Date.now() + ahead })
  return { world, age: () => void (ahead = 2 * dayMilliseconds) }
}

for (const tickets of ['with', 'without'] as const) {
  describe(`a certificate that has expired, at a listener ${tickets} tickets`, () => {
    test('is refused by TLS in a full handshake', async (t) => {
      cells.handshake[tickets]()
      listeners[tickets](t)
      const past = yesterday()
      await using world = await openWorld({
        trustBundle: ({ pem }) => parseBundle(pem + past.bundlePem, past.trustDomain),
      })
      const { credential } = past.issue({ role: 'agent', tenant: 'acme', toolScopes: 'files:*' })
      const { pem: ca } = world.identities.bundle
      const socket = connectTo(world.gateway.port, credential, { ca })
      let answer = ''
      socket.on('data', (octets: Buffer) => (answer += octets.toString()))
      // Node ends the connection without a word of TLS, and may do so before the request is sent.
      socket.on('error', () => {}).write(requestText)
      await once(socket, 'close')
      assert.equal(answer, '')
    })

    test('is refused after a full handshake, by the clock of the gateway', async (t) => {
      cells.handshake[tickets]()
      listeners[tickets](t)
      const { world: opened, age } = await openAgeing()
      await using world = opened
      age()
      const agent = await world.agent()
      const reply = await agent.post('/mcp/files', echo.body, echo.headers)
      assert.deepEqual([reply.status, whyOf(reply)], [403, 'certificate has expired'])
    })

    test('is refused on a session that is resumed', async (t) => {
      requirement('attack.expired-but-served')
      cells.resumption[tickets]()
      listeners[tickets](t)
      const { world: opened, age } = await openAgeing()
      await using world = opened
      const { port } = world.gateway
      const { pem: ca } = world.identities.bundle
      const credential = world.identities.issue({ toolScopes: 'files:echo' })
      const { status, session } = await callOn(connectTo(port, credential, { ca }))
      assert.equal(status, 200)
      assert.ok(session, 'the test offers a session')
      age()
      const again = await callOn(connectTo(port, credential, { ca, session }))
      assert.equal(again.isResumed, tickets === 'with')
      assert.equal(again.status, 403)
      assert.equal(world.upstreams['files']?.received.at(-1)?.body, echo.body)
    })

    test('is refused on a connection that is open', async (t) => {
      requirement('attack.expired-but-served')
      cells.connection[tickets]()
      listeners[tickets](t)
      const { world: opened, age } = await openAgeing()
      await using world = opened
      const agent = await world.agent()
      assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
      age()
      const reply = await agent.post('/mcp/files', echo.body, echo.headers)
      assert.deepEqual([reply.status, whyOf(reply)], [403, 'certificate has expired'])
      assert.equal(agent.connections(), 1)
      assert.equal(reply.headers['connection'], 'close')
    })

    test('ends a stream that is open', async (t) => {
      cells.connection[tickets]()
      listeners[tickets](t)
      let ahead = 0
      const now = (): number => Date.now() + ahead
      await using world = await openWorld({ now, answers: { files: endless } })
      const wanted = { toolScopes: 'files:echo', lifetimeSeconds: 3600 }
      const credential = world.identities.issue(wanted)
      const { pem: ca } = world.identities.bundle
      // So far ahead that the certificate has a second left; more, where that was too short for a stream to begin.
      for (let seconds = 1; seconds < 60; seconds *= 3) {
        ahead = credential.svid.notAfter.getTime() - Date.now() - seconds * 1000
        const { status, answer } = await callOn(connectTo(world.gateway.port, credential, { ca }))
        if (status !== 200) continue
        assert.match(answer, /"data":1.*"message":"certificate has expired/s)
        return
      }
      assert.fail('no stream began')
    })
  })
}
