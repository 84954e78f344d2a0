import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import {
  discoverClusterTrustBundleVersion,
  discoverPodCertificateVersion,
  servesSigningRequests,
} from '../../src/kubernetes/api-discovery.ts'
import {
  clusterTrustBundles,
  publishClusterTrustBundle,
} from '../../src/kubernetes/cluster-trust-bundle.ts'
import { recordEvent } from '../../src/kubernetes/event.ts'
import { createLeaseHolder, formatMicroTime } from '../../src/kubernetes/lease.ts'
import { listObjects, readObject } from '../../src/kubernetes/objects.ts'
import { namespaces, pods } from '../../src/kubernetes/workloads.ts'
import { requirement } from '../requirements.ts'
import {
  listAnswer,
  startFakeApiServer,
  statusAnswer,
  type FakeAnswer,
  type FakeApiServer,
  type FakeRequest,
} from '../support/fake-api-server.ts'

let server: FakeApiServer
let client: ApiClient
let from: number

before(async () => {
  server = await startFakeApiServer()
  client = createApiClient({ kubeconfig: server.kubeconfig })
})
after(async () => {
  client.close()
  await server[Symbol.asyncDispose]()
})
beforeEach(() => {
  from = server.requests.length
})

function last(): FakeRequest {
  const request = server.requests.at(-1)
  assert.ok(request !== undefined && server.requests.length > from, 'no request')
  return request
}

const metadata = { name: 'x', uid: 'u', resourceVersion: '3' }

describe('one object', () => {
  test('that is not there is undefined', async () => {
    server.script(statusAnswer(404, 'NotFound'))
    assert.equal(await readObject(client, pods, { namespace: 'a', name: 'x' }), undefined)
    assert.equal(last().path, '/api/v1/namespaces/a/pods/x')
  })
})

test('a list whose page token repeats ends with an error instead of going on for ever', async () => {
  const page = { body: { metadata: { resourceVersion: '1', continue: 'same' }, items: [] } }
  server.script(page, page)
  await assert.rejects(listObjects(client, namespaces), {
    code: 'kubernetes/answer',
    message: '/api/v1/namespaces: page token: want=new got=same',
  })
})

/** What an API server says of a path that it does not serve, and what stands before it says too. */
const notFoundAsText: FakeAnswer = { status: 404, body: '404 page not found\n' }

