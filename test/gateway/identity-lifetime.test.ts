import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import type { Revocation } from '../../src/pki/revocation.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { modern, openAnswer, openClient, type TestClient, whyOf } from './world/client.ts'
import { answerBoth, type Answer } from './world/upstream.ts'
import type { Decision } from '../../src/policy/decision.ts'
import { openWorld, type World } from './world/world.ts'
import { requirement } from '../requirements.ts'

const echo = modern('tools/call', { name: 'echo', arguments: {} })
const podUid = 'c0ffee00-0000-4000-8000-00000000beef'

/** An upstream that begins a stream of events and never ends it. */
const endless: Answer = (message, response, request) => {
  if (message.method !== 'tools/call') return answerBoth()(message, response, request)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(
    'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n',
  )
}

const revocations: Readonly<Record<string, Omit<Revocation, 'name' | 'reason'>>> = {
  'by its pod': { podUid },
  'by its service account': { serviceAccount: { namespace: 'agents', name: 'agent' } },
  'by its tenant': { tenant: 'acme' },
  'by its time of issuance': { issuedBefore: new Date(Date.now() + 3_600_000) },
}

/** What ends an identity while its connection is open, and what the caller is told. */
const ends: Readonly<Record<string, { end: (world: World) => void; message: string }>> = {
  ...Object.fromEntries(
    Object.entries(revocations).map(([how, matcher]) => [
      `revoked ${how}`,
      {
        end: (world: World) => world.revocations.set([{ name: 'r', reason: 'test', ...matcher }]),
        message: 'certificate is revoked',
      },
    ]),
  ),
  'of a namespace that does not allow its role': {
    end: (world: World) => world.labels.set({ 'countersign.dev/tenant': 'acme' }),
    message: 'namespace does not allow the role agent any more',
  },
  'of a namespace that has another tenant': {
    end: (world: World) =>
      world.labels.set({
        'roles.countersign.dev/agent': 'allow',
        'countersign.dev/tenant': 'globex',
      }),
    message: 'namespace is not of the tenant acme any more',
  },
  'without its pod': {
    end: (world: World) => world.gone.set(new Set([podUid])),
    message: 'pod of the certificate is gone',
  },
}

