import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { parse } from 'yaml'
import { watchPods } from '../../src/gateway/caller/pod-watch.ts'
import type { Timer } from '../../src/gateway/caller/pod-deadlines.ts'
import { watchRevocations } from '../../src/gateway/caller/revocation-watch.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics, type Metrics } from '../../src/metrics.ts'
import { eventually } from '../support/eventually.ts'
import {
  listAnswer,
  startFakeApiServer,
  statusAnswer,
  type FakeAnswer,
  type FakeApiServer,
} from '../support/fake-api-server.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority } from '../support/test-authority.ts'

let server: FakeApiServer
let client: ApiClient
let answers: Record<string, FakeAnswer>
let malformed: number

const metrics: Metrics = {
  ...silentMetrics,
  count: (name) => {
    if (name === 'countersign_watch_malformed_total') malformed += 1
  },
}

beforeEach(async () => {
  malformed = 0
  answers = {}
  server = await startFakeApiServer()
  server.otherwise((request) => {
    if (request.query.get('watch') === '1') return { lines: [] }
    return answers[request.path] ?? statusAnswer(404, 'NotFound')
  })
  client = createApiClient({ kubeconfig: server.kubeconfig })
})

afterEach(async () => {
  client.close()
  await server[Symbol.asyncDispose]()
})

const metadata = (name: string, more: object = {}): object => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: '1',
  ...more,
})

interface Field {
  readonly pattern?: string
  readonly maxLength?: number
  readonly properties?: Readonly<Record<string, Field>>
}

interface Definition {
  readonly spec: {
    readonly versions: readonly {
      readonly schema: {
        readonly openAPIV3Schema: {
          readonly properties: { readonly spec: { readonly properties: Record<string, Field> } }
        }
      }
    }[]
  }
}

/** The schema's format refuses days that no month has; its pattern takes them. */
function isDay(text: string): boolean {
  const day = /^(\d{4}-\d{2}-\d{2})T/.exec(text)?.[1]
  return day === undefined || new Date(day).toISOString().startsWith(day)
}

function watchStream(path: string): FakeApiServer['streams'][number] | undefined {
  return server.streams.find((stream) => stream.request.path === path)
}

/** Timers that a test fires. */
function createTimers(): {
  timer: Timer
  pending: () => readonly number[]
  fire: () => void
} {
  const waiting = new Set<{ milliseconds: number; work: () => void }>()
  return {
    timer(milliseconds, work) {
      const entry = { milliseconds, work }
      waiting.add(entry)
      return () => waiting.delete(entry)
    },
    pending: () => [...waiting].map(({ milliseconds }) => milliseconds),
    fire() {
      const due = [...waiting]
      waiting.clear()
      for (const { work } of due) work()
    },
  }
}

