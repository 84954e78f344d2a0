import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'
import { AnswerHold, endWith } from '../../../src/gateway/door/unsent.ts'
import type { Unsent } from '../../../src/shares.ts'
import { Stay } from '../../../src/gateway/stay.ts'
import { silentMetrics, type Metrics } from '../../../src/metrics.ts'
import { initializeParams, legacy, modern, openClient, whyOf, type Reply } from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const octetsMax = 4 * 1024 * 1024
const text = 'Q'.repeat(octetsMax - 64 * 1024)

/** Answers calls with four megabytes: more than the kernel takes for anybody. */
function largelyBy(send: (response: ServerResponse, body: string) => void): Answer {
  return (message, response, request) => {
    if (message.method !== 'tools/call') return answerBoth()(message, response, request)
    const result = `{"resultType":"complete","content":[{"type":"text","text":"${text}"}]}`
    send(response, `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`)
  }
}
const largely = largelyBy((response, body) => {
  sendJson(response, body, { 'content-length': Buffer.byteLength(body) })
})

/** Answers no call before so many have come: what is asked when there is no room for an answer any more is refused before its server hears of it. */
function onceAsked(calls: number, answer: Answer): Answer {
  const held: (() => void)[] = []
  return (message, response, request) => {
    if (message.method !== 'tools/call') return answer(message, response, request)
    held.push(() => answer(message, response, request))
    if (held.length === calls) for (const each of held) each()
  }
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
    sockets.push(socket)
  }
  for (const socket of sockets) socket.write(call.repeat(callsEach))
  return sockets
}

const callsAt = (world: World): number =>
  world.upstreams['files']?.received.filter(({ body }) => body.includes('tools/call')).length ?? 0

interface Answers {
  readonly whole: number
  readonly refused: number
}

/** How many come of each: answers that are whole, and that are refused for want of room. */
async function answersOn(sockets: readonly TLSSocket[], count: number): Promise<Answers> {
  const all = await Promise.all(sockets.map((socket) => readAnswers(socket, count)))
  const sum = (of: keyof Answers): number => all.reduce((before, each) => before + each[of], 0)
  return { whole: sum('whole'), refused: sum('refused') }
}

async function readAnswers(socket: TLSSocket, count: number): Promise<Answers> {
  let text = ''
  const occurrences = (what: string): number => text.split(what).length - 1
  const found = (): Answers => ({
    whole: occurrences('"resultType":"complete"'),
    refused: occurrences('"message":"too many octets of answers of one identity (decision'),
  })
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    // Their length says nothing here.
    text += chunk.replace(/Q+/g, '')
    const { whole, refused } = found()
    if (whole + refused >= count) socket.destroy()
  })
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
  return found()
}

/** What answers take of memory. */
function heldOctets({ world, gauges }: Measured): number {
  world.gateway.measure()
  return gauges.get('countersign_gateway_unsent_octets') ?? Number.NaN
}

interface Measured {
  readonly world: World
  readonly gauges: ReadonlyMap<string, number>
}

function measuring(): { readonly metrics: Metrics; readonly gauges: ReadonlyMap<string, number> } {
  const gauges = new Map<string, number>()
  const set: Metrics['set'] = (name, value) => void gauges.set(name, value)
  return { gauges, metrics: { ...silentMetrics, set } }
}

const limits = { unsentBytesMax: 12 * octetsMax, answerBytesMax: octetsMax }

