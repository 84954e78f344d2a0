import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { modern, type Reply, type TestClient, whyOf } from './world/client.ts'
import type { Wanted } from './world/identities.ts'
import { answerBoth, type Answer } from './world/upstream.ts'
import { openWorld, type World } from './world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: {} })
const slow = modern('tools/call', { name: 'echo', arguments: { slow: true } })

interface SlowUpstream {
  readonly answer: Answer
  /** Ends one of the open calls each. */
  readonly open: Set<() => void>
}

/** Answers slow calls with a stream that does not end by itself. */
function slowUpstream(): SlowUpstream {
  const open = new Set<() => void>()
  return {
    open,
    answer(message, response, request) {
      if (message.method !== 'tools/call' || !JSON.stringify(message.params).includes('slow')) {
        answerBoth()(message, response, request)
        return
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      const end = (): void => {
        const result = '{"resultType":"complete","content":[]}'
        response.end(`data: {"jsonrpc":"2.0","id":${message.id},"result":${result}}\n\n`)
      }
      open.add(end)
      response.once('close', () => open.delete(end))
    },
  }
}

/** Of four places each may hold as many as it leaves: two. */
const limits = {
  upstreamConnectionsMax: 4,
  tenantSharePercent: 100,
  namespaceSharePercent: 100,
  identitySharePercent: 50,
  upstreamWaitMilliseconds: 60,
}

async function call(agent: TestClient, { body, headers } = echo): Promise<Reply> {
  return agent.post('/mcp/files', body, headers)
}

/** An agent of this service account with as many slow calls, each on a connection of its own. */
async function occupy(
  world: World,
  serviceAccount: string,
  count: number,
  wanted: Wanted = {},
): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const agent = await world.agent({ ...wanted, serviceAccount })
    call(agent, slow).catch(() => {})
  }
}

function assertRefused(
  reply: Reply,
  want: { status: number; code: number; message: string },
): void {
  const { code } = reply.json.error ?? {}
  assert.deepEqual({ status: reply.status, code, message: whyOf(reply) }, want)
  assert.equal(reply.headers['retry-after'], '1')
  assert.equal(reply.json.id, 1)
}

const used = { status: 429, code: -32600, message: 'too many open requests of one identity' }

test('one identity has its share of an upstream, whichever its pods; others are served', async () => {
  requirement('gateway.upstream-share')
  const { answer, open } = slowUpstream()
  await using world = await openWorld({ answers: { files: answer }, limits })
  await occupy(world, 'greedy', 2)
  await eventually('its share is used up', () => open.size === 2)
  const own = await world.agent({ serviceAccount: 'greedy' })
  assertRefused(await call(own), used)
  const podUid = 'c0ffee00-0000-4000-8000-00000000bee1'
  assertRefused(await call(await world.agent({ serviceAccount: 'greedy', podUid })), used)
  assert.equal((await call(await world.agent({ serviceAccount: 'modest' }))).status, 200)
  const lists = modern('tools/list')
  assertRefused(await call(own, lists), used)
  for (const end of open) end()
  await eventually('its share is free', async () => (await call(own)).status === 200)
})

test('a tool server that says how many calls it takes has no more of them', async () => {
  requirement('gateway.limits-of-a-server')
  const { answer, open } = slowUpstream()
  await using world = await openWorld({
    answers: { files: answer },
    limits: { ...limits, upstreamConnectionsMax: 100 },
    upstreams: (configs) =>
      configs.map((each) => ({ ...each, limits: { upstreamConnectionsMax: 1 } })),
  })
  await occupy(world, 'first', 1)
  await eventually('its only place is taken', () => open.size === 1)
  const reply = await call(await world.agent({ serviceAccount: 'other' }))
  assertRefused(reply, { status: 503, code: -32603, message: 'upstream is busy' })
})