describe('revocations', () => {
  const path = '/apis/countersign.dev/v1alpha1/revocations'
  const { svid } = createTestAuthority().issue({ tenant: 'acme' }).credential

  test('one that cannot be read may mean anybody: the others are in force, and nobody is served until it is gone', async () => {
    requirement('gateway.unreadable-revocation')
    answers[path] = listAnswer(
      [
        {
          metadata: metadata('bad-time'),
          spec: { tenant: 'acme', issuedBefore: 'soon', reason: '' },
        },
        { metadata: metadata('no-matcher'), spec: { reason: 'nothing' } },
        { metadata: metadata('no-spec') },
        { metadata: metadata('half'), spec: { serviceAccount: { name: 'agent' }, reason: '' } },
        { metadata: metadata('good'), spec: { tenant: 'acme', reason: 'test' } },
      ],
      '1',
    )
    await using source = await watchRevocations({ client, log: silentLog, metrics })
    let changes = 0
    source.onChange(() => (changes += 1))
    assert.partialDeepStrictEqual(source.find(svid), {
      name: 'good',
      tenant: 'acme',
      reason: 'test',
    })
    assert.equal(malformed, 4)
    assert.equal(source.staleSeconds, Number.POSITIVE_INFINITY)
    assert.deepEqual(source.condition(120), {
      name: 'revocations',
      ok: false,
      reason:
        '4 of them cannot be read, such as bad-time, no-matcher, no-spec: nobody is served until they are mended or deleted',
    })
    await eventually('the watch is open', () => watchStream(path) !== undefined)
    const gone = ['bad-time', 'no-matcher', 'no-spec'].map((name) => ({
      type: 'DELETED',
      object: { metadata: { name, resourceVersion: '2' } },
    }))
    const mended = { metadata: metadata('half'), spec: { tenant: 'other', reason: '' } }
    watchStream(path)?.send(...gone, { type: 'MODIFIED', object: mended })
    await eventually('all are read', () => source.staleSeconds === 0)
    assert.deepEqual(source.condition(120), { name: 'revocations', ok: true, reason: 'followed' })
    assert.equal(changes, 4)
  })

  const uid = '0b6ba3a8-1b9a-4f0e-9d1c-3c5e2f6a7b80'
  const nobody: Readonly<Record<string, object>> = {
    'a pod UID in upper case': { podUID: uid.toUpperCase() },
    'a pod UID and a space': { podUID: `${uid} ` },
    'a tenant in upper case': { tenant: 'ACME' },
    'an issuance in upper case': { issuanceID: 'AB'.repeat(16) },
    'a namespace in upper case': { serviceAccount: { namespace: 'Shop', name: 'agent' } },
    'a service account with a space': { serviceAccount: { namespace: 'shop', name: 'agent ' } },
    'a time with ten digits of a second': { issuedBefore: '2030-01-01T00:00:00.0000000001Z' },
    'a time in small letters': { issuedBefore: '2030-01-01t00:00:00z' },
  }
  for (const [what, spec] of Object.entries(nobody)) {
    test(`${what} fits nobody, so its revocation cannot be read: an error that names it`, async () => {
      answers[path] = listAnswer(
        [{ metadata: metadata('odd'), spec: { ...spec, reason: 'r' } }],
        '1',
      )
      const errors: unknown[] = []
      const log = {
        ...silentLog,
        error: (fields: object, message: string) => errors.push({ ...fields, error: '', message }),
      }
      await using source = await watchRevocations({ client, log, metrics })
      assert.equal(source.find(svid), undefined)
      assert.equal(malformed, 1)
      const named = {
        resource: 'revocations',
        name: 'odd',
        error: '',
        message: 'object cannot be read',
      }
      assert.deepEqual(errors, [named])
    })
  }

  test('whatever the schema takes, the gateway reads', async () => {
    const file = new URL('../../charts/countersign/files/crds/revocations.yaml', import.meta.url)
    const definition = parse(await readFile(file, 'utf8')) as Definition
    const [version] = definition.spec.versions
    const { serviceAccount, ...fields } =
      version?.schema.openAPIV3Schema.properties.spec.properties ?? {}
    const texts = ({ pattern = '', maxLength = 1000 }: Field): fc.Arbitrary<string> =>
      fc
        .stringMatching(new RegExp(pattern))
        .filter((text) => text.length <= maxLength && isDay(text))
    const matchers = ['podUID', 'tenant', 'issuanceID', 'issuedBefore'].map((name) =>
      texts(fields[name] ?? {}).map((value) => ({ [name]: value })),
    )
    const account = fc.record({
      namespace: texts(serviceAccount?.properties?.['namespace'] ?? {}),
      name: texts(serviceAccount?.properties?.['name'] ?? {}),
    })
    const specs = fc.oneof(
      ...matchers,
      account.map((value) => ({ serviceAccount: value })),
    )
    const items = fc
      .sample(specs, 500)
      .map((spec, index) => ({ metadata: metadata(`r${index}`), spec: { ...spec, reason: 'r' } }))
    answers[path] = listAnswer(items, '1')
    const errors: object[] = []
    const log = { ...silentLog, error: (entry: object) => errors.push(entry) }
    await using source = await watchRevocations({ client, log, metrics })
    assert.notEqual(source.staleSeconds, Number.POSITIVE_INFINITY)
    assert.deepEqual(errors, [])
  })

  test('one that comes is told, and in force at once', async () => {
    answers[path] = listAnswer([], '1')
    await using source = await watchRevocations({ client, log: silentLog, metrics })
    assert.equal(source.find(svid), undefined)
    let changes = 0
    source.onChange(() => (changes += 1))
    await eventually('the watch is open', () => watchStream(path) !== undefined)
    const spec = {
      podUID: svid.identity?.pod.uid,
      serviceAccount: { namespace: 'shop', name: 'agent' },
      issuanceID: svid.identity?.issuanceId,
      issuedBefore: '2100-01-01T00:00:00Z',
      reason: 'key found in a log',
    }
    const object = { metadata: metadata('r', { resourceVersion: '2' }), spec }
    watchStream(path)?.send({ type: 'ADDED', object })
    await eventually('the change is told', () => changes === 1)
    assert.partialDeepStrictEqual(source.find(svid), {
      name: 'r',
      podUid: svid.identity?.pod.uid,
      serviceAccount: { namespace: 'shop', name: 'agent' },
      issuanceId: svid.identity?.issuanceId,
      issuedBefore: new Date('2100-01-01T00:00:00Z'),
      reason: 'key found in a log',
    })
  })
})

