import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'
import { modern } from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const octetsMax = 4 * 1024 * 1024
const text = 'x'.repeat(octetsMax - 64 * 1024)

/** Answers calls with four megabytes: more than the kernel takes for anybody. */
const largely: Answer = (message, response, request) => {
  if (message.method !== 'tools/call') return answerBoth()(message, response, request)
  const result = `{"resultType":"complete","content":[{"type":"text","text":"${text}"}]}`
  sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
}

const echo = modern('tools/call', { name: 'echo', arguments: {} })
const head = Object.entries({
  ...echo.headers,
  host: 'gateway.test',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'content-length': String(Buffer.byteLength(echo.body)),
})
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('')
const call = `POST /mcp/files HTTP/1.1\r\n${head}\r\n${echo.body}`

const podUid = 'c0ffee00-0000-4000-8000-00000000beef'

/** Connections of one pod that ask and read nothing. */
async function askWithoutReading(
  world: World,
  times: number,
  callsEach = 1,
): Promise<readonly TLSSocket[]> {
  const credential = world.identities.issue({ toolScopes: 'files:echo', podUid })
  const sockets: TLSSocket[] = []
  for (let time = 0; time < times; time += 1) {
    const socket = await world.rawConnection(credential)
    socket.on('error', () => {})
    socket.pause()
    socket.write(call.repeat(callsEach))
    sockets.push(socket)
  }
  return sockets
}

const callsAt = (world: World): number =>
  world.upstreams['files']?.received.filter(({ body }) => body.includes('tools/call')).length ?? 0

test('whoever lets its answers lie is hung up on when they are too many', async () => {
  requirement('gateway.unread-answers-bounded')
  await using world = await openWorld({
    answers: { files: largely },
    limits: { unsentBytesMax: 12 * octetsMax, answerBytesMax: octetsMax },
  })
  const sockets = await askWithoutReading(world, 2, 8)
  await eventually('all are answered', () => callsAt(world) === 16, 20)
  // Reading now, they find what the kernel and the bound have left of their answers.
  const octets = await Promise.all(sockets.map((socket) => readAll(socket, 8 * text.length)))
  const sum = octets.reduce((one, other) => one + other)
  assert.ok(sum < 16 * text.length, `got=${sum}`)
})

/** Reads until the other side ends, or everything has come. */
async function readAll(socket: TLSSocket, octetsMax: number): Promise<number> {
  let octets = 0
  socket.on('data', (chunk: Buffer) => {
    octets += chunk.length
    if (octets >= octetsMax) socket.destroy()
  })
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
  return octets
}

test('an answer that is not read in time ends its connection', async () => {
  requirement('gateway.unread-answers-bounded')
  await using world = await openWorld({
    answers: { files: largely },
    limits: { unsentSecondsMax: 0.3, answerBytesMax: octetsMax, podInFlightMax: 6 },
  })
  // More on one connection than the kernel takes.
  const [socket] = await askWithoutReading(world, 1, 6)
  assert.ok(socket)
  await eventually('all are answered', () => callsAt(world) === 6, 20)
  const agent = await world.agent({ podUid })
  const list = modern('tools/list')
  await eventually('the pod has no request open any more', async () => {
    return (await agent.post('/mcp/files', list.body, list.headers)).status === 200
  })
  const octets = await readAll(socket, 6 * text.length)
  assert.ok(octets < 6 * text.length, 'what the kernel held, and no more')
})

test('a request is open until its answer is read', async () => {
  const refused: string[] = []
  const note = (fields: object): void => void refused.push(JSON.stringify(fields))
  await using world = await openWorld({
    answers: { files: largely },
    limits: { podInFlightMax: 2, answerBytesMax: octetsMax },
    log: { debug: () => {}, info: note, warn: () => {}, error: () => {} },
  })
  const sockets = await askWithoutReading(world, 3)
  await eventually('the third is refused', () =>
    refused.some((line) => line.includes('too many open requests of one pod')),
  )
  await eventually('two are called', () => callsAt(world) === 2)
  for (const socket of sockets) socket.destroy()
})
