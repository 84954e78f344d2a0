import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import {
  openListener,
  type Listener,
  type ListenerOptions,
} from '../../../src/gateway/door/listener.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { silentLog } from '../../../src/log.ts'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'
import { createIdentities } from '../world/identities.ts'

const identities = createIdentities()
const { bundle } = identities
const own = identities.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
const agent = identities.issue()
const unchanging = { onChange: () => () => {} }

interface Stage extends AsyncDisposable {
  readonly listener: Listener
  readonly served: string[]
  /** A connection, whether its handshake will be done or not. */
  begin(localAddress?: string): TLSSocket
  connect(localAddress?: string): Promise<TLSSocket>
}

async function openStage(
  options: Partial<Pick<ListenerOptions, 'times' | 'delay' | 'serve' | 'limits' | 'accept'>> = {},
): Promise<Stage> {
  const served: string[] = []
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    served.push(`${request.method} ${request.url}`)
    request.resume().once('end', () => response.end('ok'))
  }
  const listener = await openListener({
    listen: { host: '127.0.0.1', port: 0 },
    credential: { current: () => own, ...unchanging },
    trustBundle: { current: () => bundle, ...unchanging },
    accept: () => ({ isAdmitted: true, account: undefined }),
    limits: defaultLimits,
    endConnections: () => {},
    serve: answer,
    log: silentLog,
    now: Date.now,
    ...options,
  })
  const begin = (localAddress = '127.0.0.1'): TLSSocket => {
    const { port } = listener
    const raw = connectTcp({ host: '127.0.0.1', port, localAddress }).on('error', () => {})
    const socket = connect({
      socket: raw,
      cert: agent.chainPem,
      key: agent.privateKeyPem,
      ca: bundle.pem,
      checkServerIdentity: () => undefined,
    })
    return socket.on('error', () => {})
  }
  return {
    listener,
    served,
    begin,
    async connect(localAddress) {
      const socket = begin(localAddress)
      await once(socket, 'secureConnect')
      return socket
    },
    [Symbol.asyncDispose]: () => listener.close({ graceSeconds: 0, callSecondsMax: 0 }),
  }
}

/** Everything that comes until the other side ends. */
async function textOf(socket: TLSSocket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  if (!socket.closed) await once(socket, 'close')
  return text
}

const get = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'

