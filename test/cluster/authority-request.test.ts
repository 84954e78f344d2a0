import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { refusedAnnotation } from '../../src/signer/anchors/refused-requests.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { createParentCa } from '../support/parent-ca.ts'
import { createPlainClient, type PlainAnswer, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import {
  openRequestingSigner,
  secretName,
  type RequestingSigner,
} from '../support/requesting-signer.ts'

const system = 'countersign-system'
const parentName = 'clusterissuers.example.com/platform'
const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const trustDomain = parseTrustDomain('agents.example')
const parent = createParentCa({ seed: 1, trustDomain, now: Date.now() })

let cluster: Cluster
let admin: PlainClient

before(async () => {
  cluster = await startRealCluster({ serverOnly: true })
  admin = await createPlainClient(cluster.adminKubeconfig)
  await create('/api/v1/namespaces', { metadata: { name: system } })
  await create(`/api/v1/namespaces/${system}/secrets`, { metadata: { name: secretName } })
  await create(`/apis/coordination.k8s.io/v1/namespaces/${system}/leases`, {
    metadata: { name: 'countersign-trust-bundle' },
  })
})
after(() => (cluster as Cluster | undefined)?.[Symbol.asyncDispose]())

async function create(path: string, body: object): Promise<void> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
}

const openReplica = (holder: string): Promise<RequestingSigner> =>
  openRequestingSigner({
    holder,
    kubeconfig: cluster.adminKubeconfig,
    namespace: system,
    trustDomain,
    anchors: parent.rootPem,
    signerName: parentName,
    lifetimeSeconds: 90 * 86_400,
    dnsSuffixes: ['svc'],
  })

const list = async (): Promise<readonly PlainAnswer['body'][]> =>
  (await admin({ path: requestsPath })).body.items

async function open(): Promise<PlainAnswer['body']> {
  const waiting = (await list()).filter(({ status }) => status.conditions === undefined)
  assert.ok(waiting.length <= 1, 'never two requests wait at once')
  return waiting[0]
}

async function judge(request: PlainAnswer['body'], type: 'Approved' | 'Denied'): Promise<void> {
  const condition = { type, status: 'True', reason: 'Test', message: 'by a person' }
  const body = { status: { conditions: [condition] } }
  const path = `${requestsPath}/${request.metadata.name}/approval`
  const answer = await admin({ method: 'PATCH', path, body })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
}

async function sign(request: PlainAnswer['body']): Promise<void> {
  const asked = Buffer.from(request.spec.request, 'base64').toString('utf8')
  const certificate = Buffer.from(parent.answer(asked)).toString('base64')
  const path = `${requestsPath}/${request.metadata.name}/status`
  const answer = await admin({ method: 'PATCH', path, body: { status: { certificate } } })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
}

/** As an operator does who has mended what was in the way. */
async function askAtOnce(): Promise<void> {
  const path = `/api/v1/namespaces/${system}/secrets/${secretName}`
  await eventually('a refusal is noted', async () => {
    const { body } = await admin({ path })
    return body.metadata.annotations?.[refusedAnnotation] !== undefined
  })
  const body = { metadata: { annotations: { [refusedAnnotation]: null } } }
  assert.equal((await admin({ method: 'PATCH', path, body })).status, 200)
}

test('a CA is asked of a signer of the cluster, denied, deleted, approved and signed, and the next replica has it', async () => {
  requirement('signer.asks-for-its-ca-once')
  await using opened = new AsyncDisposableStack()
  const one = opened.use(await openReplica('signer-0'))
  const other = opened.use(await openReplica('signer-1'))
  await eventually('asked', async () => (await open()) !== undefined)
  const first = await open()
  assert.deepEqual(first.spec.usages, ['cert sign', 'crl sign'])
  assert.equal(first.spec.signerName, parentName)
  await judge(first, 'Denied')
  await askAtOnce()
  await eventually('asked anew', async () => (await open()) !== undefined)
  const second = await open()
  await admin({ method: 'DELETE', path: `${requestsPath}/${second.metadata.name}` })
  await askAtOnce()
  await eventually('asked once more', async () => (await open()) !== undefined)
  const third = await open()
  assert.equal(one.current() ?? other.current(), undefined, 'nothing else has taken its place')
  await judge(third, 'Approved')
  await sign(third)
  await eventually(
    'both sign',
    () => one.current() !== undefined && one.current() === other.current(),
  )
  const late = opened.use(await openReplica('signer-2'))
  await eventually('a late one signs', () => late.current() === one.current())
  assert.match(
    late.requests.condition().reason,
    /the next CA is asked for at|authorities are not read/,
  )
  const bundle = await admin({
    path: '/apis/certificates.k8s.io/v1/clustertrustbundles/countersign.dev:identity:agents.example',
  })
  assert.equal(bundle.body.spec.trustBundle, parent.rootPem)
  const { body } = await admin({ path: `/api/v1/namespaces/${system}/events` })
  const reasons = body.items.map(({ reason }: { readonly reason: string }) => reason)
  assert.deepEqual(reasons.toSorted(), ['CaIssued', 'CaRequestDenied', 'CaRequestGone'])
})
