import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import {
  openAuthority,
  type AuthorityContents,
} from '../../../src/signer/anchors/authority-secret.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'

const namespace = 'countersign-system'
const name = 'countersign-authority'

function open(client: FakeCluster): Promise<AuthorityContents> {
  return openAuthority({
    client,
    namespace,
    name,
    trustDomain: parseTrustDomain('agents.example'),
    lifetimeSeconds: 86_400,
    dnsSuffixes: ['svc'],
    now: Date.now,
  })
}

function clusterWith(data?: object): FakeCluster {
  const cluster = new FakeCluster()
  const metadata = { name, namespace }
  cluster.put('secrets', { metadata, ...(data === undefined ? {} : { data }) })
  return cluster
}

function fingerprint(contents: AuthorityContents): string {
  return contents.journal[0]?.certificate.sha256 ?? ''
}

test('an empty Secret is filled once, and every later start signs with the same authority', async () => {
  const cluster = clusterWith()
  const first = await open(cluster)
  assert.notEqual(fingerprint(first), '')
  assert.equal(fingerprint(await open(cluster)), fingerprint(first))
  const writes = cluster.requests.filter(({ method }) => method !== 'GET')
  assert.deepEqual(
    writes.map(({ method, path }) => `${method} ${path}`),
    [`PATCH /api/v1/namespaces/${namespace}/secrets/${name}`],
  )
})

test('of two replicas that start at once both sign with what one of them made', async () => {
  const cluster = clusterWith()
  const [one, other] = await Promise.all([open(cluster), open(cluster)])
  assert.equal(fingerprint(one), fingerprint(other))
})

test('a Secret that is not there is an error that says how to make it', async () => {
  await assert.rejects(open(new FakeCluster()), {
    code: 'pki/authority',
    message: 'secret countersign-system/countersign-authority: not found',
    hint: /kubectl -n countersign-system create secret generic countersign-authority$/,
  })
})

for (const key of ['tls.crt', 'tls.key']) {
  test(`a Secret with ${key} alone is left as it is, and is an error`, async () => {
    const cluster = clusterWith({ [key]: 'eA==' })
    await assert.rejects(open(cluster), { code: 'pki/authority', message: /: required$/ })
    assert.ok(cluster.requests.every(({ method }) => method === 'GET'))
  })
}
