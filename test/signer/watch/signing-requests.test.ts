import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { LedgerRecord } from '../../../src/ledger/record.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { staticAuthoritySource } from '../../../src/pki/authority.ts'
import type { SignerOptions } from '../../../src/signer/controller.ts'
import { certificatesPerHour } from '../../../src/signer/issue/pod-pace.ts'
import { followSigningRequests } from '../../../src/signer/watch/signing-requests.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import type { FakeCluster, RawObject } from '../../support/fake-cluster.ts'
import {
  newAuthority,
  populatedCluster,
  putRequest,
  startSigner,
  type SignerWorld,
} from '../signer-world.ts'
import { declare, declared, newKey, signingRequest } from '../signing-request.ts'

/*
 * The whole of a signer that answers what pods ask by themselves.
 */

const plural = 'certificatesigningrequests'
const approved = { conditions: [{ type: 'Approved', status: 'True', reason: 'ByHand' }] }

async function start(
  cluster: FakeCluster,
  changed: Partial<SignerOptions> = {},
): Promise<SignerWorld> {
  const world = await startSigner(cluster, { signingRequests: { approve: true }, ...changed })
  await eventually('ready', () => world.signer.ready)
  return world
}

interface Status {
  readonly certificate?: string
  readonly conditions?: readonly { readonly type: string; readonly reason: string }[]
}

const statusOf = (cluster: FakeCluster, name = 'csr-1'): Status =>
  (cluster.get(plural, name) as RawObject)['status'] as Status

async function certificateOf(cluster: FakeCluster, name?: string): Promise<X509Certificate> {
  await eventually('it is issued', () => statusOf(cluster, name).certificate !== undefined)
  return new X509Certificate(Buffer.from(statusOf(cluster, name).certificate ?? '', 'base64'))
}

async function denial(cluster: FakeCluster, name?: string): Promise<string | undefined> {
  await eventually('it is denied', () => statusOf(cluster, name).conditions !== undefined)
  const [condition] = statusOf(cluster, name).conditions ?? []
  assert.equal(condition?.type, 'Denied', JSON.stringify(condition))
  return condition.reason
}

test('a pod that its author lets ask is approved, signed and recorded', async () => {
  requirement('signer.pods-ask')
  const cluster = populatedCluster()
  declare(cluster)
  await using world = await start(cluster)
  const key = newKey()
  cluster.put(plural, signingRequest('csr-1', { key }))
  const certificate = await certificateOf(cluster)
  assert.ok(certificate.checkPrivateKey(key))
  assert.equal(certificate.subjectAltName, 'URI:spiffe://example.org/ns/team-a/sa/worker')
  assert.equal(statusOf(cluster).conditions?.[0]?.reason, 'EvidenceProved')
  await eventually('the result is recorded', () => world.ledger.records.length === 2)
  const [intent, result] = world.ledger.records
  assert.deepEqual(intent?.request, {
    uid: 'uid-of-csr-1',
    namespace: 'team-a',
    name: 'csr-1',
    signerName: 'countersign.dev/identity',
    kind: 'CertificateSigningRequest',
  })
  assert.ok(intent.kind === 'issuance-intent' && result?.kind === 'issuance-result')
  assert.equal(intent.requester, 'pod')
  assert.equal(result.outcome, 'published')
})

for (const [title, annotations, asks, reason] of [
  ['says nothing', {}, {}, 'RequestNotDeclared'],
  [
    'names another signer',
    { 'countersign.dev/certificate-signing-requests': 'example.org/other' },
    {},
    'RequestNotDeclared',
  ],
  ['names fewer annotations', declared, { 'countersign.dev/tenant': 'acme' }, 'RequestNotDeclared'],
  [
    'names more annotations',
    { ...declared, 'countersign.dev/tenant': 'acme' },
    {},
    'RequestNotDeclared',
  ],
  [
    'names what is not proved',
    { ...declared, 'countersign.dev/tenant': 'acme' },
    { 'countersign.dev/tenant': 'acme' },
    'TenantNotProved',
  ],
] as const) {
  test(`a pod whose author ${title} is denied: ${reason}`, async () => {
    requirement('signer.pods-ask')
    const cluster = populatedCluster()
    declare(cluster, annotations)
    await using world = await start(cluster)
    cluster.put(plural, signingRequest('csr-1', { annotations: asks }))
    assert.equal(await denial(cluster), reason)
    assert.ok(world.signer.ready)
  })
}

test('without the section nobody looks at what pods ask by themselves', async () => {
  const cluster = populatedCluster()
  declare(cluster)
  await using world = await startSigner(cluster)
  cluster.put(plural, signingRequest())
  await eventually('ready', () => world.signer.ready)
  assert.ok(!cluster.requests.some(({ path }) => path.includes(plural)))
})

test('what others approve is signed when they have, and not before', async () => {
  requirement('signer.approved-before-signed')
  const cluster = populatedCluster()
  declare(cluster)
  await using world = await start(cluster, { signingRequests: { approve: false } })
  const request = cluster.put(plural, signingRequest())
  await eventually('its pod is told', () =>
    cluster.list('events').some((event) => String(event['message']).includes('not approved yet')),
  )
  assert.deepEqual(world.ledger.records, [])
  cluster.put(plural, { ...request, status: approved })
  await certificateOf(cluster)
})

