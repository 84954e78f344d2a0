import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { sendRequest } from '../../src/agent/send-request.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const authority = createTestAuthority()
const { credential } = authority.issue({ namespace: 'system', serviceAccount: 'gateway' })

/** What a server does with the so-many-th request that it gets, on whatever connection. */
type Act = (socket: TLSSocket) => void

const ok: Act = (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
const notReceived: Act = (socket) =>
  void socket.end('HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
const refusedByApplication: Act = (socket) =>
  void socket.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n')
const reset: Act = (socket) => void socket.destroy()
const end: Act = (socket) => void socket.end()
const half: Act = (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-le')

interface Stage extends AsyncDisposable {
  readonly agent: Agent
  readonly server: Server
  /** The requests that have come, each with the number of its connection. */
  readonly received: (readonly [connection: number, method: string])[]
  send(method: string): Promise<number | undefined>
}

async function openStage(...acts: readonly Act[]): Promise<Stage> {
  const received: [number, string][] = []
  let connections = 0
  const server = createServer(
    { cert: credential.chainPem, key: credential.privateKeyPem },
    (socket) => {
      const connection = (connections += 1)
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        received.push([connection, chunk.toString().split(' ')[0] ?? ''])
        acts[received.length - 1]?.(socket)
      })
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const tls = { ca: authority.bundlePem, checkServerIdentity: () => undefined }
  const agent = new Agent({ ...tls, keepAlive: true })
  return {
    agent,
    server,
    received,
    async send(method) {
      const url = new URL(`https://127.0.0.1:${port}/`)
      const body = method === 'POST' ? 'body' : undefined
      const incoming = await sendRequest(
        { url, method, headers: {}, body, signal: undefined, connectMilliseconds: 10_000 },
        () => agent,
      )
      incoming.resume()
      await new Promise((resolve) => incoming.once('end', resolve))
      return incoming.statusCode
    },
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('what is told 408 on a connection that ends is sent again on a fresh one, whatever it is', async () => {
  requirement('agent.repeats-only-what-was-not-begun')
  await using stage = await openStage(ok, notReceived, ok)
  assert.equal(await stage.send('POST'), 200)
  assert.equal(await stage.send('POST'), 200)
  assert.deepEqual(stage.received, [
    [1, 'POST'],
    [1, 'POST'],
    [2, 'POST'],
  ])
})

for (const [what, act] of Object.entries({ reset, end, half })) {
  test(`a POST whose connection ends unanswered (${what}) is not sent again: it may have been done`, async () => {
    requirement('agent.repeats-only-what-was-not-begun')
    await using stage = await openStage(ok, act, ok)
    await stage.send('POST')
    await assert.rejects(stage.send('POST'), { code: /^(ECONNRESET|HPE_)/ })
    assert.equal(stage.received.length, 2)
  })
}

test('a GET whose kept connection ends unanswered is sent again: it changes nothing', async () => {
  await using stage = await openStage(ok, reset, ok)
  await stage.send('GET')
  assert.equal(await stage.send('GET'), 200)
  assert.deepEqual(stage.received.at(-1), [2, 'GET'])
})

test('a GET on a fresh connection is not sent again: a server that does this does it again', async () => {
  await using stage = await openStage(reset, ok)
  await assert.rejects(stage.send('GET'), { code: 'agent/hung-up' })
  assert.equal(stage.received.length, 1)
})

test('it is sent again once and not twice', async () => {
  await using stage = await openStage(notReceived, notReceived, ok)
  assert.equal(await stage.send('POST'), 408)
  assert.equal(stage.received.length, 2)
})

test('408 on a connection that goes on is an answer like any other', async () => {
  await using stage = await openStage(refusedByApplication, ok)
  assert.equal(await stage.send('POST'), 408)
  assert.equal(stage.received.length, 1)
})

test('a kept connection that ends before an octet was written costs nothing', async () => {
  requirement('agent.repeats-only-what-was-not-begun')
  await using stage = await openStage(ok, ok)
  await stage.send('POST')
  const [kept] = Object.values(stage.agent.freeSockets).flatMap((each) => each ?? [])
  assert.ok(kept)
  const sent = stage.send('POST')
  // The connection has been given to the request by then, and the turn of the loop has not passed.
  process.nextTick(() =>
    process.nextTick(() => kept.destroy(Object.assign(new Error('gone'), { code: 'ECONNRESET' }))),
  )
  assert.equal(await sent, 200)
  assert.deepEqual(stage.received, [
    [1, 'POST'],
    [2, 'POST'],
  ])
})

for (const [drops, outcome] of [
  [1, 'is another one made'],
  [2, 'it fails after the second'],
] as const) {
  test(`where a connection cannot be made ${drops === 1 ? 'once' : 'twice'}, ${outcome}`, async () => {
    await using stage = await openStage(ok)
    let dropped = 0
    stage.server.prependListener('connection', (socket: Socket) => {
      if (dropped === drops) return
      dropped += 1
      socket.destroy()
    })
    if (drops === 1) assert.equal(await stage.send('POST'), 200)
    else
      await assert.rejects(stage.send('POST'), { code: 'agent/hung-up', hint: /nothing was sent/ })
    assert.equal(dropped, drops)
    assert.equal(stage.received.length, drops === 1 ? 1 : 0)
  })
}

test('what has waited for a connection goes out on it at once, and is no first request on it', async () => {
  requirement('agent.repeats-only-what-was-not-begun')
  await using stage = await openStage(ok, ok, reset, ok)
  stage.agent.maxSockets = 1
  const answers = ['GET', 'POST', 'GET'].map((method) => stage.send(method))
  assert.deepEqual(await Promise.all(answers), [200, 200, 200])
  assert.deepEqual(stage.received, [
    [1, 'GET'],
    [1, 'POST'],
    [1, 'GET'],
    [2, 'GET'],
  ])
})
