import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import {
  certificateSigningRequests,
  type CertificateSigningRequest,
} from '../../../src/kubernetes/certificate-signing-request.ts'
import { parseX509Svid } from '../../../src/pki/x509-svid.ts'
import type { SignerOptions } from '../../../src/signer/controller.ts'
import type { ApiRequest } from '../../../src/kubernetes/api-client.ts'
import { askedByAgent } from '../../../src/signer/watch/asked-by-agent.ts'
import { requirement } from '../../requirements.ts'
import { claimObject, ownerKinds, ownerRef, sandboxObject } from '../../support/claims.ts'
import { eventually } from '../../support/eventually.ts'
import type { FakeCluster, RawObject } from '../../support/fake-cluster.ts'
import { populatedCluster, startSigner, type SignerWorld } from '../signer-world.ts'
import { boundExtra, signingRequest } from '../signing-request.ts'

/*
 * What an agent asks for IssuedCertificates: who asks is its pod, and what is asked for is what a resource of that namespace declares.
 */

const agent = { namespace: 'countersign-system', serviceAccount: 'agent' }
const reference = 'team-a/search/issued-uid/worker/account-uid'
const key = 'countersign.dev/issued-certificate'
const plural = 'certificatesigningrequests'
const username = 'system:serviceaccount:countersign-system:agent'
const extra = {
  ...boundExtra,
  'authentication.kubernetes.io/pod-name': ['agent-0'],
  'authentication.kubernetes.io/pod-uid': ['agent-pod-uid'],
}

function asks(
  annotations: Readonly<Record<string, string>> = {},
  spec: object = {},
  named: string = reference,
): RawObject {
  return signingRequest('csr-1', {
    annotations: { [key]: named, ...annotations },
    spec: { username, uid: 'agent-account-uid', extra, ...spec },
  })
}

const parsed = (raw: RawObject): CertificateSigningRequest => certificateSigningRequests.parse(raw)

test('the agent asks in the name of an IssuedCertificate, by the pod that the API server states', () => {
  const asked = askedByAgent(parsed(asks({ 'countersign.dev/tenant': 'acme' })), agent)
  const { namespace } = asked.metadata
  const { pod, node, serviceAccount, unverifiedUserAnnotations } = asked.spec
  assert.equal(namespace, 'team-a')
  assert.deepEqual(pod, { name: 'agent-0', uid: 'agent-pod-uid' })
  assert.deepEqual(node, { name: 'node1', uid: 'node-uid' })
  assert.deepEqual(serviceAccount, { name: 'worker', uid: 'account-uid' })
  assert.deepEqual(unverifiedUserAnnotations, { 'countersign.dev/tenant': 'acme' })
  assert.deepEqual(asked.stated?.issued, { name: 'search', uid: 'issued-uid', agent })
})

for (const [title, raw, told] of [
  ['an agent where none is configured', asks(), undefined],
  ['a pod of another service account', asks({}, { username: `${username}s` }), agent],
  [
    'a service account of that name elsewhere',
    asks({}, { username: 'system:serviceaccount:team-a:agent' }),
    agent,
  ],
  ['a token of the agent that is bound to no pod', asks({}, { extra: {} }), agent],
  ['one who leaves the UID out', asks({}, {}, 'team-a/search/worker/account-uid'), agent],
  ['one who names more', asks({}, {}, `${reference}/more`), agent],
  ['one who names no namespace', asks({}, {}, '-/search/u/worker/u'), agent],
  ['one who names a path', asks({}, {}, 'team-a/../u/worker/u'), agent],
] as const) {
  test(`${title} asks for nobody but itself`, () => {
    requirement('issued.agent-only')
    const asked = askedByAgent(parsed(raw), told)
    assert.equal(asked.stated?.issued, undefined)
    assert.notEqual(asked.spec.unverifiedUserAnnotations[key], undefined)
  })
}

function clusterWithAgent(): FakeCluster {
  const cluster = populatedCluster()
  cluster.put('pods', {
    metadata: { name: 'agent-0', namespace: agent.namespace, uid: 'agent-pod-uid' },
    spec: { nodeName: 'node1', serviceAccountName: agent.serviceAccount },
    status: { phase: 'Running' },
  })
  return cluster
}

function putIssued(cluster: FakeCluster, spec: object = {}, metadata: object = {}): void {
  cluster.put('issuedcertificates', {
    metadata: {
      name: 'search',
      namespace: 'team-a',
      uid: 'issued-uid',
      generation: 1,
      ...metadata,
    },
    spec: {
      hosts: ['spiffe://example.org/ns/team-a/sa/worker'],
      issuedCertificateSecret: 'search-identity',
      ...spec,
    },
  })
}

