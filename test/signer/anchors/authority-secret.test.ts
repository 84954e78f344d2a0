import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { silentLog } from '../../../src/log.ts'
import { createSelfSignedAuthority } from '../../../src/pki/authority.ts'
import {
  openAuthority,
  type AuthorityContents,
} from '../../../src/signer/anchors/authority-secret.ts'
import { rotateAuthority } from '../../../src/signer/anchors/rotate-authority.ts'
import { openSecretAuthorities } from '../../../src/signer/anchors/secret-authorities.ts'
import { requirement } from '../../requirements.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'

const namespace = 'countersign-system'
const name = 'countersign-authority'

const options = {
  namespace,
  name,
  trustDomain: parseTrustDomain('agents.example'),
  lifetimeSeconds: 86_400,
  dnsSuffixes: ['svc'],
  now: Date.now,
}

function open(client: FakeCluster): Promise<AuthorityContents> {
  return openAuthority({ client, ...options })
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
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

test('no authority is made by a clock that is not the API server’s', async () => {
  requirement('signer.by-the-clock-of-the-cluster')
  const client = clusterWith()
  let clockProblem: string | undefined = 'the clock here is not that of the API server'
  const opening = (): Promise<AuthorityContents> =>
    openAuthority({ client, ...options, clockProblem: () => clockProblem })
  await assert.rejects(opening(), { code: 'pki/authority', message: clockProblem })
  assert.deepEqual(
    client.requests.filter(({ method }) => method !== 'GET'),
    [],
  )
  clockProblem = undefined
  assert.notEqual(fingerprint(await opening()), '')
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

test('a Secret that people have filled with a chain opens as it is, and no step is taken with it', async () => {
  requirement('signer.rotation-by-proof')
  const root = createSelfSignedAuthority(options)
  const other = createSelfSignedAuthority(options)
  const cluster = clusterWith({
    'tls.crt': encode(`${root.certificatePem}${other.certificatePem}`),
    'tls.key': encode(root.privateKeyPem),
  })
  await using opened = await openSecretAuthorities({
    ...options,
    client: cluster,
    log: silentLog,
  })
  const { sha256 } = opened.current().certificate
  assert.equal(fingerprint(await open(cluster)), sha256)
  await assert.rejects(rotateAuthority({ kind: 'prepare' }, { ...options, client: cluster }), {
    code: 'pki/authority-step',
    hint: /Another CA$/,
  })
  assert.ok(cluster.requests.every(({ method }) => method === 'GET'))
})

for (const key of ['tls.crt', 'tls.key', 'authorities.json', 'prepared.key']) {
  test(`a Secret with ${key} alone is left as it is, and is an error`, async () => {
    const cluster = clusterWith({ [key]: 'eA==' })
    await assert.rejects(open(cluster), { code: 'pki/authority', message: /: required$/ })
    assert.ok(cluster.requests.every(({ method }) => method === 'GET'))
  })
}