test('the identities of a namespace together leave room for another tenant', async () => {
  requirement('attack.exhaustion-by-one')
  requirement('gateway.shares-for-all')
  const { answer, open } = slowUpstream()
  await using world = await openWorld({
    answers: { files: answer },
    limits: { upstreamConnectionsMax: 8, upstreamWaitMilliseconds: 60 },
  })
  for (let at = 0; at < 8; at += 1) await occupy(world, `agent-${at}`, 1)
  await eventually('the share of the namespace is used up', () => open.size === 3)
  const crowded = { ...used, message: 'too many open requests of one namespace' }
  assertRefused(await call(await world.agent({ serviceAccount: 'agent-9' })), crowded)
  const other = await world.agent({ tenant: 'globex', namespace: 'crawlers' })
  assert.equal((await call(other, modern('tools/list'))).status, 200)
})

test('a call that finds no place waits for one, and not for long', async () => {
  const { answer, open } = slowUpstream()
  const patient = { ...limits, upstreamWaitMilliseconds: 60_000 }
  await using world = await openWorld({ answers: { files: answer }, limits: patient })
  await occupy(world, 'greedy', 2)
  await eventually('its share is used up', () => open.size === 2)
  const events = world.events.length
  const reply = call(await world.agent({ serviceAccount: 'greedy' }))
  await eventually('the call is decided', () => world.events.length > events)
  for (const end of open) end()
  assert.equal((await reply).status, 200)
})

test('an upstream with as many calls as it may have refuses the next, and the gateway still lists its tools', async () => {
  const { answer, open } = slowUpstream()
  await using world = await openWorld({ answers: { files: answer }, limits })
  await occupy(world, 'greedy', 2)
  // First its own: what others hold is not left to it.
  await eventually('its share is used up', () => open.size === 2)
  await occupy(world, 'eager', 1)
  await occupy(world, 'other', 1)
  await eventually('all places are taken', () => open.size === 4)
  const agent = await world.agent({ serviceAccount: 'modest', toolScopes: 'files:*' })
  assertRefused(await call(agent), { status: 503, code: -32603, message: 'upstream is busy' })
  const unknown = modern('tools/call', { name: 'unknown', arguments: {} })
  assert.equal(whyOf(await call(agent, unknown)), 'Unknown tool: unknown')
})

/** Requests that follow each other without waiting, as HTTP/1.1 allows. */
function pipeline(socket: TLSSocket, count: number): void {
  const head = Object.entries({
    ...slow.headers,
    host: 'gateway.test',
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(Buffer.byteLength(slow.body)),
  })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  socket.write(`POST /mcp/files HTTP/1.1\r\n${head}\r\n${slow.body}`.repeat(count))
}

test('three connections with fifty calls each leave room for everybody else', async () => {
  requirement('attack.exhaustion-by-one')
  requirement('gateway.upstream-share')
  const { answer, open } = slowUpstream()
  await using world = await openWorld({ answers: { files: answer } })
  const sockets = await Promise.all([1, 2, 3].map(() => world.rawConnection()))
  for (const socket of sockets) pipeline(socket, 50)
  await eventually('eight of each connection are open', () => open.size === 24)
  assert.equal((await call(await world.agent({ serviceAccount: 'modest' }))).status, 200)
  // What waits behind an answer of its connection ends with the connection.
  for (const socket of sockets) socket.destroy()
  await eventually('nothing is left open', () => open.size === 0)
})

test('a connection has so many requests open; the next is refused in its turn, and ends it', async () => {
  const { answer, open } = slowUpstream()
  await using world = await openWorld({
    answers: { files: answer },
    limits: { connectionInFlightMax: 2 },
  })
  const socket = await world.rawConnection()
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  pipeline(socket, 4)
  await eventually('two calls are open', () => open.size === 2)
  const closed = once(socket, 'close')
  for (const end of open) end()
  await closed
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
  assert.deepEqual(statuses, ['200', '200', '429'])
  assert.match(text, /"message":"too many open requests of one connection \(decision /)
})