async function start(cluster: FakeCluster, claims?: SignerOptions['claims']): Promise<SignerWorld> {
  const signingRequests = { approve: true, issuedCertificates: agent }
  const world = await startSigner(cluster, { signingRequests, claims })
  await eventually('ready', () => world.signer.ready)
  return world
}

interface Status {
  readonly certificate?: string
  readonly conditions?: readonly {
    readonly type: string
    readonly reason: string
    readonly message: string
  }[]
}

const statusOf = (cluster: FakeCluster): Status =>
  (cluster.get(plural, 'csr-1') as RawObject)['status'] as Status

test('what a live IssuedCertificate declares is approved, signed and recorded in its name', async () => {
  requirement('issued.as-declared')
  const cluster = clusterWithAgent()
  putIssued(cluster)
  await using world = await start(cluster)
  cluster.put(plural, asks())
  await eventually('it is issued', () => statusOf(cluster).certificate !== undefined)
  const pem = Buffer.from(statusOf(cluster).certificate ?? '', 'base64')
  const { subjectAltName } = new X509Certificate(pem)
  assert.equal(subjectAltName, 'URI:spiffe://example.org/ns/team-a/sa/worker')
  const [condition] = statusOf(cluster).conditions ?? []
  assert.match(condition?.message ?? '', /for IssuedCertificate team-a\/search on node1/)
  await eventually('the result is recorded', () => world.ledger.records.length === 2)
  const [intent] = world.ledger.records
  assert.ok(intent?.kind === 'issuance-intent')
  assert.deepEqual(intent.pod, { name: 'search', uid: 'issued-uid' })
  assert.deepEqual(intent.serviceAccount, { name: 'worker', uid: 'account-uid' })
  assert.equal(intent.request.namespace, 'team-a')
  assert.equal(intent.requester, 'agent')
})

test('of what the agent asks its own pod is told, in its own namespace', async () => {
  const cluster = clusterWithAgent()
  await using world = await start(cluster)
  cluster.put(plural, asks())
  await eventually('it is told', () => cluster.list('events').length > 0)
  const involved = cluster.list('events')[0]?.['involvedObject'] as RawObject['metadata']
  assert.equal(involved.namespace, agent.namespace)
  assert.equal(involved['uid'], 'agent-pod-uid')
  assert.ok(world.signer.ready)
})

test('nothing of the pod that asks is said of what it asks for: neither its Services nor its claim', async () => {
  requirement('issued.nothing-of-the-agent')
  const cluster = clusterWithAgent()
  const { namespace } = agent
  cluster.put('sandboxes', sandboxObject({ namespace }))
  cluster.put(
    'sandboxclaims',
    claimObject({ namespace, labels: { 'countersign.dev/tenant': 'blue' } }),
  )
  const pod = cluster.get('pods', 'agent-0', agent.namespace) as RawObject
  cluster.put('pods', {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { app: 'agent' },
      ownerReferences: [ownerRef('Sandbox')],
    },
  })
  const role = 'tool-server'
  cluster.put('namespaces', {
    metadata: {
      name: 'team-a',
      uid: 'namespace-uid',
      labels: {
        [`roles.countersign.dev/${role}`]: 'allow',
        'tenants.countersign.dev/blue': 'allow',
      },
    },
  })
  const account = cluster.get('serviceaccounts', 'worker', 'team-a') as RawObject
  cluster.put('serviceaccounts', {
    ...account,
    metadata: { ...account.metadata, labels: { 'countersign.dev/role': role } },
  })
  cluster.put('services', {
    metadata: { name: 'others', namespace: 'team-a', uid: 'service-uid' },
    spec: { selector: { app: 'agent' } },
  })
  putIssued(cluster)
  await using world = await start(cluster, { owners: ownerKinds, unclaimed: 'wait' })
  cluster.put(plural, asks())
  await eventually('it is issued', () => statusOf(cluster).certificate !== undefined)
  const pem = Buffer.from(statusOf(cluster).certificate ?? '', 'base64')
  assert.equal(
    new X509Certificate(pem).subjectAltName,
    'URI:spiffe://example.org/ns/team-a/sa/worker',
  )
  const { identity } = parseX509Svid(new X509Certificate(pem).raw)
  assert.equal(identity?.role, role)
  assert.deepEqual([identity.tenant, identity.claim], [undefined, undefined])
  assert.ok(world.signer.ready)
})