test('an approval proves nothing: what was approved and is not proved is neither signed nor denied', async () => {
  requirement('signer.approved-before-signed')
  const cluster = populatedCluster()
  await using world = await start(cluster)
  cluster.put(plural, signingRequest('csr-1', { status: approved }))
  await eventually('the refusal is recorded', () => world.ledger.records.length > 0)
  await eventually('its pod is told', () =>
    cluster.list('events').some((event) => String(event['message']).includes('it is approved')),
  )
  assert.deepEqual(statusOf(cluster), approved)
})

test('what a signer left open is settled by the request itself after a restart', async () => {
  const cluster = populatedCluster()
  declare(cluster)
  // A new CA would wait for its readers.
  const authorities = staticAuthoritySource(newAuthority())
  const before = await start(cluster, { authorities })
  cluster.put(plural, signingRequest())
  await certificateOf(cluster)
  await eventually('the result is recorded', () => before.ledger.records.length === 2)
  await before.stop()
  const [intent] = before.ledger.records
  const records = async function* (): AsyncGenerator<{ index: number; record: LedgerRecord }> {
    if (intent !== undefined) yield { index: 0, record: intent }
  }
  await using world = await start(cluster, { authorities, records })
  await eventually('it is settled', () => world.ledger.records.length === 1)
  const [result] = world.ledger.records
  assert.ok(result?.kind === 'issuance-result')
  assert.equal(result.outcome, 'published')
  assert.equal(result.detail, 'read back from the request')
})

test('a request that is deleted while it waits is let go', async () => {
  const cluster = populatedCluster()
  declare(cluster)
  await using world = await start(cluster, { signingRequests: { approve: false } })
  cluster.put(plural, signingRequest())
  await eventually('its pod is told', () => cluster.list('events').length > 0)
  cluster.remove(plural, 'csr-1')
  const request = cluster.put(plural, signingRequest('csr-2'))
  cluster.put(plural, { ...request, status: approved })
  await certificateOf(cluster, 'csr-2')
  await eventually('the result is recorded', () => world.ledger.records.length === 2)
})

test('where the cluster serves no pod certificates, what pods ask by themselves is answered alone', async () => {
  const cluster = populatedCluster()
  cluster.served.set('certificates.k8s.io/v1', ['clustertrustbundles', plural])
  declare(cluster)
  await using world = await start(cluster)
  const condition = world.signer
    .conditions()
    .find(({ name }) => name === 'watch podcertificaterequests')
  assert.equal(condition?.optional, true)
  assert.match(condition.reason, /^not served: /)
  cluster.put(plural, signingRequest())
  await certificateOf(cluster)
  assert.ok(!cluster.requests.some(({ path }) => path.includes('podcertificaterequests')))
})

test('what can never be signed is denied before it is approved', async () => {
  requirement('signer.approved-before-signed')
  const cluster = populatedCluster()
  const scopes = Array.from({ length: 32 }, (_, at) => `files:${'a'.repeat(124)}${at + 10}`)
  const annotations = { 'countersign.dev/tool-scopes': scopes.join(',') }
  declare(cluster, { ...declared, ...annotations })
  cluster.put('namespaces', {
    metadata: {
      name: 'team-a',
      uid: 'namespace-uid',
      labels: { 'tools.countersign.dev/files': 'allow' },
    },
  })
  cluster.put('serviceaccounts', {
    metadata: {
      name: 'worker',
      namespace: 'team-a',
      uid: 'account-uid',
      annotations: { 'countersign.dev/tool-scopes': 'files:*' },
    },
  })
  await using world = await start(cluster)
  cluster.put(plural, signingRequest('csr-1', { annotations }))
  assert.equal(await denial(cluster), 'InvalidUnverifiedUserAnnotations')
  assert.ok(world.ledger.records.every(({ kind }) => kind === 'issuance-refusal'))
})

test('a key is good for one request of its pod', async () => {
  requirement('signer.pods-ask')
  const cluster = populatedCluster()
  declare(cluster)
  await using world = await start(cluster)
  const key = newKey()
  cluster.put(plural, signingRequest('csr-1', { key }))
  await certificateOf(cluster)
  cluster.put(plural, signingRequest('csr-2', { key }))
  assert.equal(await denial(cluster, 'csr-2'), 'KeyAlreadyIssued')
  assert.ok(world.signer.ready)
})

test('a pod that asks again and again waits, and others do not', async () => {
  requirement('signer.pods-ask')
  const cluster = populatedCluster()
  declare(cluster)
  await using world = await start(cluster)
  const names = Array.from({ length: certificatesPerHour }, (_, at) => `csr-${at}`)
  for (const name of names) {
    cluster.put(plural, signingRequest(name))
    await certificateOf(cluster, name)
  }
  cluster.put(plural, signingRequest('one-more'))
  await eventually('its pod is told', () =>
    cluster.list('events').some((event) => String(event['message']).includes('within an hour')),
  )
  assert.deepEqual(statusOf(cluster, 'one-more'), {})
  assert.equal(world.ledger.records.length, 2 * certificatesPerHour)
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
})

