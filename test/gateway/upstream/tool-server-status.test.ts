import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  nextConditions,
  startStatusWriter,
  type StatusWriter,
} from '../../../src/gateway/upstream/tool-server-status.ts'
import { toolServerResource } from '../../../src/gateway/upstream/tool-server-watch.ts'
import type { Chosen, ToolServerVerdict } from '../../../src/gateway/upstream/tool-server.ts'
import type { ApiClient } from '../../../src/kubernetes/api-client.ts'
import { parseApiError } from '../../../src/kubernetes/api-error.ts'
import { silentLog, type Log } from '../../../src/log.ts'
import { requirement } from '../../requirements.ts'

type Condition = Readonly<Record<string, unknown>>

const key = 'tools/github'
const start = Date.parse('2026-07-28T12:00:00Z')

/** Time that goes on when a test says so. */
function createClock(): {
  now(): number
  delay(milliseconds: number, signal: AbortSignal): Promise<void>
  advance(seconds: number): Promise<void>
} {
  let now = 0
  const due = new Set<{ readonly at: number; readonly resolve: () => void }>()
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return {
    now: () => now,
    delay: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        const timer = { at: now + milliseconds, resolve }
        due.add(timer)
        signal.addEventListener('abort', () => {
          due.delete(timer)
          reject(signal.reason as Error)
        })
      }),
    async advance(seconds) {
      const end = now + seconds * 1000
      for (;;) {
        for (let turn = 0; turn < 5; turn += 1) await settle()
        const [next] = [...due].toSorted((one, other) => one.at - other.at)
        if (next === undefined || next.at > end) break
        now = next.at
        due.delete(next)
        next.resolve()
      }
      now = end
    },
  }
}

/** One ToolServer in a cluster of its own, and the replicas that write its status. */
function createCluster(): {
  readonly clock: ReturnType<typeof createClock>
  readonly patches: object[]
  conditions: readonly Condition[]
  generation: number
  /** Refuses what comes with this status. */
  refuse: number | undefined
  replica(random: number, log?: Log): StatusWriter
} {
  const clock = createClock()
  const listeners: ((changed: string) => void)[] = []
  let version = 1
  const cluster = {
    clock,
    patches: [] as object[],
    conditions: [] as readonly Condition[],
    generation: 1,
    refuse: undefined as number | undefined,
    replica: (random: number, log = silentLog) =>
      startStatusWriter({
        client,
        source,
        now: () => start + clock.now(),
        clock: () => clock.now(),
        delay: (milliseconds, signal) => clock.delay(milliseconds, signal),
        random: () => random,
        log,
      }),
  }
  const raw = (): object => ({
    metadata: {
      name: 'github',
      namespace: 'tools',
      uid: 'u1',
      resourceVersion: String(version),
      generation: cluster.generation,
    },
    spec: {},
    status: { conditions: cluster.conditions },
  })
  const source = {
    find: (asked: string) => (asked === key ? toolServerResource.parse(raw()) : undefined),
    onStatus: (listener: (changed: string) => void) => void listeners.push(listener),
  }
  async function request(asked: {
    readonly path: string
    readonly body?: unknown
  }): Promise<object> {
    cluster.patches.push(asked.body as object)
    const { metadata, status } = asked.body as {
      metadata: { uid: string; resourceVersion: string }
      status: { conditions: readonly Condition[] }
    }
    // What is on its way nobody has heard of.
    await clock.delay(20, new AbortController().signal)
    assert.match(asked.path, /\/namespaces\/tools\/toolservers\/github\/status$/)
    const refused = metadata.resourceVersion === String(version) ? cluster.refuse : 409
    if (refused !== undefined) {
      const reason = { 403: 'Forbidden', 404: 'NotFound', 409: 'Conflict' }[refused] ?? 'Unknown'
      throw parseApiError({ what: 'PATCH', status: refused, answer: { reason } })
    }
    cluster.conditions = status.conditions
    version += 1
    for (const listener of listeners) listener(key)
    return raw()
  }
  const client = { server: '', request, stream: neverAsked, close: () => {} } as ApiClient
  return cluster
}

async function* neverAsked(): AsyncGenerator<never> {}

function judged(verdict: Partial<ToolServerVerdict> = {}): Chosen {
  const accepted = { object: key, generation: 1, reason: 'Accepted', message: 'served' } as const
  return { configs: [], verdicts: [{ ...accepted, ...verdict }] }
}

test('what is served says so, and what is not says why, of which generation and since when', async () => {
  const cluster = createCluster()
  await using writer = cluster.replica(0)
  writer.tell(judged())
  await cluster.clock.advance(2)
  const accepted = {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: 'served',
    observedGeneration: 1,
    lastTransitionTime: '2026-07-28T12:00:00Z',
  }
  assert.deepEqual(cluster.conditions, [accepted])
  assert.deepEqual(
    cluster.patches.map((patch) => Object.keys(patch)),
    [['status', 'metadata']],
  )
  cluster.generation = 2
  writer.tell(judged({ generation: 2, reason: 'SpiffeIdTaken', message: 'spec.x: taken' }))
  await cluster.clock.advance(2)
  assert.deepEqual(cluster.conditions, [
    {
      ...accepted,
      status: 'False',
      reason: 'SpiffeIdTaken',
      message: 'spec.x: taken',
      observedGeneration: 2,
      lastTransitionTime: '2026-07-28T12:00:02Z',
    },
  ])
})