describe('pods', () => {
  const list = '/api/v1/pods'
  const one = '/api/v1/namespaces/shop/pods/agent'
  const pod = (more: { metadata?: object; status?: object } = {}): object => ({
    metadata: metadata('agent', { namespace: 'shop', ...more.metadata }),
    spec: { serviceAccountName: 'agent' },
    status: { phase: 'Running', ...more.status },
  })
  const now = Date.parse('2026-01-01T00:00:00Z')

  const cases: readonly [string, object | undefined, object | undefined, boolean][] = [
    ['in the cache', pod(), undefined, true],
    ['in the cache, and done', pod({ status: { phase: 'Succeeded' } }), undefined, false],
    ['in the cache, and failed', pod({ status: { phase: 'Failed' } }), undefined, false],
    [
      'terminating, within its grace',
      pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:30Z' } }),
      undefined,
      true,
    ],
    [
      'terminating, beyond its grace',
      pod({ metadata: { deletionTimestamp: '2025-12-31T23:59:59Z' } }),
      undefined,
      false,
    ],
    ['not in the cache, but there', undefined, pod(), true],
    ['nowhere', undefined, undefined, false],
    [
      'in the cache under another UID, and there under that too',
      pod({ metadata: { uid: 'other' } }),
      pod({ metadata: { uid: 'other' } }),
      false,
    ],
    ['in the cache under an older UID', pod({ metadata: { uid: 'older' } }), pod(), true],
  ]

  for (const [where, cached, live, alive] of cases) {
    test(`a pod ${where} is ${alive ? 'alive' : 'gone'}`, async () => {
      answers[list] = listAnswer(cached === undefined ? [] : [cached], '1')
      if (live !== undefined) answers[one] = { body: live }
      await using source = await watchPods({ client, log: silentLog, metrics, now: () => now })
      assert.equal(await source.alive('uid-agent', 'shop', 'agent'), alive)
    })
  }

  test('a pod that is gone is asked for once, and never again', async () => {
    answers[list] = listAnswer([], '1')
    await using source = await watchPods({ client, log: silentLog, metrics, now: () => now })
    const ask = async (): Promise<boolean> => source.alive('uid-agent', 'shop', 'agent')
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [false, false, false])
    assert.equal(source.alive('uid-agent', 'shop', 'agent'), false)
    assert.equal(server.requests.filter(({ path }) => path === one).length, 1)
  })

  test('the pods of one namespace, however many and however slowly they are asked for, keep no other from being asked for', async () => {
    requirement('gateway.shares-for-all')
    answers[list] = listAnswer([], '1')
    answers[one] = { body: pod() }
    const crowd = Array.from({ length: 60 }, (_, at) => `crowd-${at}`)
    const pathOf = (name: string): string => `/api/v1/namespaces/crowd/pods/${name}`
    for (const name of crowd) answers[pathOf(name)] = { hang: true }
    await using source = await watchPods({ client, log: silentLog, metrics, now: () => now })
    const outcomes = crowd.map((name) =>
      Promise.resolve(source.alive(`uid-${name}`, 'crowd', name)),
    )
    const settled = Promise.allSettled(outcomes)
    assert.equal(await source.alive('uid-agent', 'shop', 'agent'), true)
    const asked = server.requests.filter(({ path }) => path.startsWith('/api/v1/namespaces/crowd/'))
    assert.ok(asked.length > 0 && asked.length <= 13, `got=${asked.length}`)
    client.close()
    await settled
  })

  test('an API server that does not know is not taken for an answer', async () => {
    answers[list] = listAnswer([], '1')
    answers[one] = statusAnswer(500, 'InternalError')
    await using source = await watchPods({ client, log: silentLog, metrics, now: () => now })
    await assert.rejects(Promise.resolve(source.alive('uid-agent', 'shop', 'agent')))
  })

  test('a pod that is deleted is told of; one that merely changes is not', async () => {
    answers[list] = listAnswer([pod()], '1')
    await using source = await watchPods({ client, log: silentLog, metrics, now: () => now })
    let changes = 0
    source.onChange(() => (changes += 1))
    await eventually('the watch is open', () => watchStream(list) !== undefined)
    const changed = pod({ metadata: { resourceVersion: '2', labels: { a: 'b' } } })
    const deleted = pod({ metadata: { resourceVersion: '3' } })
    watchStream(list)?.send(
      { type: 'MODIFIED', object: changed },
      { type: 'DELETED', object: deleted },
    )
    await eventually('the deletion is told', () => changes > 0)
    assert.equal(changes, 1)
    assert.equal(await source.alive('uid-agent', 'shop', 'agent'), false)
  })

  test('a pod that is deleted is gone, whatever the API server has said of it a moment before', async () => {
    requirement('gateway.pod-gone')
    answers[list] = listAnswer([], '1')
    answers[one] = { body: pod() }
    const options = { client, log: silentLog, metrics, now: () => now, clock: () => 0 }
    await using source = await watchPods(options)
    const alive = async (): Promise<boolean> => source.alive('uid-agent', 'shop', 'agent')
    assert.equal(await alive(), true)
    let judged: boolean | undefined
    source.onChange(() => void alive().then((lives) => (judged = lives)))
    await eventually('the watch is open', () => watchStream(list) !== undefined)
    delete answers[one]
    const object = pod({ metadata: { resourceVersion: '2' } })
    watchStream(list)?.send({ type: 'ADDED', object }, { type: 'DELETED', object })
    await eventually('it is judged', () => judged !== undefined)
    assert.equal(judged, false)
  })

  const terminating = (deletionTimestamp: string, more: object = {}): object =>
    pod({ metadata: { deletionTimestamp, ...more } })
  const endings: Readonly<Record<string, (object: object) => void>> = {
    'was terminating at the start': (object) => (answers[list] = listAnswer([object], '1')),
    'begins to terminate': (object) => watchStream(list)?.send({ type: 'MODIFIED', object }),
  }
  for (const [how, begin] of Object.entries(endings)) {
    test(`a pod that ${how} is told of again at the end of its grace`, async () => {
      let ahead = 0
      const timers = createTimers()
      answers[list] = listAnswer([pod()], '1')
      const object = terminating('2026-01-01T00:00:30Z', { resourceVersion: '2' })
      if (how === 'was terminating at the start') begin(object)
      const options = { client, log: silentLog, metrics, timer: timers.timer }
      await using source = await watchPods({ ...options, now: () => now + ahead })
      let changes = 0
      source.onChange(() => (changes += 1))
      await eventually('the watch is open', () => watchStream(list) !== undefined)
      if (how === 'begins to terminate') begin(object)
      await eventually('the end is awaited', () => timers.pending().length === 1)
      assert.deepEqual(timers.pending(), [30_000])
      const before = changes
      // A timer that is early is no proof that the time has come.
      ahead = 29_000
      timers.fire()
      assert.equal(changes, before)
      assert.deepEqual(timers.pending(), [1000])
      ahead = 30_000
      timers.fire()
      assert.equal(changes, before + 1)
      assert.equal(await source.alive('uid-agent', 'shop', 'agent'), false)
      assert.deepEqual(timers.pending(), [])
    })
  }

  test('nobody waits for the end of a pod that is deleted, or of a watch that is closed', async () => {
    const timers = createTimers()
    const [one, two] = ['one', 'two'].map((uid) => terminating('2026-01-01T00:00:30Z', { uid }))
    answers[list] = listAnswer(
      [
        one ?? {},
        {
          ...two,
          metadata: {
            ...metadata('b', { namespace: 'shop' }),
            deletionTimestamp: '2026-03-01T00:00:00Z',
          },
        },
      ],
      '1',
    )
    const options = { client, log: silentLog, metrics, now: () => now, timer: timers.timer }
    {
      await using source = await watchPods(options)
      assert.equal(timers.pending().length, 2)
      assert.ok(timers.pending().every((milliseconds) => milliseconds < 2 ** 31))
      await eventually('the watch is open', () => watchStream(list) !== undefined)
      watchStream(list)?.send({ type: 'DELETED', object: one })
      await eventually('one is given up', () => timers.pending().length === 1)
      assert.equal(source.staleSeconds, 0)
    }
    assert.deepEqual(timers.pending(), [])
  })

  test('a pod that cannot be read is asked for, each time that something is told of it', async () => {
    requirement('kubernetes.hostile-objects')
    const broken = { ...pod(), status: { phase: 7 } }
    answers[list] = listAnswer([broken], '1')
    answers[one] = { body: pod() }
    await using source = await watchPods({ client, log: silentLog, metrics, now: () => now })
    let changes = 0
    source.onChange(() => (changes += 1))
    assert.equal(await source.alive('uid-agent', 'shop', 'agent'), true)
    await eventually('the watch is open', () => watchStream(list) !== undefined)
    answers[one] = { body: pod({ status: { phase: 'Succeeded' } }) }
    watchStream(list)?.send({ type: 'MODIFIED', object: broken })
    await eventually('it is told', () => changes === 1)
    assert.equal(await source.alive('uid-agent', 'shop', 'agent'), false)
  })

  test('a pod whose absence somebody else states is not taken for gone', async () => {
    requirement('kubernetes.absence-is-proved')
    answers[list] = listAnswer([], '1')
    answers[one] = { status: 404, body: 'default backend - 404' }
    await using source = await watchPods({ client, log: silentLog, metrics, now: () => now })
    await assert.rejects(Promise.resolve(source.alive('uid-agent', 'shop', 'agent')))
    answers[one] = { body: pod() }
    assert.equal(await source.alive('uid-agent', 'shop', 'agent'), true)
  })

  test('before the first list nothing is known', async () => {
    answers[list] = statusAnswer(403, 'Forbidden')
    const options = { client, log: silentLog, metrics, now: () => now, firstListSeconds: 0.05 }
    await using source = await watchPods(options)
    assert.equal(source.staleSeconds, Number.POSITIVE_INFINITY)
  })
})

const watched = {
  '/apis/countersign.dev/v1alpha1/revocations': watchRevocations,
  '/api/v1/pods': watchPods,
}
for (const [path, watch] of Object.entries(watched)) {
  test(`a hung watch of ${path} is noticed within 15 seconds, and the server ends each one before`, async () => {
    answers[path] = listAnswer([], '1')
    await using source = await watch({ client, log: silentLog, metrics, now: Date.now })
    await eventually('the watch is open', () => watchStream(path) !== undefined)
    const seconds = Number(watchStream(path)?.request.query.get('timeoutSeconds'))
    assert.ok(seconds >= 9 && seconds <= 12, `want=9..12 got=${seconds}`)
    assert.ok(source.staleSeconds < 15)
  })
}