test('nothing is kept of what others write on a request, nor of one that is over', async () => {
  requirement('signer.pods-ask')
  const cluster = populatedCluster()
  declare(cluster)
  const long = 'x'.repeat(100_000)
  const put = (name: string, status: object, annotations: object): void => {
    const request = signingRequest(name, { status })
    cluster.put(plural, {
      ...request,
      metadata: { ...request.metadata, annotations, labels: { of: long } },
    })
  }
  put('foreign', {}, { other: long })
  put('greedy', {}, { 'countersign.dev/tenant': long })
  put('over', approved, { 'countersign.dev/tenant': 'acme' })
  await using requests = followSigningRequests({
    client: cluster,
    signerName: 'countersign.dev/identity',
    log: silentLog,
    metrics: silentMetrics,
  })
  await requests.synced
  assert.ok(JSON.stringify(requests.list()).length < 16_384)
  const keys = (name: string): readonly string[] =>
    Object.keys(requests.get(name, 'team-a')?.spec.unverifiedUserAnnotations ?? {})
  assert.deepEqual(keys('foreign'), [])
  assert.deepEqual(keys('greedy'), ['countersign.dev/more-than-16384-octets'])
  const over = { ...approved, certificate: Buffer.from('a chain').toString('base64') }
  put('over', over, { 'countersign.dev/tenant': 'acme' })
  await eventually(
    'it is over',
    () => requests.get('over', 'team-a')?.status.terminal !== undefined,
  )
  assert.deepEqual(keys('over'), [])
})

test('of a request that was signed its key and its holder are kept, and of one that was refused neither', async () => {
  requirement('signer.key-of-one-pod')
  const cluster = populatedCluster()
  const put = (name: string, status: object): void => {
    const request = signingRequest(name, {
      annotations: {
        'countersign.dev/issued-certificate': 'team-a/search/issued-uid/worker/account-uid',
        'countersign.dev/tenant': 'acme',
      },
      status,
    })
    cluster.put(plural, request)
  }
  put('signed', { ...approved, certificate: Buffer.from('a chain').toString('base64') })
  put('refused', { conditions: [{ type: 'Denied', status: 'True', reason: 'ByHand' }] })
  await using requests = followSigningRequests({
    client: cluster,
    signerName: 'countersign.dev/identity',
    agent: { namespace: 'team-a', serviceAccount: 'worker' },
    log: silentLog,
    metrics: silentMetrics,
  })
  await requests.synced
  const kept = (name: string): unknown => {
    const { spec, stated } = requests.list().find(({ metadata }) => metadata.name === name) ?? {}
    const hasKey = spec?.key?.kind === 'pem' && spec.key.pem !== ''
    return { hasKey, holder: stated?.issued?.uid, asked: spec?.unverifiedUserAnnotations }
  }
  assert.deepEqual(kept('signed'), { hasKey: true, holder: 'issued-uid', asked: {} })
  assert.deepEqual(kept('refused'), { hasKey: false, holder: undefined, asked: {} })
})

test('what pods ask by themselves keeps no kubelet waiting, whatever is wrong with it', async () => {
  const cluster = populatedCluster()
  cluster.fail(({ path }) => path.endsWith(plural), { kind: 'refuse', status: 403 }, 1000)
  await using world = await start(cluster)
  const condition = world.signer
    .conditions()
    .find(({ name }) => name === 'watch certificatesigningrequests')
  assert.deepEqual([condition?.ok, condition?.optional], [false, true])
  putRequest(cluster)
  assert.equal((await world.terminal()).conditions[0].type, 'Issued')
})

test('two replicas give a request one certificate, and one that was approved is signed after a restart', async () => {
  requirement('signer.approved-before-signed')
  const cluster = populatedCluster()
  declare(cluster)
  const authorities = staticAuthoritySource(newAuthority())
  // The first one approves, and ends before it has signed anything that anybody sees.
  let isFirst = true
  const isWrite = ({ path }: { readonly path: string }): boolean => path.endsWith('csr-1/status')
  cluster.fail((request) => isFirst && isWrite(request), { kind: 'drop' }, 1000)
  const before = await start(cluster, { authorities })
  cluster.put(plural, signingRequest())
  await eventually('it is approved', () => statusOf(cluster).conditions !== undefined)
  await before.stop()
  isFirst = false
  assert.equal(statusOf(cluster).certificate, undefined)
  await using one = await start(cluster, { authorities, replica: 'signer-1' })
  await using two = await start(cluster, { authorities, replica: 'signer-2' })
  cluster.put(plural, signingRequest('csr-2'))
  await certificateOf(cluster)
  await certificateOf(cluster, 'csr-2')
  const published = (): number =>
    [...one.ledger.records, ...two.ledger.records].filter(
      (record) => record.kind === 'issuance-result' && record.outcome === 'published',
    ).length
  await eventually('each is recorded once', () => published() === 2)
})