// Each has a world of its own, and most of them wait for time to pass.
describe('an identity that ends', { concurrency: 4 }, () => {
  for (const [what, { end, message }] of Object.entries(ends)) {
    test(`a certificate that is ${what} has its open connection ended, and is refused anew`, async () => {
      requirement('gateway.revoked-open-connection')
      requirement('gateway.pod-gone')
      requirement('gateway.label-drift')
      await using world = await openWorld()
      const agent = await world.agent({ podUid })
      assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
      const disconnected = once(agent.client, 'disconnect')
      end(world)
      await disconnected
      const before = world.events.length
      const reply = await agent.post('/mcp/files', echo.body, echo.headers)
      assert.equal(reply.status, 403)
      assert.equal(whyOf(reply), message)
      const [event, ...others] = world.events.slice(before)
      assert.deepEqual(others, [])
      assert.equal(event?.path, 'countersign/gateway/peer')
      assert.deepEqual(reply.json.error?.data, { decisionId: event.decisionId })
      const { reasons } = event.evaluated.value as Decision
      const told = { code: 'identity-not-acceptable', message, audience: 'agent' }
      assert.deepEqual(reasons[0], told)
      assert.equal(reply.headers['connection'], 'close')
      assert.equal(reply.json.id, null)
    })

    test(`a certificate that is ${what} has its open stream ended, and is told why in its last event`, async () => {
      requirement('gateway.revoked-open-connection')
      await using world = await openWorld({ answers: { files: endless } })
      const agent = await world.agent({ podUid })
      const stream = await openStream(agent)
      const disconnected = once(agent.client, 'disconnect')
      end(world)
      assert.deepEqual(await stream.lastEvent, {
        jsonrpc: '2.0',
        id: 1,
        error: { code: -31403, message },
      })
      await disconnected
    })

    test(`a certificate that is ${what} has its open call answered with that, and nothing else`, async () => {
      requirement('gateway.revoked-open-connection')
      const silent: { call: () => void } = { call: () => {} }
      await using world = await openWorld({
        answers: {
          files(message, response, request) {
            const answer = (): void => answerBoth()(message, response, request)
            if (message.method === 'tools/call') silent.call = answer
            else answer()
          },
        },
      })
      const agent = await world.agent({ podUid })
      const called = agent.post('/mcp/files', echo.body, echo.headers)
      const { received = [] } = world.upstreams['files'] ?? {}
      await eventually(
        'the call is open',
        () => received.at(-1)?.body.includes('tools/call') === true,
      )
      end(world)
      const reply = await called
      assert.equal(reply.status, 403)
      const error = { code: -31403, message }
      assert.deepEqual(withoutDecision(reply.text), { jsonrpc: '2.0', id: 1, error })
      assert.equal(reply.headers['connection'], 'close')
      silent.call()
    })
  }

  for (const source of ['revocations', 'pods', 'namespaces'] as const) {
    test(`an open stream ends when ${source} have not been known for too long`, async () => {
      requirement('gateway.stale-watch-refuses')
      await using world = await openWorld({ answers: { files: endless } })
      const streaming = await world.agent({ podUid })
      const idle = await world.agent({ podUid: 'c0ffee00-0000-4000-8000-00000000bee1' })
      const asked = async (): Promise<number> => {
        return (await idle.post('/mcp/files', echo.body, { ...echo.headers, host: 'x' })).status
      }
      assert.equal(await asked(), 403)
      const stream = await openStream(streaming)
      let kept = true
      void stream.ended.then(() => (kept = false))
      world.stale[source] = 119
      const looked = world.stale.looks[source]
      await eventually('a look at what is known', () => world.stale.looks[source] > looked + 1)
      assert.ok(kept, 'the stream is kept while what is known is not too old')
      world.stale[source] = 121
      await stream.ended
      const message = `${source} are not known`
      assert.deepEqual(await stream.lastEvent, {
        jsonrpc: '2.0',
        id: 1,
        error: { code: -32603, message },
      })
      // Who has nothing open keeps its connection, and is told why.
      assert.equal(await asked(), 503)
      const reply = await streaming.post('/mcp/files', echo.body, echo.headers)
      assert.equal(whyOf(reply), message)
    })
  }

  /** The error of an answer that had been permitted, less the decision that it names. */
  function withoutDecision(text: string): unknown {
    const { error, ...answer } = JSON.parse(text) as {
      readonly error?: { readonly code: number; readonly message: string; readonly data?: object }
    }
    if (error === undefined) return answer
    const { decisionId } = (error.data ?? {}) as { readonly decisionId?: string }
    const [message, id] = error.message.split(' (decision ')
    assert.equal(id, `${decisionId})`)
    return { ...answer, error: { code: error.code, message } }
  }

  /** Calls a tool that streams; resolves when the first event is there. */
  async function openStream(
    agent: TestClient,
  ): Promise<{ readonly ended: Promise<unknown>; readonly lastEvent: Promise<unknown> }> {
    const { ended } = await openAnswer(agent, '/mcp/files', echo)
    const lastEvent = ended.then(({ text, error }) => {
      assert.equal(error, undefined, 'the stream ends in order')
      return withoutDecision(text.trim().split('data: ').at(-1) ?? '')
    })
    lastEvent.catch(() => {})
    return { ended, lastEvent }
  }

  test('a certificate that expires on an open connection is refused at the next request', async () => {
    requirement('gateway.expired-open-connection')
    let ahead = 0
    await using world = await openWorld({ now: () => Date.now() + ahead })
    const agent = await world.agent()
    assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
    ahead = 86_400_000
    const reply = await agent.post('/mcp/files', echo.body, echo.headers)
    assert.equal(reply.status, 403)
    assert.equal(whyOf(reply), 'certificate has expired')
    assert.equal(reply.headers['connection'], 'close')
  })

  test('a certificate that expires while a stream is open ends the stream and the connection', async () => {
    requirement('attack.expired-but-served')
    requirement('gateway.expired-open-connection')
    // The gateway's clock is so far ahead that the certificate has a second left: more where that was too short for a stream.
    let ahead = 0
    await using world = await openWorld({
      answers: { files: endless },
      now: () => Date.now() + ahead,
    })
    for (let leftSeconds = 1; ; leftSeconds *= 3) {
      const agent = await world.agent({ lifetimeSeconds: 3600 })
      ahead = (3600 - leftSeconds - 90) * 1000
      const disconnected = once(agent.client, 'disconnect')
      const stream = await openStream(agent).catch((error: unknown) => {
        if (leftSeconds > 30) throw error
      })
      if (stream === undefined) continue
      const event = (await stream.lastEvent) as { readonly error?: { readonly message: string } }
      assert.equal(event.error?.message, 'certificate has expired')
      await disconnected
      assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 403)
      return
    }
  })

  test('a session of TLS is never resumed', async () => {
    requirement('gateway.no-tickets')
    await using world = await openWorld()
    const { port } = world.gateway
    const { chainPem: cert, privateKeyPem: key } = world.identities.issue({})
    const options = {
      port,
      host: '127.0.0.1',
      cert,
      key,
      ca: world.identities.bundle.pem,
      checkServerIdentity: () => undefined,
    }
    let session: Buffer | undefined
    const first = connect(options)
    first.on('session', (given: Buffer) => (session = given))
    assert.equal(await exchange(first), false)
    assert.ok(session, 'the test offers a session')
    const second = connect({ ...options, session })
    assert.equal(await exchange(second), false)
  })

  /** Sends one request and reads its answer, so that any ticket would have come. Whether the session was a resumed one. */
  async function exchange(socket: TLSSocket): Promise<boolean> {
    await once(socket, 'secureConnect')
    const reused = socket.isSessionReused()
    socket.end('GET /mcp HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    return reused
  }

  test('TLS 1.2 is not spoken, and neither is TLS without a certificate', async () => {
    requirement('attack.rebinding-and-open-ports')
    requirement('gateway.client-certificate-required')
    await using world = await openWorld()
    const { port } = world.gateway
    const { chainPem: cert, privateKeyPem: key } = world.identities.issue({})
    const ca = world.identities.bundle.pem
    const common = { port, host: '127.0.0.1', ca, checkServerIdentity: () => undefined }
    const old = connect({ ...common, cert, key, maxVersion: 'TLSv1.2' })
    const [refused] = (await once(old, 'error')) as [NodeJS.ErrnoException]
    assert.match(String(refused.code), /PROTOCOL_VERSION/)
    await using nobody = openClient({
      port,
      credential: undefined,
      bundle: world.identities.bundle,
    })
    await assert.rejects(nobody.post('/mcp/files', echo.body, echo.headers))
  })

  test('a connection ends whose anchor has left the trust bundle', async () => {
    requirement('gateway.anchors-removed')
    await using world = await openWorld()
    const agent = await world.agent({ podUid })
    assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
    const disconnected = once(agent.client, 'disconnect')
    world.trustBundle.set(createTestAuthority().bundle)
    await disconnected
  })

  test('a certificate of another trust domain is refused, whatever anchors OpenSSL was given', async () => {
    requirement('gateway.anchors-of-their-domain')
    const foreign = createTestAuthority({ trustDomain: 'other.example' })
    await using world = await openWorld({
      // As a bundle could be if its parser did not refuse it.
      trustBundle: (bundle) => ({ ...bundle, pem: bundle.pem + foreign.bundle.pem }),
    })
    await using client = openClient({
      port: world.gateway.port,
      credential: foreign.issue({ role: 'agent', tenant: 'acme', toolScopes: 'files:*' })
        .credential,
      bundle: world.identities.bundle,
    })
    const reply = await client.post('/mcp/files', echo.body, echo.headers)
    assert.equal(reply.status, 403)
    assert.match(whyOf(reply) ?? '', /^certificate is not trusted/)
  })

  for (const [how, end] of [
    [
      'revoked',
      (world: World) => {
        const serviceAccount = { namespace: 'tools', name: 'files' }
        world.revocations.set([{ name: 'stolen', reason: 'test', serviceAccount }])
      },
    ],
    ['without its pod', (world: World) => world.gone.set(new Set(world.podsOf('files')))],
  ] as const) {
    test(`a tool server that is ${how} is not called, and what is open with it ends`, async () => {
      requirement('gateway.revoked-upstream-not-called')
      const lines: string[] = []
      const note = (fields: object): void => void lines.push(JSON.stringify(fields))
      await using world = await openWorld({
        answers: { files: endless, web: answerBoth() },
        log: { debug: () => {}, info: note, warn: () => {}, error: () => {} },
      })
      const agent = await world.agent({ podUid })
      const stream = await openStream(agent)
      end(world)
      const unavailable = { code: -32603, message: 'upstream is temporarily unavailable' }
      assert.deepEqual(await stream.lastEvent, { jsonrpc: '2.0', id: 1, error: unavailable })
      const { received = [] } = world.upstreams['files'] ?? {}
      const before = received.length
      const reply = await agent.post('/mcp/files', echo.body, echo.headers)
      assert.equal(reply.status, 503)
      assert.deepEqual([reply.json.id, reply.json.error?.code], [1, unavailable.code])
      assert.equal(whyOf(reply), unavailable.message)
      assert.equal(received.length, before)
      assert.match(
        lines.at(-1) ?? '',
        /revoked: (certificate is revoked: revocation stolen|pod of)/,
      )
      const other = modern('tools/call', { name: 'echo', arguments: {} })
      assert.equal((await agent.post('/mcp/web', other.body, other.headers)).status, 200)
    })
  }

  test('a certificate of another authority is refused, whatever it says', async () => {
    requirement('gateway.client-certificate-required')
    await using world = await openWorld()
    const stranger = createTestAuthority().issue({
      namespace: 'agents',
      role: 'agent',
      tenant: 'acme',
      toolScopes: 'files:*',
    })
    await using client = openClient({
      port: world.gateway.port,
      credential: stranger.credential,
      bundle: world.identities.bundle,
    })
    await assert.rejects(client.post('/mcp/files', echo.body, echo.headers))
  })

  test('a new certificate and a new bundle of the gateway are used from the next connection on', async () => {
    await using world = await openWorld()
    const before = await world.agent()
    assert.equal((await before.post('/mcp/files', echo.body, echo.headers)).status, 200)
    const renewed = world.identities.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
    world.credential.set(renewed)
    const { port } = world.gateway
    const { chainPem: cert, privateKeyPem: key } = world.identities.issue({})
    const socket = connect({
      port,
      host: '127.0.0.1',
      cert,
      key,
      ca: world.identities.bundle.pem,
      checkServerIdentity: () => undefined,
    })
    await once(socket, 'secureConnect')
    assert.deepEqual(socket.getPeerX509Certificate()?.raw, renewed.svid.der)
    socket.destroy()
    assert.equal((await before.post('/mcp/files', echo.body, echo.headers)).status, 200)
  })
})
