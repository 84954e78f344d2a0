import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { watchPods } from '../../src/gateway/caller/pod-watch.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics, type Metrics } from '../../src/metrics.ts'
import { startGatherer } from '../../src/signer/watch/gather.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import {
  listAnswer,
  startFakeApiServer,
  type FakeAnswer,
  type FakeApiServer,
  type FakeRequest,
} from '../support/fake-api-server.ts'

/** As etcd takes them: 1.4 MB, each octet of which Go writes as six. */
const escaped = Buffer.from('\\u003c'.repeat(1_400_000))
const plain = Buffer.from('x'.repeat(1_400_000))
const annotation = Buffer.from('x'.repeat(250 * 1024))

/** These are heavy on a machine that may be busy with others. */
const firstListSeconds = 100
const busySeconds = 60

let server: FakeApiServer
let client: ApiClient
let lists: Record<
  string,
  { readonly count: number; readonly item: (at: number) => readonly (string | Buffer)[] }
>
let unreadable: number

const metrics: Metrics = {
  ...silentMetrics,
  count: (name) => {
    if (name === 'countersign_watch_malformed_total') unreadable += 1
  },
}

beforeEach(async () => {
  lists = {}
  unreadable = 0
  server = await startFakeApiServer()
  server.otherwise((request) =>
    request.query.get('watch') === '1' ? { lines: [] } : pageOf(request),
  )
  client = createApiClient({ kubeconfig: server.kubeconfig })
})

afterEach(async () => {
  client.close()
  await server[Symbol.asyncDispose]()
})

/** A page as the API server makes it: its metadata first, and never more than was asked for. */
function pageOf({ path, query }: FakeRequest): FakeAnswer {
  const list = lists[path]
  if (list === undefined) return listAnswer([], '1')
  const from = Number(query.get('continue') ?? 0)
  const to = Math.min(list.count, from + Number(query.get('limit')))
  const metadata = { resourceVersion: '1', ...(to < list.count ? { continue: String(to) } : {}) }
  function* chunks(): Generator<string | Buffer> {
    yield `{"kind":"List","apiVersion":"v1","metadata":${JSON.stringify(metadata)},"items":[`
    for (let at = from; at < to; at += 1) {
      if (at > from) yield ','
      yield* list?.item(at) ?? []
    }
    yield ']}\n'
  }
  return { chunks: chunks() }
}

function heavyPod(at: number, weight: Buffer): readonly (string | Buffer)[] {
  const metadata = { name: `p${at}`, namespace: 'shop', uid: `u${at}`, resourceVersion: '1' }
  return [
    `{"metadata":${JSON.stringify(metadata)},"spec":{"serviceAccountName":"agent","containers":[{"name":"c","args":["`,
    weight,
    '"]}]},"status":{"phase":"Pending"}}',
  ]
}

/** Octets that are held once what can be collected is collected, and the sockets have let go of theirs. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let times = 0; times < 5; times += 1) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('nine pods of 8.4 MB of JSON stop neither program, in a list or in a watch', async () => {
  requirement('kubernetes.hostile-objects')
  lists['/api/v1/pods'] = { count: 9, item: (at) => heavyPod(at, escaped) }
  await using gatherer = startGatherer({ client, log: silentLog, metrics })
  const now = Date.now
  await using pods = await watchPods({ client, log: silentLog, metrics, now, firstListSeconds })
  await gatherer.synced
  await eventually('both watches', () => streamsOf('/api/v1/pods').length === 2, busySeconds)
  assert.equal(gatherer.startsUp('u8'), true)
  const [beginning, weight, end] = heavyPod(0, escaped)
  const running = String(end).replace('Pending', 'Running')
  for (const stream of streamsOf('/api/v1/pods')) {
    const object = String(beginning).replace('"resourceVersion":"1"', '"resourceVersion":"2"')
    stream.send('{"type":"MODIFIED","object":', object, String(weight), running, '}\n')
  }
  await eventually('the change', () => !gatherer.startsUp('u0'), busySeconds)
  assert.equal(await pods.alive('u0', 'shop', 'p0'), true)
  assert.equal(pods.staleSeconds, 0)
  assert.equal(unreadable, 0)
  assert.equal(streamsOf('/api/v1/pods').length, 2, 'no watch began again')
})

test('a tenant with 280 service accounts of 250 KiB of annotations does not stop the signer', async () => {
  requirement('kubernetes.hostile-objects')
  const item = (at: number): readonly (string | Buffer)[] => [
    `{"metadata":{"name":"a${at}","namespace":"shop","uid":"a${at}","resourceVersion":"1","annotations":{"big":"`,
    annotation,
    '"}}}',
  ]
  lists['/api/v1/serviceaccounts'] = { count: 280, item }
  const before = await heldBytes()
  await using gatherer = startGatherer({ client, log: silentLog, metrics })
  await gatherer.synced
  assert.equal(unreadable, 0)
  await eventually(
    'under 10 MB of 70 held',
    async () => (await heldBytes()) - before < 10e6,
    busySeconds,
  )
})

test('of 300 pods of 1.4 MB no more is held than what is used of them', async () => {
  requirement('kubernetes.bounded-memory')
  lists['/api/v1/pods'] = { count: 300, item: (at) => heavyPod(at, plain) }
  const before = await heldBytes()
  await using gatherer = startGatherer({ client, log: silentLog, metrics })
  await gatherer.synced
  assert.equal(gatherer.startsUp('u299'), true)
  assert.equal(unreadable, 0)
  await eventually(
    'under 10 MB of 420 held',
    async () => (await heldBytes()) - before < 10e6,
    busySeconds,
  )
})

function streamsOf(path: string): FakeApiServer['streams'] {
  return server.streams.filter(({ request }) => request.path === path)
}
