import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { watchNamespaces } from '../../../src/gateway/caller/namespace-watch.ts'
import { parseTenant } from '../../../src/identity/tenant.ts'
import { createApiClient, type ApiClient } from '../../../src/kubernetes/api-client.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import {
  listAnswer,
  startFakeApiServer,
  statusAnswer,
  type FakeAnswer,
  type FakeApiServer,
} from '../../support/fake-api-server.ts'
import { eventually } from '../../support/eventually.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { requirement } from '../../requirements.ts'

const { identity } = createTestAuthority().issue({
  namespace: 'agents',
  role: 'agent',
  tenant: 'acme',
})
const proving = { 'roles.countersign.dev/agent': 'allow', 'countersign.dev/tenant': 'acme' }
const list = '/api/v1/namespaces'
const one = '/api/v1/namespaces/agents'

const namespaceWith = (labels: object, more: object = {}): object => ({
  metadata: {
    name: 'agents',
    uid: identity.namespace.uid,
    resourceVersion: '1',
    labels,
    ...more,
  },
})

let server: FakeApiServer
let client: ApiClient
let answers: Record<string, FakeAnswer>
let time: number

beforeEach(async () => {
  answers = {}
  time = 0
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

function watch(): ReturnType<typeof watchNamespaces> {
  return watchNamespaces({ client, log: silentLog, metrics: silentMetrics, clock: () => time })
}

const asked = (): number => server.requests.filter(({ path }) => path === one).length

const noRole = 'namespace does not allow the role agent any more'
const noTenant = 'namespace is not of the tenant acme any more'
const gone = 'namespace of the certificate is gone'

const cases: Readonly<Record<string, readonly [object | undefined, object | undefined, string?]>> =
  {
    'has its labels': [namespaceWith(proving), undefined],
    'has no role': [
      namespaceWith({ ...proving, 'roles.countersign.dev/agent': 'no' }),
      undefined,
      noRole,
    ],
    'has another role': [
      namespaceWith({ ...proving, 'roles.countersign.dev/agent': undefined }),
      undefined,
      noRole,
    ],
    'has another tenant': [
      namespaceWith({ ...proving, 'countersign.dev/tenant': 'globex' }),
      undefined,
      noTenant,
    ],
    'has labels that are younger than the cache': [namespaceWith({}), namespaceWith(proving)],
    'is younger than the cache': [undefined, namespaceWith(proving)],
    'is nowhere': [undefined, undefined, gone],
    'is another of the same name': [
      namespaceWith(proving, { uid: 'other' }),
      namespaceWith(proving, { uid: 'other' }),
      gone,
    ],
  }

describe('what namespaces prove', () => {
  for (const [what, [cached, live, drift]] of Object.entries(cases)) {
    test(`a namespace that ${what} ${drift === undefined ? 'proves' : 'does not prove'} what the certificate says`, async () => {
      requirement('gateway.label-drift')
      answers[list] = listAnswer(cached === undefined ? [] : [cached], '1')
      const there = live ?? cached
      if (there !== undefined) answers[one] = { body: there }
      await using source = await watch()
      assert.equal(await source.drift(identity), drift)
    })
  }

  test('as long as the cache proves it, nobody is asked', async () => {
    answers[list] = listAnswer([namespaceWith(proving)], '1')
    await using source = await watch()
    assert.equal(source.drift(identity), undefined)
    assert.equal(asked(), 0)
  })

  test('a namespace is asked for once at a time, and again when the answer is old', async () => {
    answers[list] = listAnswer([namespaceWith({})], '1')
    answers[one] = { body: namespaceWith({}) }
    await using source = await watch()
    await Promise.all([source.drift(identity), source.drift(identity)])
    await source.drift(identity)
    assert.equal(asked(), 1)
    time = 2000
    await source.drift(identity)
    assert.equal(asked(), 2)
  })

  test('the namespaces of one tenant, however many and however slowly they are asked for, keep no other from being asked for', async () => {
    requirement('gateway.shares-for-all')
    answers[list] = listAnswer([], '1')
    answers[one] = { body: namespaceWith(proving) }
    const crowd = Array.from({ length: 60 }, (_, at) => `crowd-${at}`)
    for (const name of crowd) answers[`${list}/${name}`] = { hang: true }
    await using source = await watch()
    const outcomes = crowd.map((name) => {
      const namespace = { ...identity.namespace, name }
      return Promise.resolve(source.drift({ ...identity, tenant: parseTenant('crowd'), namespace }))
    })
    const settled = Promise.allSettled(outcomes)
    assert.equal(await source.drift(identity), undefined)
    const of = server.requests.filter(({ path }) => path.startsWith(`${list}/crowd-`))
    assert.ok(of.length > 0 && of.length <= 15, `got=${of.length}`)
    client.close()
    await settled
  })

  test('an API server that does not know is not taken for an answer, and asked again', async () => {
    requirement('gateway.label-drift')
    answers[list] = listAnswer([], '1')
    answers[one] = statusAnswer(500, 'InternalError')
    await using source = await watch()
    await assert.rejects(Promise.resolve(source.drift(identity)))
    answers[one] = { body: namespaceWith(proving) }
    assert.equal(await source.drift(identity), undefined)
  })

  test('a label that goes ends who is looked at then, whatever the API server has said a moment before', async () => {
    requirement('gateway.label-drift')
    answers[list] = listAnswer([namespaceWith(proving)], '1')
    answers[one] = { body: namespaceWith(proving) }
    await using source = await watch()
    let judged: unknown
    source.onChange(() => {
      void Promise.resolve(source.drift(identity)).then((drift) => (judged = drift))
    })
    const stream = (): FakeApiServer['streams'][number] | undefined =>
      server.streams.find(({ request }) => request.path === list)
    await eventually('the watch is open', () => stream() !== undefined)
    // Another of the namespace, whose tenant it is not any more, makes the gateway ask.
    assert.equal(
      await source.drift({ ...identity, namespace: { ...identity.namespace, uid: 'x' } }),
      gone,
    )
    assert.equal(asked(), 1)
    const bare = namespaceWith({}, { resourceVersion: '2' })
    answers[one] = { body: bare }
    stream()?.send({ type: 'MODIFIED', object: bare })
    await eventually('it is judged', () => judged !== undefined)
    assert.equal(judged, noRole)
    assert.equal(asked(), 2)
  })

  test('a label that goes is told of, and no other change', async () => {
    requirement('gateway.label-drift')
    answers[list] = listAnswer([namespaceWith(proving)], '1')
    await using source = await watch()
    let changes = 0
    source.onChange(() => (changes += 1))
    const stream = (): FakeApiServer['streams'][number] | undefined =>
      server.streams.find(({ request }) => request.path === list)
    await eventually('the watch is open', () => stream() !== undefined)
    const other = namespaceWith(
      { ...proving, 'tools.countersign.dev/files': 'allow', zone: 'a' },
      { resourceVersion: '2' },
    )
    const bare = namespaceWith({}, { resourceVersion: '3' })
    answers[one] = { body: bare }
    stream()?.send({ type: 'MODIFIED', object: other }, { type: 'MODIFIED', object: bare })
    await eventually('the change is told', () => changes === 1)
    assert.equal(await source.drift(identity), noRole)
  })
})