const ways: Readonly<Record<string, Answer>> = {
  'say how large they are': largely,
  'do not say how large they are': largelyBy((response, body) => sendJson(response, body)),
  'are events of streams': largelyBy((response, body) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: ${body}\n\n`)
  }),
}

for (const [how, answer] of Object.entries(ways)) {
  test(`answers that ${how} take no more memory than their caller’s share, from the first octet to the last`, async (t) => {
    requirement('gateway.unread-answers-bounded')
    const { metrics, gauges } = measuring()
    const files = onceAsked(16, answer)
    await using world = await openWorld({ answers: { files }, limits, metrics })
    let most = 0
    const looking = setInterval(() => {
      most = Math.max(most, heldOctets({ world, gauges }))
    }, 5)
    // A test that fails ends all the same.
    t.after(() => clearInterval(looking))
    const sockets = await askWithoutReading(world, 2, 8)
    // Reading once all are asked, they find what has been kept of their answers, and why there is no more.
    await eventually('all are asked', () => callsAt(world) === 16)
    const { whole, refused } = await answersOn(sockets, 8)
    assert.equal(whole + refused, 16)
    assert.ok(whole >= 1 && refused >= 4, `got=${whole} and ${refused}`)
    assert.ok(most > 0 && most <= 4 * octetsMax, `got=${most}`)
    await eventually('all is given back', () => heldOctets({ world, gauges }) === 0)
  })
}

test('the octets of lists are their caller’s too, and another has its own', async () => {
  requirement('gateway.shares-for-all')
  const { metrics, gauges } = measuring()
  const held: (() => void)[] = []
  const page = `{"tools":[],"resultType":"complete","x":"${text}"}`
  const listing: Answer = (message, response) => {
    const body = `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${page}}`
    response.writeHead(200, { 'content-type': 'application/json' })
    // All of it but its end.
    response.write(body.slice(0, -1))
    held.push(() => response.end('}'))
  }
  await using world = await openWorld({ answers: { files: listing }, limits, metrics })
  const greedy = await Promise.all(
    Array.from({ length: 8 }, () => world.agent({ toolScopes: 'files:*', tenant: 'greedy' })),
  )
  const list = modern('tools/list')
  const replies: Promise<Reply>[] = []
  for (const [at, agent] of greedy.entries()) {
    replies.push(agent.post('/mcp/files', list.body, list.headers))
    await eventually('it is asked', () => held.length === at + 1)
  }
  await eventually('some wait', () => heldOctets({ world, gauges }) > 0)
  const other = world.identities.issue({ toolScopes: 'files:*', tenant: 'other', namespace: 'b' })
  const { port } = world.gateway
  await using client = openClient({ port, credential: other, bundle: world.identities.bundle })
  const own = client.post('/mcp/files', list.body, list.headers)
  await eventually('the other is asked', () => held.length === 9)
  for (const end of held) end()
  const why = (await Promise.all(replies)).map(whyOf)
  assert.ok(why.includes('too many octets of answers of one identity'), why.join())
  assert.ok(why.includes(undefined), 'what has room is served')
  assert.equal((await own).status, 200)
  assert.equal(whyOf(await own), undefined)
  await eventually('all is given back', () => heldOctets({ world, gauges }) === 0)
})

test('an answer that is larger than what was read for it is not sent beyond the share', () => {
  requirement('gateway.unread-answers-bounded')
  const done: string[] = []
  const response = Object.assign(new EventEmitter(), {
    closed: false,
    req: { socket: { destroy: () => done.push('hung up') } },
    end: () => done.push('sent'),
  }) as unknown as ServerResponse
  let left = 200_000
  const unsent: Unsent = {
    take: (octets) => {
      if (octets > left) return 'identity'
      left -= octets
      return undefined
    },
    give: (octets) => void (left += octets),
    secondsMax: 60,
  }
  const stay = new Stay(response)
  const hold = new AnswerHold(response, unsent, stay)
  assert.equal(hold.take(100_000), undefined)
  endWith(response, Buffer.alloc(200_001), hold)
  assert.equal(left, 100_000)
  endWith(response, Buffer.alloc(200_000), hold)
  assert.deepEqual(done, ['hung up', 'sent'])
  assert.equal(left, 0)
  stay.served()
  assert.equal(left, 0)
  response.emit('close')
  assert.equal(left, 200_000)
})

test('what an upstream leaves unfinished is given back when its caller goes', async () => {
  const { metrics, gauges } = measuring()
  const stalling: Answer = (message, response, request) => {
    if (message.method !== 'tools/call') return answerBoth()(message, response, request)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000_000 })
    response.write('{')
  }
  await using world = await openWorld({ answers: { files: stalling }, limits, metrics })
  const [socket] = await askWithoutReading(world, 1)
  await eventually('it is held', () => heldOctets({ world, gauges }) === 1_000_000)
  socket?.destroy()
  await eventually('it is given back', () => heldOctets({ world, gauges }) === 0)
})

for (const [what, { body, headers }] of Object.entries({
  'of a list': modern('tools/list'),
  'of sessions that are opened': legacy('initialize', initializeParams),
})) {
  test(`at the door of all the answers ${what} are counted, however small each is`, async () => {
    requirement('gateway.unread-answers-bounded')
    const { metrics, gauges } = measuring()
    const stalling: Answer = (_message, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 50_000 })
      response.write('{')
    }
    const answers = { files: stalling, web: stalling }
    await using world = await openWorld({
      answers,
      limits: { federationWaitMilliseconds: 10_000 },
      metrics,
    })
    const agent = await world.agent()
    const reply = agent.post('/mcp', body, headers).catch(() => {})
    await eventually('both are held', () => heldOctets({ world, gauges }) === 100_000)
    await agent.client.destroy()
    await reply
  })
}

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
  await eventually('all are answered', () => callsAt(world) === 6)
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
