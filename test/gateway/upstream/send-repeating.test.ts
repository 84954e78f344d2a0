import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { Pool } from '../../../src/gateway/upstream/http/pool.ts'
import { sendRepeating } from '../../../src/gateway/upstream/send-repeating.ts'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'

/** What a server does with the so-many-th request that it gets, on whatever connection. */
type Act = (socket: Socket) => void

const write =
  (text: string, { ends = false } = {}): Act =>
  (socket) =>
    void (ends ? socket.end(text) : socket.write(text))

const ok = write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
const okAndClose = write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok')
const notReceived = write(
  'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  { ends: true },
)
const ranTooLong = write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n')
const cutOff = write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok', { ends: true })
const end = write('', { ends: true })
const reset: Act = (socket) => void socket.resetAndDestroy()

interface Stage extends AsyncDisposable {
  /** The connection of each request that has come. */
  readonly received: number[]
  readonly port: number
  /** Hangs up on the next connections before anything is read. */
  drop: number
  stopListening(): Promise<void>
  listenAgain(): Promise<void>
  /** `given`: is given what ends the waiting. */
  send(options?: { repeatable?: boolean; given?: (abort: () => void) => void }): Promise<string>
}

async function openStage(...acts: readonly Act[]): Promise<Stage> {
  const received: number[] = []
  let connections = 0
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (stage.drop > 0) {
      stage.drop -= 1
      socket.resetAndDestroy()
      return
    }
    const connection = (connections += 1)
    socket.on('data', () => {
      received.push(connection)
      acts[received.length - 1]?.(socket)
    })
  })
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const pool = new Pool({
    connect(done) {
      const socket = connect(port, '127.0.0.1')
      const failed = (error: Error): void => done(error, null)
      socket.once('error', failed)
      socket.once('connect', () => done(null, socket.off('error', failed)))
    },
    connectionsMax: 1,
    idleMilliseconds: 60_000,
  })
  const octets = Buffer.from('POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody')
  const stage: Stage = {
    received,
    port,
    drop: 0,
    stopListening: () => new Promise((resolve) => server.close(() => resolve())),
    listenAgain: () => listen(port),
    send: ({ repeatable = false, given } = {}) =>
      new Promise((resolve) => {
        let text = ''
        const asking = sendRepeating({
          send: (answering, fresh) => pool.send(octets, answering, fresh),
          repeatable,
          answering: {
            begun() {},
            head({ status }) {
              text = `${status} `
            },
            data(piece) {
              text += piece.toString()
              return true
            },
            end: () => resolve(text),
            failed: ({ code }) => resolve(`${text}${code}`),
          },
        })
        given?.(() => {
          asking.abort()
          resolve('aborted')
        })
      }),
    async [Symbol.asyncDispose]() {
      pool.destroy('test is over')
      server.close()
      await Promise.resolve()
    },
  }
  return stage
}

test('what is told 408 is sent again once, whatever it is', async () => {
  requirement('gateway.repeats-only-what-was-not-begun')
  await using stage = await openStage(ok, notReceived, ok, notReceived, notReceived)
  assert.equal(await stage.send(), '200 ok')
  assert.equal(await stage.send(), '200 ok')
  assert.deepEqual(stage.received, [1, 1, 2])
  assert.match(await stage.send(), /^408 /)
  assert.equal(stage.received.length, 5)
})

test('a 408 on a connection that is kept is an answer: its handler may have run', async () => {
  requirement('gateway.repeats-only-what-was-not-begun')
  await using stage = await openStage(ranTooLong, ok)
  assert.match(await stage.send(), /^408 /)
  assert.equal(stage.received.length, 1)
})

for (const [what, act] of Object.entries({ end, reset })) {
  test(`what may have arrived (${what}) is not sent again unless twice does no more than once`, async () => {
    requirement('gateway.repeats-only-what-was-not-begun')
    await using stage = await openStage(ok, act, ok, act, act, ok)
    await stage.send()
    assert.match(await stage.send(), /^(ENDED|ECONNRESET)$/)
    assert.equal(stage.received.length, 2)
    await stage.send()
    assert.match(await stage.send({ repeatable: true }), /^(ENDED|ECONNRESET)$/)
    assert.equal(stage.received.length, 5)
  })
}

test('what twice does no more than once is sent again when its connection ends unanswered', async () => {
  await using stage = await openStage(ok, reset, ok)
  await stage.send()
  assert.equal(await stage.send({ repeatable: true }), '200 ok')
  assert.deepEqual(stage.received, [1, 1, 2])
})

test('an answer that has begun is not asked for again', async () => {
  await using stage = await openStage(cutOff, ok)
  assert.match(await stage.send({ repeatable: true }), /^200 ok(ENDED|ECONNRESET)$/)
  assert.equal(stage.received.length, 1)
})

test('a server that says close is taken at its word', async () => {
  await using stage = await openStage(okAndClose, ok)
  assert.equal(await stage.send(), '200 ok')
  assert.equal(await stage.send(), '200 ok')
  assert.deepEqual(stage.received, [1, 2])
})

test('a connection that ended while it was idle is not used', async () => {
  const kept: Socket[] = []
  await using stage = await openStage((socket) => {
    kept.push(socket)
    ok(socket)
  }, ok)
  await stage.send()
  kept[0]?.end()
  await eventually('it has ended', () => kept[0]?.destroyed === true)
  assert.equal(await stage.send(), '200 ok')
  assert.deepEqual(stage.received, [1, 2])
})

test('where nobody listens for a moment, a request that was not begun waits for it', async () => {
  requirement('gateway.repeats-only-what-was-not-begun')
  await using stage = await openStage(ok)
  await stage.stopListening()
  const sent = stage.send()
  setImmediate(() => setImmediate(() => void stage.listenAgain()))
  assert.equal(await sent, '200 ok')
  assert.equal(stage.received.length, 1)
})

test('where nobody ever listens, it fails after some attempts', async () => {
  await using stage = await openStage(ok)
  await stage.stopListening()
  assert.equal(await stage.send(), 'ECONNREFUSED')
  assert.deepEqual(stage.received, [])
  await stage.listenAgain()
})

test('what nobody waits for any more is not sent again', async () => {
  let abort = (): void => {}
  await using stage = await openStage((socket) => {
    abort()
    notReceived(socket)
  }, ok)
  assert.equal(await stage.send({ given: (given) => (abort = given) }), 'aborted')
  assert.equal(await stage.send(), '200 ok')
  assert.deepEqual(stage.received, [1, 2])
})
