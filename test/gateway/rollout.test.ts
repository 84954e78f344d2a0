import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { eventually } from '../support/eventually.ts'
import { requirement } from '../requirements.ts'
import type { Delay } from '../../src/drain.ts'
import { openBalancer, type Balancer } from './world/balancer.ts'
import { modern, openClient } from './world/client.ts'
import { answerBoth, openUpstream, type TestUpstream } from './world/upstream.ts'
import { defaultScopes, openWorld, type World } from './world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: { text: 'hello' } })
/** A tool of which its server says that it only reads. */
const read = modern('tools/call', { name: 'big', arguments: {} })
const headers = {
  host: 'gateway.test',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  ...echo.headers,
}

/** A client that keeps its connections. */
interface Caller extends AsyncDisposable {
  /** The status of one call. */
  call(): Promise<number>
}

/** A replica whose grace ends when the test says so. */
interface Replica extends Disposable {
  readonly gateway: Gateway
  endGrace(): void
}

async function openReplica(world: World): Promise<Replica> {
  const grace = Promise.withResolvers<void>()
  const gateway = await world.openReplica({
    drain: { graceSeconds: 5, callSecondsMax: 60 },
    delay: (milliseconds) => (milliseconds === 5000 ? grace.promise : new Promise(() => {})),
  })
  const endGrace = (): void => grace.resolve()
  return { gateway, endGrace, [Symbol.dispose]: endGrace }
}