describe('discovery', () => {
  function serve(
    served: Readonly<Record<string, readonly string[]>>,
    kubelets: readonly string[],
  ): void {
    server.otherwise(({ path }): FakeAnswer => {
      if (path === '/api/v1/nodes') {
        const nodes = kubelets.map((kubeletVersion, index) => ({
          metadata: { ...metadata, name: `node-${index}`, uid: `u-${index}` },
          status: { nodeInfo: { kubeletVersion } },
        }))
        return listAnswer(nodes, '1')
      }
      if (path === '/apis/certificates.k8s.io') {
        return { body: { versions: Object.keys(served).map((version) => ({ version })) } }
      }
      const resources = served[path.replace('/apis/certificates.k8s.io/', '')]
      if (resources === undefined) return notFoundAsText
      return { body: { resources: resources.map((name) => ({ name })) } }
    })
  }

  const plural = 'podcertificaterequests'
  const both = { v1: [plural], v1beta1: [plural] }
  const cases = [
    { served: { v1: [plural] }, kubelets: ['v1.37.0'], want: 'v1', unreadable: [] },
    {
      served: { v1: [plural] },
      kubelets: ['v1.35.6', 'v1.37.0'],
      want: 'v1',
      unreadable: ['node-0'],
    },
    { served: { v1: [plural] }, kubelets: [], want: 'v1', unreadable: [] },
    { served: both, kubelets: ['v1.36.0', 'v1.37.1-rc.0'], want: 'v1', unreadable: [] },
    { served: both, kubelets: ['v1.37.0', 'v1.35.6'], want: 'v1beta1', unreadable: [] },
    { served: both, kubelets: ['unknown'], want: 'v1', unreadable: [] },
    {
      served: { v1: ['certificatesigningrequests'], v1beta1: [plural] },
      kubelets: ['v1.36.3'],
      want: 'v1beta1',
      unreadable: [],
    },
  ]
  for (const { served, kubelets, want, unreadable } of cases) {
    const title = `${Object.keys(served).join(' and ')} with kubelets ${kubelets.join(', ') || 'none'}`
    test(`of ${title} chooses ${want}`, async () => {
      serve(served, kubelets)
      const { version, unreadableNodes } = await discoverPodCertificateVersion(client)
      assert.equal(version, want)
      assert.deepEqual(unreadableNodes, unreadable)
    })
  }

  test('of neither version says so', async () => {
    serve({ v1: ['certificatesigningrequests'] }, [])
    await assert.rejects(discoverPodCertificateVersion(client), {
      code: 'kubernetes/not-served',
      message: 'podcertificaterequests: want=certificates.k8s.io/v1 or v1beta1 got=neither',
    })
  })

  test('takes no 404 for absence but that of a version that the group does not list', async () => {
    requirement('kubernetes.version-absence-is-proved')
    const group = '/apis/certificates.k8s.io'
    const lists = { body: { versions: [{ version: 'v1' }] } }
    const served = { body: { resources: [{ name: plural }, { name: 'clustertrustbundles' }] } }
    for (const [what, answers] of [
      ['a balancer that finds nothing', {}],
      ['one that finds the group and not what it lists', { [group]: lists }],
      ['one that finds an older version alone', { [`${group}/v1beta1`]: served }],
      [
        'a group that is no group',
        { [group]: { body: { versions: 'v1' } }, [`${group}/v1beta1`]: served },
      ],
    ] as const) {
      server.otherwise(
        ({ path }): FakeAnswer =>
          (answers as Readonly<Record<string, FakeAnswer>>)[path] ?? notFoundAsText,
      )
      await assert.rejects(
        discoverPodCertificateVersion(client),
        { name: 'CountersignError' },
        what,
      )
      await assert.rejects(
        discoverClusterTrustBundleVersion(client),
        { name: 'CountersignError' },
        what,
      )
      await assert.rejects(
        servesSigningRequests(client, AbortSignal.timeout(10_000)),
        { name: 'CountersignError' },
        what,
      )
    }
  })

  test('follows what the API server serves from one time to the next', async () => {
    requirement('kubernetes.version-absence-is-proved')
    serve({ v1: ['certificatesigningrequests'], v1beta1: [plural] }, ['v1.35.6'])
    assert.equal((await discoverPodCertificateVersion(client)).version, 'v1beta1')
    serve(both, ['v1.35.6'])
    assert.equal((await discoverPodCertificateVersion(client)).version, 'v1beta1')
    serve(both, ['v1.36.0'])
    assert.equal((await discoverPodCertificateVersion(client)).version, 'v1')
    serve({ v1: [plural] }, ['v1.36.0'])
    assert.equal((await discoverPodCertificateVersion(client)).version, 'v1')
  })

  test('passes on that it was forbidden, instead of taking it for absence', async () => {
    server.otherwise(() => statusAnswer(403, 'Forbidden'))
    await assert.rejects(discoverPodCertificateVersion(client), { status: 403 })
  })

  test('of trust bundles takes the newest version', async () => {
    serve({ v1: ['clustertrustbundles'], v1beta1: ['clustertrustbundles'] }, [])
    assert.equal(await discoverClusterTrustBundleVersion(client), 'v1')
    serve({ v1: [], v1beta1: ['clustertrustbundles'] }, [])
    assert.equal(await discoverClusterTrustBundleVersion(client), 'v1beta1')
    serve({ v1: [] }, [])
    assert.equal(await discoverClusterTrustBundleVersion(client), undefined)
  })
})

describe('a trust bundle', () => {
  const options = {
    version: 'v1',
    name: 'countersign.dev:identity:example.org',
    signerName: 'countersign.dev/identity',
    present: undefined,
    trustBundle: 'PEM',
  } as const
  const stored = { metadata: { ...metadata, name: options.name }, spec: { trustBundle: 'PEM' } }
  const present = clusterTrustBundles('v1').parse(stored)

  test('is created when there is none', async () => {
    server.script({ status: 201, body: stored })
    assert.equal(await publishClusterTrustBundle(client, options), 'created')
    assert.equal(last().method, 'POST')
    assert.deepEqual(last().body, {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'ClusterTrustBundle',
      metadata: { name: options.name, labels: {} },
      spec: { signerName: 'countersign.dev/identity', trustBundle: 'PEM' },
    })
  })

  test('is not written when it says the same already', async () => {
    assert.equal(await publishClusterTrustBundle(client, { ...options, present }), 'unchanged')
    assert.equal(server.requests.length, from)
  })

  test('is changed where it was read', async () => {
    server.script({ body: stored })
    const changed = { ...options, present, trustBundle: 'NEW' }
    assert.equal(await publishClusterTrustBundle(client, changed), 'changed')
    assert.deepEqual(last().body, {
      metadata: { uid: 'u', resourceVersion: '3' },
      spec: { trustBundle: 'NEW' },
    })
  })
})

