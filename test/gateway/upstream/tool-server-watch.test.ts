import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { watchToolServers } from '../../../src/gateway/upstream/tool-server-watch.ts'
import { createApiClient, type ApiClient } from '../../../src/kubernetes/api-client.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import {
  listAnswer,
  startFakeApiServer,
  statusAnswer,
  type FakeApiServer,
} from '../../support/fake-api-server.ts'

const path = '/apis/countersign.dev/v1alpha1/toolservers'

let server: FakeApiServer
let client: ApiClient
let items: readonly object[] | undefined

beforeEach(async () => {
  items = []
  server = await startFakeApiServer()
  server.otherwise((request) => {
    if (request.query.get('watch') === '1') return { lines: [] }
    return request.path === path && items !== undefined
      ? listAnswer(items, '1')
      : statusAnswer(404, 'NotFound')
  })
  client = createApiClient({ kubeconfig: server.kubeconfig })
})

afterEach(async () => {
  client.close()
  await server[Symbol.asyncDispose]()
})

function object(name: string, spec: unknown): object {
  const creationTimestamp = '2026-07-28T12:00:00Z'
  return {
    metadata: {
      name,
      namespace: 'tools',
      uid: name,
      resourceVersion: '1',
      generation: 2,
      creationTimestamp,
    },
    spec,
  }
}

const least = { service: { name: 'github' }, serviceAccount: 'gh' }

test('tool servers are read with what they leave out', async () => {
  const pins = { echo: 'a'.repeat(64) }
  const service = { name: 'github', port: 8443, path: '/v1/mcp/' }
  const whole = {
    namespace: 'elsewhere',
    service,
    serviceAccount: 'gh.bot',
    eras: ['legacy', 'modern'],
    timeoutSeconds: 5,
    pins,
    trustOnFirstUse: true,
    scopes: ['read_*', 'echo'],
    prompts: ['review'],
    resources: ['repo://docs/*'],
    limits: { answerBytesMax: 4096, upstreamConnectionsMax: 2 },
  }
  items = [object('least', least), object('whole', whole)]
  await using source = watchToolServers({ client, log: silentLog, metrics: silentMetrics })
  await eventually('they are there', () => source.hasSynced)
  const place = { namespace: 'tools', createdAt: Date.parse('2026-07-28T12:00:00Z'), generation: 2 }
  const read = source.list().toSorted((one, other) => (one.name < other.name ? -1 : 1))
  assert.deepEqual(read, [
    {
      ...place,
      name: 'least',
      spec: {
        namespace: undefined,
        service: { name: 'github', port: 443, path: '/mcp' },
        serviceAccount: 'gh',
        eras: ['modern'],
        timeoutSeconds: 60,
        pins: undefined,
        trustOnFirstUse: false,
        scopes: undefined,
        prompts: undefined,
        resources: undefined,
        limits: undefined,
      },
    },
    { ...place, name: 'whole', spec: whole },
  ])
  assert.equal(source.condition(60).ok, true)
})

for (const [what, spec] of Object.entries({
  'no service': { serviceAccount: 'gh' },
  'no service account': { service: { name: 'github' } },
  'another host for its service': { ...least, service: { name: 'evil.example' } },
  'credentials for its service': { ...least, service: { name: 'user@github' } },
  'a port beyond all': { ...least, service: { name: 'github', port: 70_000 } },
  'a query in its path': { ...least, service: { name: 'github', path: '/mcp?x' } },
  'a path that climbs': { ...least, service: { name: 'github', path: '/a/../b' } },
  'an era that is none': { ...least, eras: ['ancient'] },
  'no era': { ...least, eras: [] },
  'more pins than are kept': {
    ...least,
    pins: Object.fromEntries(
      Array.from({ length: 800 }, (_, at) => [`tool_${at}`, 'a'.repeat(64)]),
    ),
  },
  'a truth that is a text': { ...least, trustOnFirstUse: 'yes' },
  'a pin that is no digest': { ...least, pins: { echo: 'abc' } },
  'limits that are none': { ...least, limits: 3 },
  'a limit that is none': { ...least, limits: { upstreamConnectionsMax: 0 } },
  'a limit without a number': { ...least, limits: { answerBytesMax: null } },
  'a scope that is no text': { ...least, scopes: [3] },
  'a scope of resources that is no text': { ...least, resources: [3] },
  'a time without end': { ...least, timeoutSeconds: 100_000 },
})) {
  test(`a tool server with ${what} is there with its fault, and harms no other`, async () => {
    items = [object('odd', spec), object('good', least)]
    await using source = watchToolServers({ client, log: silentLog, metrics: silentMetrics })
    await eventually('the good one is there', () => source.hasSynced)
    const read = source.list().toSorted((one, other) => (one.name < other.name ? -1 : 1))
    assert.deepEqual(
      read.map((each) => [each.name, typeof each.spec]),
      [
        ['good', 'object'],
        ['odd', 'string'],
      ],
    )
    const fault = read[1]?.spec
    assert.match(typeof fault === 'string' ? fault : '', /^spec\./)
  })
}

test('conditions that are more than is kept are none, and keep no tool server from being served', async () => {
  const conditions = [{ type: 'Accepted', message: 'x'.repeat(70_000) }]
  items = [{ ...object('github', least), status: { conditions } }]
  await using source = watchToolServers({ client, log: silentLog, metrics: silentMetrics })
  await eventually('it is there', () => source.find('tools/github') !== undefined)
  assert.deepEqual(source.find('tools/github')?.conditions, [])
})

test('a change of its status alone is told as that, and is no other tool server', async () => {
  requirement('gateway.status-written-once')
  items = [object('github', least)]
  await using source = watchToolServers({ client, log: silentLog, metrics: silentMetrics })
  const seen: string[] = []
  await eventually('it is there', () => source.hasSynced && server.streams.length > 0)
  await new Promise(setImmediate)
  source.onChange(() => void seen.push('changed'))
  source.onStatus((key) => void seen.push(key))
  const told = (version: string, more: object): object => {
    const { metadata, ...rest } = object('github', least) as { metadata: object }
    return {
      type: 'MODIFIED',
      object: { ...rest, ...more, metadata: { ...metadata, resourceVersion: version } },
    }
  }
  const conditions = [{ type: 'Accepted', status: 'True' }]
  server.streams.at(-1)?.send(told('2', { status: { conditions } }))
  await eventually('the status is told', () => seen.length === 1)
  assert.deepEqual(source.find('tools/github')?.conditions, conditions)
  server.streams.at(-1)?.send(told('3', { spec: { ...least, eras: ['legacy'] } }))
  await eventually('the change is told', () => seen.length === 2)
  assert.deepEqual(seen, ['tools/github', 'changed'])
})

test('without the resource in the cluster, the condition says what to do', async () => {
  items = undefined
  await using source = watchToolServers({ client, log: silentLog, metrics: silentMetrics })
  await eventually('it is said', () => /toolservers/.test(source.condition(60).reason))
  assert.equal(source.condition(60).ok, false)
  assert.deepEqual(source.list(), [])
})