async function ours(world: World, port: number): Promise<Caller> {
  const own = world.identities.issue({ toolScopes: defaultScopes })
  const folder = await mkdtemp(join(tmpdir(), 'countersign-rollout-'))
  const credentialBundle = join(folder, 'credential.pem')
  const trustBundle = join(folder, 'trust.pem')
  await writeFile(credentialBundle, `${own.privateKeyPem}${own.chainPem}`, { mode: 0o600 })
  await writeFile(trustBundle, world.identities.bundle.pem)
  const server = world.credential.current().svid.spiffeId.uri
  const opened = await openCountersignFetch({ credentialBundle, trustBundle, server })
  const url = `https://127.0.0.1:${port}/mcp/files`
  return {
    async call() {
      const answer = await opened.fetch(url, { method: 'POST', headers, body: echo.body })
      await answer.text()
      return answer.status
    },
    async [Symbol.asyncDispose]() {
      await opened[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

async function undici(world: World, port: number, what = echo): Promise<Caller> {
  const credential = world.identities.issue({ toolScopes: defaultScopes })
  const client = openClient({ port, credential, bundle: world.identities.bundle })
  return {
    call: async () => (await client.post('/mcp/files', what.body, what.headers)).status,
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  }
}

async function plain(world: World, port: number): Promise<Caller> {
  const { chainPem: cert, privateKeyPem: key } = world.identities.issue({
    toolScopes: defaultScopes,
  })
  const checkServerIdentity = (): undefined => undefined
  const tls = { cert, key, ca: world.identities.bundle.pem, checkServerIdentity }
  const agent = new Agent({ ...tls, keepAlive: true })
  return {
    call: () =>
      new Promise((resolve, reject) => {
        const options = {
          host: '127.0.0.1',
          port,
          path: '/mcp/files',
          method: 'POST',
          headers,
          agent,
        }
        const outgoing = httpsRequest(options, (incoming) => {
          incoming.resume().once('end', () => resolve(incoming.statusCode ?? 0))
        })
        outgoing.once('error', reject)
        outgoing.end(echo.body)
      }),
    async [Symbol.asyncDispose]() {
      agent.destroy()
    },
  }
}

/** Calls one after the other, each client for itself, until it is stopped or one fails. */
interface Load extends AsyncDisposable {
  readonly calls: number
  readonly failures: readonly unknown[]
  stop(): Promise<void>
}

function startLoad(callers: readonly Caller[]): Load {
  let calls = 0
  const stopping = new AbortController()
  const failures: unknown[] = []
  const work = callers.map(async (caller) => {
    while (!stopping.signal.aborted && failures.length === 0) {
      const status = await caller.call().catch((error: unknown) => error)
      calls += 1
      if (status !== 200) failures.push(status)
    }
  })
  const stop = async (): Promise<void> => {
    stopping.abort()
    await Promise.all(work)
  }
  return {
    get calls() {
      return calls
    },
    failures,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const callsAt = (world: World): number =>
  world.upstreams['files']?.received.filter(({ body }) => body.includes('tools/call')).length ?? 0

async function moreCalls(load: Load, count: number): Promise<void> {
  const until = load.calls + count
  await eventually(`${count} more calls`, () => load.calls >= until || load.failures.length > 0, 30)
  assert.deepEqual(load.failures, [])
}

/** Replaces one replica by another as a Deployment does: told to end, endpoints follow late, gone. */
async function replace(
  { old, by }: { readonly old: Replica; readonly by: Replica },
  { balancer, load }: { readonly balancer: Balancer; readonly load: Load },
): Promise<void> {
  const { port } = old.gateway
  assert.ok(balancer.connectionsTo(port) > 0, 'somebody is connected')
  const before = balancer.connectionsTo(port)
  const closing = old.gateway.close()
  assert.equal(old.gateway.draining, true)
  const others = balancer.endpoints.filter((each) => each !== port)
  balancer.endpoints = [port]
  await eventually('late connections come', () => balancer.connectionsTo(port) > before + 2, 30)
  balancer.endpoints = [...others, by.gateway.port]
  await moreCalls(load, 20)
  old.endGrace()
  await closing
  await moreCalls(load, 20)
}

test('every replica is replaced under load, and no call fails or is made twice', async () => {
  await using world = await openWorld()
  using a = await openReplica(world)
  using b = await openReplica(world)
  using c = await openReplica(world)
  using d = await openReplica(world)
  await using balancer = await openBalancer(a.gateway.port, b.gateway.port)
  await using first = await ours(world, balancer.port)
  await using second = await undici(world, balancer.port)
  await using third = await plain(world, balancer.port)
  await using load = startLoad([first, second, third])
  await moreCalls(load, 20)
  await replace({ old: a, by: c }, { balancer, load })
  await replace({ old: b, by: d }, { balancer, load })
  await load.stop()
  assert.deepEqual(load.failures, [])
  assert.equal(callsAt(world), load.calls)
})

/** A tool server of two replicas, behind a balancer. */
async function openToolServers(hold: Delay | undefined): Promise<
  AsyncDisposable & {
    readonly world: World
    readonly balancer: Balancer
    readonly old: TestUpstream
    readonly by: TestUpstream
  }
> {
  await using opened = new AsyncDisposableStack()
  const balancer = opened.use(await openBalancer())
  const url = `https://127.0.0.1:${balancer.port}/mcp`
  const world = opened.use(
    await openWorld({
      answers: { files: answerBoth() },
      upstreams: (configs) => configs.map((config) => ({ ...config, url })),
    }),
  )
  const replica = (): Promise<TestUpstream> =>
    openUpstream({
      credential: world.identities.issue({
        namespace: 'tools',
        serviceAccount: 'files',
        role: 'tool-server',
      }),
      bundle: world.identities.bundle,
      answer: answerBoth(),
      ...(hold === undefined ? {} : { delay: hold }),
    })
  const [old, by] = [opened.use(await replica()), opened.use(await replica())]
  balancer.endpoints = [old.port]
  const parts = opened.move()
  return { world, balancer, old, by, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

const callsIn = (received: TestUpstream['received']): number =>
  received.filter(({ body }) => body.includes('tools/call')).length

test('a tool server that ends in order is replaced under load, and no call fails or is made twice', async () => {
  const grace = Promise.withResolvers<void>()
  await using stage = await openToolServers((milliseconds) =>
    milliseconds === 5000 ? grace.promise : new Promise(() => {}),
  )
  const { world, balancer, old, by } = stage
  const { port } = world.gateway
  await using first = await ours(world, port)
  await using second = await undici(world, port)
  await using third = await plain(world, port)
  await using load = startLoad([first, second, third])
  await moreCalls(load, 20)
  const closing = old.drain.close({ graceSeconds: 5, callSecondsMax: 60 })
  const before = balancer.connectionsTo(old.port)
  await eventually('late connections come', () => balancer.connectionsTo(old.port) > before + 2, 30)
  balancer.endpoints = [by.port]
  await moreCalls(load, 20)
  grace.resolve()
  await closing
  await moreCalls(load, 20)
  await load.stop()
  assert.deepEqual(load.failures, [])
  assert.equal(callsIn(old.received) + callsIn(by.received), load.calls)
})

test('a tool server that dies under load fails no call of a tool that only reads', async () => {
  await using stage = await openToolServers(undefined)
  const { world, balancer, old, by } = stage
  const { port } = world.gateway
  await using first = await undici(world, port, read)
  await using second = await undici(world, port, read)
  await using third = await undici(world, port, read)
  await using load = startLoad([first, second, third])
  await moreCalls(load, 20)
  // The endpoint outlives the process for a moment: connections are refused.
  old.die()
  balancer.endpoints = [old.port, by.port]
  await moreCalls(load, 20)
  balancer.endpoints = [by.port]
  await moreCalls(load, 20)
  await load.stop()
  assert.deepEqual(load.failures, [])
})

test('a call that crosses the end of its connection is made once, at another replica', async () => {
  requirement('gateway.ended-means-not-begun')
  requirement('agent.repeats-only-what-was-not-begun')
  await using world = await openWorld()
  using old = await openReplica(world)
  using other = await openReplica(world)
  await using balancer = await openBalancer(old.gateway.port)
  await using caller = await ours(world, balancer.port)
  assert.equal(await caller.call(), 200)
  balancer.endpoints = [other.gateway.port]
  const closing = old.gateway.close()
  balancer.hold(old.gateway.port)
  const crossing = caller.call()
  await eventually('the call is on its way', () => balancer.heldOctets > 0)
  old.endGrace()
  assert.equal(await crossing, 200)
  await closing
  assert.equal(balancer.connectionsTo(other.gateway.port), 1)
  assert.equal(callsAt(world), 2)
})
