import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Answering } from '../../../../src/gateway/upstream/http/connection.ts'
import { formatRequest } from '../../../../src/gateway/upstream/http/format-request.ts'
import { Pool, type Asking, type PoolOptions } from '../../../../src/gateway/upstream/http/pool.ts'
import { eventually } from '../../../support/eventually.ts'
import { requirement } from '../../../requirements.ts'

const text = (body: string, ...headers: readonly string[]): string =>
  ['HTTP/1.1 200 OK', ...headers, `content-length: ${body.length}`, '', body].join('\r\n')
const chunkedHead = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
const octets =
  formatRequest(
    { path: '/mcp', host: 'files' },
    { method: 'POST', headers: ['a', 'b'], body: Buffer.from('{}') },
  ) ?? Buffer.alloc(0)

/** What one request came to, as it is told. */
interface Asked {
  readonly told: string[]
  asking: Asking | undefined
  /** What `data` gives. */
  takes: boolean
}

interface Stage extends AsyncDisposable {
  readonly pool: Pool
  /** The server's ends, in the order in which they were opened. */
  readonly sockets: Socket[]
  /** What came on each. */
  readonly received: string[]
  /** Pieces that the pool has written. */
  readonly written: number[]
  /** The pool's ends. */
  readonly clients: Socket[]
  send(request?: Buffer, fresh?: boolean): Asked
  /** Sends, has the server answer, and waits for the end. */
  exchange(answer: string): Promise<Asked>
}