test('what is said already is not written again, however often it is chosen', async () => {
  requirement('gateway.status-written-once')
  const cluster = createCluster()
  await using writer = cluster.replica(0.5)
  for (let time = 0; time < 20; time += 1) writer.tell(judged())
  await cluster.clock.advance(5)
  for (let time = 0; time < 20; time += 1) writer.tell(judged())
  await cluster.clock.advance(3600)
  assert.equal(cluster.patches.length, 1)
})

test('replicas of one mind write once', async () => {
  requirement('gateway.status-written-once')
  const cluster = createCluster()
  const writers = [0.1, 0.5, 0.9].map((random) => cluster.replica(random))
  for (const writer of writers) writer.tell(judged())
  await cluster.clock.advance(3600)
  assert.equal(cluster.patches.length, 1)
  await Promise.all(writers.map((writer) => writer[Symbol.asyncDispose]()))
})

test('replicas that write at one moment write once, and the others hear that it has changed', async () => {
  const cluster = createCluster()
  const writers = [0, 0, 0].map((random) => cluster.replica(random))
  for (const writer of writers) writer.tell(judged())
  await cluster.clock.advance(3600)
  assert.ok(cluster.patches.length <= 3)
  assert.equal(cluster.conditions[0]?.['status'], 'True')
  await Promise.all(writers.map((writer) => writer[Symbol.asyncDispose]()))
})

test('two gateways that do not agree about one write ever more seldom', async () => {
  requirement('gateway.status-written-once')
  const cluster = createCluster()
  await using one = cluster.replica(0.2)
  await using other = cluster.replica(0.4)
  one.tell(judged())
  other.tell(judged({ reason: 'NameTaken', message: 'metadata.name: taken' }))
  await cluster.clock.advance(3600)
  const inTheFirstHour = cluster.patches.length
  assert.ok(inTheFirstHour < 40, `got=${inTheFirstHour}`)
  await cluster.clock.advance(3600)
  const inTheSecond = cluster.patches.length - inTheFirstHour
  assert.ok(inTheSecond <= 14, `got=${inTheSecond}`)
})

test('a verdict of an older generation is not said of a newer one', async () => {
  const cluster = createCluster()
  await using writer = cluster.replica(0)
  cluster.generation = 2
  writer.tell(judged())
  await cluster.clock.advance(10)
  assert.deepEqual(cluster.patches, [])
})

test('without the right to say it that is logged once, and tried again after minutes', async () => {
  const cluster = createCluster()
  const said: string[] = []
  const log: Log = { ...silentLog, warn: (_fields, message) => said.push(message) }
  await using writer = cluster.replica(0, log)
  cluster.refuse = 403
  writer.tell(judged())
  await cluster.clock.advance(290)
  assert.equal(cluster.patches.length, 1)
  await cluster.clock.advance(20)
  assert.equal(cluster.patches.length, 2)
  assert.deepEqual(said, ['tool servers are not told whether they are served'])
  cluster.refuse = undefined
  await cluster.clock.advance(301)
  assert.equal(cluster.conditions[0]?.['status'], 'True')
})

test('one that is gone, or whose definition has no status, is left alone', async () => {
  const cluster = createCluster()
  await using writer = cluster.replica(0)
  cluster.refuse = 404
  writer.tell(judged())
  await cluster.clock.advance(3600)
  assert.equal(cluster.patches.length, 1)
})

test("others' conditions stay, and the time is that of the change between true and false", () => {
  const foreign = { type: 'Reviewed', status: 'True' }
  const [verdict] = judged({ message: 'served as other' }).verdicts
  assert.ok(verdict)
  const lastTransitionTime = '2026-01-01T00:00:00Z'
  const old = { type: 'Accepted', status: 'True', reason: 'Accepted', lastTransitionTime }
  const next = nextConditions([old, foreign], verdict, start)
  assert.deepEqual(next?.[0], foreign)
  assert.equal((next[1] as Condition)['lastTransitionTime'], lastTransitionTime)
  assert.equal(nextConditions(next, verdict, start + 1000), undefined)
  const refused = nextConditions(next, { ...verdict, reason: 'TooMany' }, start)
  const since = (refused?.[1] as Condition | undefined)?.['lastTransitionTime']
  assert.equal(since, '2026-07-28T12:00:00Z')
})

test('a message is cut to what a condition is for', () => {
  const [verdict] = judged({ message: 'x'.repeat(100_000) }).verdicts
  assert.ok(verdict)
  const [condition] = nextConditions([], verdict, start) as readonly Condition[]
  assert.ok(String(condition?.['message']).length < 1100)
})