test('an event says who says what about which object, cut to what the API server takes', async () => {
  const regarding = {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace: 'a',
    name: 'worker',
    uid: 'pod-uid',
  }
  server.script({ status: 201, body: { metadata: { ...metadata, namespace: 'a' } } })
  await recordEvent(client, {
    regarding,
    type: 'Warning',
    reason: 'CertificateDenied',
    message: 'x'.repeat(2000),
    component: 'countersign-signer',
    now: () => Date.parse('2026-11-01T10:00:00.900Z'),
  })
  assert.equal(last().path, '/api/v1/namespaces/a/events')
  assert.deepEqual(last().body, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { generateName: 'worker.', namespace: 'a' },
    involvedObject: regarding,
    type: 'Warning',
    reason: 'CertificateDenied',
    message: 'x'.repeat(1024),
    source: { component: 'countersign-signer' },
    reportingComponent: 'countersign-signer',
    firstTimestamp: '2026-11-01T10:00:00Z',
    lastTimestamp: '2026-11-01T10:00:00Z',
    count: 1,
  })
})

describe('a lease', () => {
  let now = Date.parse('2026-11-01T10:00:00.123Z')
  const time = '2026-11-01T10:00:00.123000Z'
  const holder = (): ReturnType<typeof createLeaseHolder> =>
    createLeaseHolder({
      client,
      namespace: 'countersign',
      name: 'signer',
      holder: 'me',
      durationSeconds: 15,
      now: () => now,
    })
  const lease = (spec: object, resourceVersion = '3'): FakeAnswer => ({
    body: { metadata: { ...metadata, namespace: 'countersign', resourceVersion }, spec },
  })

  test('that does not exist is made, unless somebody is faster', async () => {
    server.script(statusAnswer(404, 'NotFound'), lease({}))
    assert.equal(await holder().tryHold(), true)
    assert.deepEqual((last().body as { spec: object }).spec, {
      holderIdentity: 'me',
      leaseDurationSeconds: 15,
      renewTime: time,
      acquireTime: time,
      leaseTransitions: 0,
    })
    server.script(statusAnswer(404, 'NotFound'), statusAnswer(409, 'AlreadyExists'))
    assert.equal(await holder().tryHold(), false)
  })

  test('that is ours is renewed, and lost on a conflict', async () => {
    server.script(lease({ holderIdentity: 'me', leaseTransitions: 4 }), lease({}))
    assert.equal(await holder().tryHold(), true)
    assert.deepEqual(last().body, {
      spec: { holderIdentity: 'me', leaseDurationSeconds: 15, renewTime: time },
      metadata: { uid: 'u', resourceVersion: '3' },
    })
    server.script(lease({ holderIdentity: 'me' }), statusAnswer(409, 'Conflict'))
    assert.equal(await holder().tryHold(), false)
  })

  test('of another is taken only when it stood still for its duration on our clock', async () => {
    const mine = holder()
    // Their clock may say anything.
    const theirs = {
      holderIdentity: 'you',
      leaseDurationSeconds: 20,
      renewTime: '2020-01-01T00:00:00.000000Z',
    }
    server.script(lease(theirs, '3'))
    assert.equal(await mine.tryHold(), false)
    now += 15_000
    server.script(lease(theirs, '4'))
    assert.equal(await mine.tryHold(), false)
    now += 19_999
    server.script(lease(theirs, '4'))
    assert.equal(await mine.tryHold(), false)
    now += 1
    server.script(lease({ ...theirs, leaseTransitions: 4 }, '4'), lease({}))
    assert.equal(await mine.tryHold(), true)
    const { spec } = last().body as { spec: { leaseTransitions: number } }
    assert.equal(spec.leaseTransitions, 5)
  })

  test('is given back only by its holder', async () => {
    server.script(lease({ holderIdentity: 'you' }))
    await holder().release()
    assert.equal(server.requests.length, from + 1)
    server.script(lease({ holderIdentity: 'me' }), lease({}))
    await holder().release()
    assert.deepEqual((last().body as { spec: object }).spec, {
      holderIdentity: null,
      leaseDurationSeconds: 1,
    })
    server.script(lease({ holderIdentity: '' }), lease({}))
    assert.equal(await holder().tryHold(), true)
  })

  test('has times with six digits of fraction', () => {
    assert.equal(formatMicroTime(Date.parse('2026-11-01T10:00:00Z')), '2026-11-01T10:00:00.000000Z')
  })
})