for (const [title, change, reason, message] of [
  ['there is none', () => {}, 'RequestNotDeclared', /no such IssuedCertificate/],
  [
    'it was made anew under its name',
    (cluster: FakeCluster) => putIssued(cluster, {}, { uid: 'another-uid' }),
    'RequestNotDeclared',
    /has UID "another-uid"/,
  ],
  [
    'it is being deleted',
    (cluster: FakeCluster) => putIssued(cluster, {}, { deletionTimestamp: '2026-11-30T10:00:00Z' }),
    'RequestNotDeclared',
    /it is being deleted/,
  ],
  [
    'it names another service account',
    (cluster: FakeCluster) =>
      putIssued(cluster, { hosts: ['spiffe://example.org/ns/team-a/sa/other'] }),
    'RequestNotDeclared',
    /its hosts are "spiffe:\/\/example.org\/ns\/team-a\/sa\/other"/,
  ],
  [
    'it names another trust domain',
    (cluster: FakeCluster) =>
      putIssued(cluster, { hosts: ['spiffe://other.example/ns/team-a/sa/worker'] }),
    'RequestNotDeclared',
    /its hosts are "spiffe:\/\/other.example/,
  ],
  [
    'it names a host of another kind beside',
    (cluster: FakeCluster) =>
      putIssued(cluster, { hosts: ['spiffe://example.org/ns/team-a/sa/worker', 'a.example'] }),
    'RequestNotDeclared',
    /a\.example/,
  ],
  [
    'it asks for a tenant that the agent leaves out',
    (cluster: FakeCluster) => putIssued(cluster, { org: 'acme' }),
    'RequestNotDeclared',
    /it asks for .*acme/,
  ],
] as const) {
  test(`the agent is denied where ${title}`, async () => {
    requirement('issued.as-declared')
    const cluster = clusterWithAgent()
    change(cluster)
    await using world = await start(cluster)
    cluster.put(plural, asks())
    await eventually('it is denied', () => statusOf(cluster).conditions !== undefined)
    const [condition] = statusOf(cluster).conditions ?? []
    assert.equal(condition?.type, 'Denied')
    assert.equal(condition.reason, reason, condition.message)
    assert.match(condition.message, message)
    assert.ok(world.signer.ready)
  })
}

for (const [title, change] of [
  ['is gone', (cluster: FakeCluster) => cluster.remove('issuedcertificates', 'search', 'team-a')],
  ['was made anew', (cluster: FakeCluster) => putIssued(cluster, {}, { uid: 'another-uid' })],
  [
    'asks for something else',
    (cluster: FakeCluster) =>
      putIssued(cluster, { annotations: { 'countersign.dev/role': 'agent' } }),
  ],
  [
    'cannot be read',
    (cluster: FakeCluster) =>
      cluster.fail(({ path }) => path.includes('/issuedcertificates/'), { kind: 'drop' }, 1000),
  ],
] as const) {
  test(`an IssuedCertificate that ${title} by the time of the signature has none`, async () => {
    requirement('issued.declared-until-signed')
    const cluster = clusterWithAgent()
    putIssued(cluster)
    const request = cluster.request.bind(cluster)
    cluster.request = async <T>(asked: ApiRequest): Promise<T> => {
      const answer = await request<T>(asked)
      if (asked.method === 'PATCH' && asked.path.endsWith('/approval')) change(cluster)
      return answer
    }
    await using world = await start(cluster)
    cluster.put(plural, asks())
    await eventually('it is recorded', () => world.ledger.records.length >= 2)
    const [intent, result] = world.ledger.records
    assert.equal(intent?.kind, 'issuance-intent')
    assert.ok(result?.kind === 'issuance-result')
    assert.equal(result.outcome, 'unpublished')
    assert.match(result.detail, /^not signed: the IssuedCertificate /)
    assert.equal(statusOf(cluster).certificate, undefined)
  })
}

test('what is declared goes through the evaluation of a pod: a tenant has to be proved', async () => {
  const cluster = clusterWithAgent()
  putIssued(cluster, { org: 'acme' })
  await using world = await start(cluster)
  cluster.put(plural, asks({ 'countersign.dev/tenant': 'acme' }))
  await eventually('it is denied', () => statusOf(cluster).conditions !== undefined)
  assert.equal(statusOf(cluster).conditions?.[0]?.reason, 'TenantNotProved')
  assert.ok(world.signer.ready)
})

for (const [title, change, reason] of [
  [
    'gone',
    (cluster: FakeCluster) => cluster.remove('pods', 'agent-0', agent.namespace),
    'PodNotFound',
  ],
  [
    'of another service account',
    (cluster: FakeCluster) => {
      const pod = cluster.get('pods', 'agent-0', agent.namespace) as RawObject
      cluster.put('pods', { ...pod, spec: { nodeName: 'node1', serviceAccountName: 'worker' } })
    },
    'ServiceAccountMismatch',
  ],
] as const) {
  test(`the agent is denied when the pod that asks is ${title}`, async () => {
    requirement('issued.agent-only')
    const cluster = clusterWithAgent()
    putIssued(cluster)
    change(cluster)
    await using world = await start(cluster)
    cluster.put(plural, asks())
    await eventually('it is denied', () => statusOf(cluster).conditions !== undefined)
    assert.equal(statusOf(cluster).conditions?.[0]?.reason, reason)
    assert.ok(world.signer.ready)
  })
}