async function openStage(options: Partial<PoolOptions> = {}): Promise<Stage> {
  const sockets: Socket[] = []
  const received: string[] = []
  const written: number[] = []
  const clients: Socket[] = []
  const server = createServer((socket) => {
    const index = sockets.push(socket) - 1
    received[index] = ''
    socket.on('error', () => {})
    socket.on('data', (piece: Buffer) => (received[index] += piece.toString('latin1')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const pool = new Pool({
    connect(done) {
      const socket = connect(port, '127.0.0.1')
      const write = socket.write.bind(socket)
      socket.write = (piece: Buffer | string) => {
        written.push(piece.length)
        return write(piece)
      }
      clients.push(socket)
      socket.once('connect', () => done(null, socket))
    },
    connectionsMax: 2,
    idleMilliseconds: 60_000,
    ...options,
  })
  const stage: Stage = {
    pool,
    sockets,
    received,
    written,
    clients,
    send(request = octets, fresh = false) {
      const asked: Asked = { told: [], asking: undefined, takes: true }
      const answering: Answering = {
        begun: () => void asked.told.push('begun'),
        head: ({ status }) => void asked.told.push(String(status)),
        data(piece) {
          asked.told.push(piece.toString('latin1'))
          return asked.takes
        },
        end: () => void asked.told.push('end'),
        failed: ({ wrong, code, detail }) =>
          void asked.told.push([wrong, code, detail].filter(Boolean).join(': ')),
      }
      asked.asking = pool.send(request, answering, fresh)
      return asked
    },
    async exchange(answer) {
      const before = received.join('').length
      const asked = stage.send()
      await eventually('it has come', () => received.join('').length > before)
      const at = received.findLastIndex((each, index) => each !== '' && !isGone(sockets[index]))
      sockets[at]?.write(answer)
      await eventually('it is answered', () => asked.told.includes('end'))
      return asked
    },
    async [Symbol.asyncDispose]() {
      pool.destroy('test is over')
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return stage
}

const isGone = (socket: Socket | undefined): boolean => socket === undefined || socket.destroyed

test('a request is one write, and the next one goes out on the same connection', async () => {
  await using stage = await openStage()
  const first = await stage.exchange(text('ok'))
  assert.deepEqual(first.told, ['begun', '200', 'ok', 'end'])
  await stage.exchange(text('ok'))
  assert.deepEqual(stage.written, [octets.length, octets.length])
  assert.equal(stage.sockets.length, 1)
  assert.equal(stage.received[0], octets.toString('latin1').repeat(2))
})

test('a connection has one exchange at a time, and there are no more than so many', async () => {
  await using stage = await openStage()
  const asked = [stage.send(), stage.send(), stage.send()]
  await eventually('two have come', () => stage.received.filter(Boolean).length === 2)
  assert.equal(asked[2]?.told.length, 0)
  stage.sockets[0]?.write(text('one'))
  await eventually('the third has come', () => stage.received[0] === octets.toString().repeat(2))
  stage.sockets[0]?.write(text('three'))
  stage.sockets[1]?.write(text('two'))
  await eventually('all are answered', () => asked.every(({ told }) => told.includes('end')))
  assert.deepEqual(
    asked.map(({ told }) => told[2]),
    ['one', 'two', 'three'],
  )
  assert.equal(stage.sockets.length, 2)
})

for (const [what, header, keptMilliseconds] of [
  ['as long as it is told to', 'a: b', 60_000],
  ['a second less than the server says', 'keep-alive: timeout=5, max=100', 4000],
  ['no longer than it is told to, whatever the server says', 'keep-alive: timeout=600', 60_000],
] as const) {
  test(`an idle connection is taken ${what}`, async () => {
    let now = 0
    await using stage = await openStage({ now: () => now })
    await stage.exchange(text('ok', header))
    now = keptMilliseconds - 1
    await stage.exchange(text('ok', header))
    assert.equal(stage.sockets.length, 1)
    now += keptMilliseconds
    await stage.exchange(text('ok', header))
    assert.equal(stage.sockets.length, 2)
  })
}

test('an idle connection is ended when its time is over, without a request', async () => {
  await using stage = await openStage({ idleMilliseconds: 20 })
  await stage.exchange(text('ok'))
  await eventually('it is gone', () => isGone(stage.sockets[0]))
})

for (const [what, answer] of [
  ['whose server says close', text('ok', 'connection: close')],
  ['that its server keeps for a second', text('ok', 'keep-alive: timeout=1')],
  ['on which octets followed the answer', `${text('ok')}x`],
] as const) {
  test(`a connection ${what} is not used again`, async () => {
    requirement('gateway.upstream-answers-framed-one-way')
    await using stage = await openStage()
    const asked = await stage.exchange(answer)
    assert.deepEqual(asked.told, ['begun', '200', 'ok', 'end'])
    await eventually('it is gone', () => isGone(stage.sockets[0]))
    await stage.exchange(text('ok'))
    assert.equal(stage.sockets.length, 2)
  })
}

test('a request that is to have a fresh connection gets one, though others are idle', async () => {
  await using stage = await openStage({ connectionsMax: 1 })
  await stage.exchange(text('ok'))
  const asked = stage.send(octets, true)
  await eventually('it has come', () => stage.received[1] !== undefined)
  await eventually('the idle one has made room', () => isGone(stage.sockets[0]))
  stage.sockets[1]?.write(text('ok'))
  await eventually('it is answered', () => asked.told.includes('end'))
})

test('octets that nobody asked for end their connection', async () => {
  requirement('gateway.upstream-answers-framed-one-way')
  await using stage = await openStage()
  await stage.exchange(text('ok'))
  stage.sockets[0]?.write(text('for the next one'))
  await eventually('it is gone', () => isGone(stage.sockets[0]))
  assert.deepEqual((await stage.exchange(text('ok'))).told, ['begun', '200', 'ok', 'end'])
})

test('an answer that is none ends its connection and says what is wrong', async () => {
  await using stage = await openStage()
  const asked = stage.send()
  await eventually('it has come', () => stage.received[0] !== undefined)
  stage.sockets[0]?.write('HTTP/1.0 200 OK\r\n\r\n')
  await eventually('it failed', () => asked.told.length > 1)
  assert.deepEqual(asked.told, ['begun', 'answer: answer has no status line of HTTP/1.1'])
  await eventually('it is gone', () => isGone(stage.sockets[0]))
})

for (const [what, act, told] of [
  ['ended', (socket: Socket) => void socket.end(), /^connection: ENDED: /],
  ['reset', (socket: Socket) => void socket.resetAndDestroy(), /^connection: ECONNRESET: /],
] as const) {
  test(`an exchange whose connection is ${what} fails once, and says so`, async () => {
    await using stage = await openStage()
    const asked = stage.send()
    await eventually('it has come', () => (stage.received[0] ?? '') !== '')
    const [socket] = stage.sockets
    assert.ok(socket)
    act(socket)
    await eventually('it failed', () => asked.told.length > 1)
    assert.match(asked.told[1] ?? '', told)
    assert.equal(asked.told.length, 2)
  })
}

test('who cannot be connected to fails what waits, one by one', async () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  const attempts: (() => void)[] = []
  await using stage = await openStage({
    connectionsMax: 1,
    connect: (done) => void attempts.push(() => done(refused, null)),
  })
  const asked = [stage.send(), stage.send()]
  attempts.shift()?.()
  assert.deepEqual(
    asked.map(({ told }) => told),
    [['connection: ECONNREFUSED: refused'], []],
  )
  attempts.shift()?.()
  assert.deepEqual(asked[1]?.told, ['connection: ECONNREFUSED: refused'])
  assert.equal(attempts.length, 0)
})

test('no more is read than is taken', async () => {
  await using stage = await openStage()
  const asked = stage.send()
  asked.takes = false
  await eventually('it has come', () => (stage.received[0] ?? '') !== '')
  const [socket] = stage.sockets
  assert.ok(socket)
  socket.write(`${chunkedHead}2\r\nab\r\n`)
  await eventually('a piece is told', () => asked.told.includes('ab'))
  const wave = `8000\r\n${'x'.repeat(0x8000)}\r\n`
  // More than the kernel holds for both ends.
  for (let each = 0; each < 1000; each += 1) socket.write(wave)
  await eventually('the server is held up', () => socket.writableLength > 1_000_000)
  assert.deepEqual(asked.told, ['begun', '200', 'ab'])
  asked.takes = true
  asked.asking?.resume()
  socket.write('0\r\n\r\n')
  await eventually('the rest has come', () => asked.told.includes('end'))
  assert.equal(asked.told.join('').length, 'begun200abend'.length + 1000 * 0x8000)
})

test('what is given up is told nothing more, and its connection ends', async () => {
  await using stage = await openStage()
  const asked = stage.send()
  await eventually('it has come', () => (stage.received[0] ?? '') !== '')
  asked.asking?.abort()
  await eventually('it is gone', () => isGone(stage.sockets[0]))
  assert.deepEqual(asked.told, ['begun'])
})

test('what is given up while it waits for a connection is not sent', async () => {
  await using stage = await openStage({ connectionsMax: 1 })
  const first = stage.send()
  const second = stage.send()
  second.asking?.abort()
  await eventually('the first has come', () => (stage.received[0] ?? '') !== '')
  stage.sockets[0]?.write(text('ok'))
  await eventually('it is answered', () => first.told.includes('end'))
  assert.deepEqual(second.told, [])
  assert.equal(stage.received[0], octets.toString())
})

test('the connection of an answer that is left is kept when the rest of it comes', async () => {
  await using stage = await openStage()
  const asked = stage.send()
  await eventually('it has come', () => (stage.received[0] ?? '') !== '')
  stage.sockets[0]?.write(`${chunkedHead}2\r\nab\r\n`)
  await eventually('a piece is told', () => asked.told.includes('ab'))
  asked.asking?.leave()
  const rest = '2\r\ncd\r\n0\r\n\r\n'
  const whole = chunkedHead.length + '2\r\nab\r\n'.length + rest.length
  stage.sockets[0]?.write(rest)
  await eventually('the rest is read', () => stage.clients[0]?.bytesRead === whole)
  await stage.exchange(text('ok'))
  assert.equal(stage.sockets.length, 1)
  assert.deepEqual(asked.told, ['begun', '200', 'ab'])
})

for (const [what, rest] of [
  ['does not end', ''],
  ['is long', `10001\r\n${'x'.repeat(0x10001)}\r\n`],
] as const) {
  test(`the connection of an answer that is left is ended when the rest of it ${what}`, async () => {
    requirement('gateway.answer-ends-exchange')
    await using stage = await openStage()
    const asked = stage.send()
    await eventually('it has come', () => (stage.received[0] ?? '') !== '')
    stage.sockets[0]?.write(chunkedHead)
    await eventually('a head is told', () => asked.told.includes('200'))
    asked.asking?.leave()
    if (rest !== '') stage.sockets[0]?.write(rest)
    await eventually('it is gone', () => isGone(stage.sockets[0]))
    assert.deepEqual(asked.told, ['begun', '200'])
  })
}

test('a connection that is only read to its end makes room for whoever waits', async () => {
  await using stage = await openStage({ connectionsMax: 1 })
  const asked = stage.send()
  await eventually('it has come', () => (stage.received[0] ?? '') !== '')
  asked.asking?.leave()
  await stage.exchange(text('ok'))
  assert.equal(stage.sockets.length, 2)
})

test('what a receiver throws ends its exchange, and nothing else', async () => {
  await using stage = await openStage()
  let failure = ''
  stage.pool.send(octets, {
    begun() {},
    head() {
      throw new Error('oh')
    },
    data: () => true,
    end() {},
    failed: ({ detail }) => (failure = detail),
  })
  await eventually('it has come', () => (stage.received[0] ?? '') !== '')
  stage.sockets[0]?.write(text('ok'))
  await eventually('it failed', () => failure !== '')
  assert.equal(failure, 'answer could not be taken: Error: oh')
  await stage.exchange(text('ok'))
})

test('an answer that comes before its request was taken whole ends the connection', async () => {
  await using stage = await openStage()
  const asked = stage.send(Buffer.alloc(16 * 1024 * 1024))
  await eventually('there is a connection', () => stage.sockets.length === 1)
  stage.sockets[0]?.pause()
  stage.sockets[0]?.write(text('ok'))
  await eventually('it is answered', () => asked.told.includes('end'))
  stage.sockets[0]?.resume()
  await eventually('it is gone', () => isGone(stage.sockets[0]))
})

test('a pool that is closed takes no more, and ends what is open in order', async () => {
  await using stage = await openStage({ connectionsMax: 1 })
  const open = stage.send()
  const waiting = stage.send()
  await eventually('it has come', () => (stage.received[0] ?? '') !== '')
  stage.pool.close('enough')
  assert.deepEqual(waiting.told, ['connection: ENDED: enough'])
  assert.deepEqual(stage.send().told, ['connection: ENDED: enough'])
  stage.sockets[0]?.write(text('ok'))
  await eventually('it is answered', () => open.told.includes('end'))
  await eventually('it is gone', () => isGone(stage.sockets[0]))
})

test('a pool that is destroyed ends everything, and says why', async () => {
  await using stage = await openStage()
  await stage.exchange(text('ok'))
  const asked = stage.send()
  await eventually('it has come', () => stage.written.length === 2)
  stage.pool.destroy('upstream is revoked')
  assert.deepEqual(asked.told, ['begun', 'connection: upstream is revoked'])
  await eventually('all are gone', () => stage.sockets.every(isGone))
})