/** What is written, and what comes back: nothing, or one head, or what the handler says. */
const inputs: Readonly<Record<string, readonly [string, RegExp]>> = {
  'two slashes for a target': ['GET // HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', /ok/],
  'an absolute target that is no URL': [
    'GET http:// HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    /ok/,
  ],
  'an authority for a target': ['CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n', /^$/],
  'an asterisk for a target': ['OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', /ok/],
  'an upgrade': [
    'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n',
    /^HTTP\/1\.1 200 [^]*ok/,
  ],
  'the preface of HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 [^]*\r\n\r\n$/],
  'chunks of no length': [
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  'a length and chunks': [
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  'two lengths': [
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd',
    /^HTTP\/1\.1 400 /,
  ],
  'a length that is negative': [
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  'a head of 40 kB': [
    `GET / HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 /,
  ],
  'an expectation that nobody meets': [
    'GET / HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\nconnection: close\r\n\r\n',
    /^HTTP\/1\.1 417 /,
  ],
  'no host': ['GET / HTTP/1.1\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
  'a zero octet in a name': ['GET / HTTP/1.1\r\nhost: a\r\nx\0: a\r\n\r\n', /^HTTP\/1\.1 400 /],
  'lines that are no HTTP': ['hello\r\n\r\n', /^HTTP\/1\.1 400 /],
}

test('nothing that a caller can send ends the process', async (t) => {
  requirement('gateway.no-input-ends-it')
  await using stage = await openStage()
  for (const [what, [input, expected]] of Object.entries(inputs)) {
    await t.test(what, async () => {
      const socket = await stage.connect()
      socket.write(input)
      assert.match(await textOf(socket), expected)
    })
  }
  for (const [what, input] of Object.entries({
    'a head that is cut off': 'POST / HTTP/1.1\r\nho',
    'a body that is cut off': 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab',
    nothing: '',
  })) {
    await t.test(`${what} by half an end`, async () => {
      const socket = await stage.connect()
      socket.end(input)
      await textOf(socket)
    })
    await t.test(`${what} by a reset`, async () => {
      const socket = await stage.connect()
      socket.write(input)
      socket.destroy()
    })
  }
  for (const [what, octets] of Object.entries({
    'text where TLS begins': Buffer.from(get),
    'a record of TLS that is none': Buffer.from('16030100ff0100', 'hex'),
    'zeroes where TLS begins': Buffer.alloc(600),
  })) {
    await t.test(what, async () => {
      const socket = connectTcp(stage.listener.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.end(octets)
      socket.resume()
      await once(socket, 'close')
    })
  }
  const socket = await stage.connect()
  socket.write(get)
  assert.match(await textOf(socket), /ok/, 'it serves all the same')
})

test('an answer that is written after its end is nobody else’s concern', async () => {
  await using stage = await openStage({
    serve: (_request, response) => {
      response.end('ok')
      response.write('more')
    },
  })
  const socket = await stage.connect()
  socket.write(get)
  assert.match(await textOf(socket), /ok/)
})

const quick = { headMilliseconds: 60, requestMilliseconds: 90, checkMilliseconds: 10 }

for (const [what, sent] of Object.entries({
  'sends nothing': '',
  'sends half a head': 'POST / HTTP/1.1\r\nhost: a\r\n',
  'sends half a body': 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab',
})) {
  test(`a connection that ${what} is closed`, async () => {
    requirement('gateway.silent-connections-closed')
    await using stage = await openStage({ times: quick })
    const socket = stage.begin()
    socket.write(sent)
    assert.match(await textOf(socket), /^(HTTP\/1\.1 408 |$)/)
  })
}

test('a connection that never begins with TLS is closed', async () => {
  requirement('gateway.silent-connections-closed')
  await using stage = await openStage({ times: { handshakeMilliseconds: 50 } })
  const socket = connectTcp(stage.listener.port, '127.0.0.1')
  socket.resume()
  await once(socket, 'close')
})

const part = Buffer.alloc(60 * 1024)

for (const [what, { requests, serve }] of Object.entries({
  'a stream that is not read': {
    requests: 1,
    serve: (_: IncomingMessage, response: ServerResponse): void => {
      const more = (): void => {
        while (response.write(part));
      }
      response.on('drain', more)
      more()
    },
  },
  // More than kernels take for anybody.
  'small answers that are not read': {
    requests: 400,
    serve: (_: IncomingMessage, response: ServerResponse): void => void response.end(part),
  },
})) {
  test(`${what} ends its connection`, async () => {
    requirement('gateway.unread-answers-bounded')
    const served = new Set<IncomingMessage['socket']>()
    await using stage = await openStage({
      times: { unreadMilliseconds: 100, checkMilliseconds: 10 },
      serve(request, response) {
        served.add(request.socket)
        serve(request, response)
      },
    })
    const socket = await stage.connect()
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(requests))
    await eventually('the connection has ended', () => [...served].some(({ closed }) => closed))
    socket.destroy()
  })
}

test('a port that is taken is told, and leaves nothing behind', async () => {
  await using stage = await openStage()
  const { port } = stage.listener
  let listeners = 0
  const counting = {
    onChange: () => {
      listeners += 1
      return () => (listeners -= 1)
    },
  }
  const opening = openListener({
    listen: { host: '127.0.0.1', port },
    credential: { current: () => own, ...counting },
    trustBundle: { current: () => bundle, ...counting },
    accept: () => ({ isAdmitted: true, account: undefined }),
    limits: defaultLimits,
    endConnections: () => {},
    serve: () => {},
    log: silentLog,
    now: Date.now,
  })
  await assert.rejects(opening, { code: 'EADDRINUSE' })
  assert.equal(listeners, 0)
})

test('who begins handshakes without pause and ends none keeps nobody else waiting', async () => {
  requirement('gateway.handshakes-take-turns')
  // No place is ever left to another, and none is waited for as long as that.
  const times = { turnMilliseconds: 60_000, handshakeMilliseconds: 60_000 }
  await using stage = await openStage({ times, limits: { ...defaultLimits, handshakesMax: 16 } })
  const { port } = stage.listener
  const silent = Array.from({ length: 100 }, () =>
    connectTcp({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }).on('error', () => {}),
  )
  await Promise.all(silent.map((socket) => once(socket, 'connect')))
  const socket = await stage.connect('127.1.0.3')
  socket.write(get)
  assert.match(await textOf(socket), /^HTTP\/1\.1 200 [^]*ok/)
  for (const each of silent) each.destroy()
})

test('a tenant whose handshakes are open has its share of them, wherever it comes from', async () => {
  requirement('gateway.handshakes-take-turns')
  const account = ['acme', 'agents', 'agent'] as const
  const times = { turnMilliseconds: 60_000, handshakeMilliseconds: 60_000 }
  await using stage = await openStage({
    times,
    limits: { ...defaultLimits, handshakesMax: 16 },
    accept: () => ({ isAdmitted: true, account }),
  })
  const { port } = stage.listener
  const addresses = Array.from({ length: 40 }, (_, at) => `127.0.${at}.2`)
  for (const address of addresses) {
    const socket = await stage.connect(address)
    socket.write(get)
    assert.match(await textOf(socket), /ok/)
  }
  const silent = addresses.flatMap((localAddress) =>
    [1, 2].map(() => connectTcp({ host: '127.0.0.1', port, localAddress }).on('error', () => {})),
  )
  await Promise.all(silent.map((socket) => once(socket, 'connect')))
  const socket = await stage.connect('127.99.0.3')
  socket.write(get)
  assert.match(await textOf(socket), /^HTTP\/1\.1 200 [^]*ok/)
  for (const each of silent) each.destroy()
})

/** A grace that ends when the test says so. */
function heldDelay(): { delay: (milliseconds: number) => Promise<void>; end: () => void } {
  const grace = Promise.withResolvers<void>()
  return {
    delay: (milliseconds) => (milliseconds === 5000 ? grace.promise : new Promise(() => {})),
    end: grace.resolve,
  }
}

test('in the grace everything is served, and every answer is the last of its connection', async () => {
  const { delay, end } = heldDelay()
  const held: ServerResponse[] = []
  await using stage = await openStage({
    delay,
    serve: (request, response) => {
      if (request.url === '/held') held.push(response)
      else response.end('ok')
    },
  })
  const [kept, early, idle] = [await stage.connect(), await stage.connect(), await stage.connect()]
  early.write('GET /held HTTP/1.1\r\nhost: a\r\n\r\n')
  await eventually('a call is under way', () => held.length === 1)
  const closing = stage.listener.close({ graceSeconds: 5, callSecondsMax: 60 })
  kept.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  assert.match(await textOf(kept), /^HTTP\/1\.1 200 [^]*connection: close[^]*ok/i)
  const late = await stage.connect()
  late.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  assert.match(await textOf(late), /connection: close[^]*ok/i)
  assert.equal(idle.closed, false, 'who asks nothing is left alone in the grace')
  end()
  assert.match(await textOf(idle), /^HTTP\/1\.1 408 [^]*connection: close\r\n/)
  await assert.rejects(stage.connect(), { code: 'ECONNREFUSED' })
  held[0]?.end('at last')
  assert.match(await textOf(early), /connection: close[^]*at last/i)
  await closing
})

test('what comes on a connection that has been ended is not begun, and its sender is told', async () => {
  requirement('gateway.ended-means-not-begun')
  const { delay, end } = heldDelay()
  const held: ServerResponse[] = []
  await using stage = await openStage({
    delay,
    serve: (_request, response) => void held.push(response),
  })
  const [busy, idle] = [await stage.connect(), await stage.connect()]
  busy.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await eventually('a call is under way', () => held.length === 1)
  const closing = stage.listener.close({ graceSeconds: 5, callSecondsMax: 60 })
  const told = textOf(idle)
  end()
  // The client has sent before it could know.
  idle.write('POST / HTTP/1.1\r\nhost: a\r\n\r\n')
  assert.match(await told, /^HTTP\/1\.1 408 /)
  held[0]?.end('ok')
  await closing
  assert.equal(held.length, 1)
})
