import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../../dev/cluster.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { Delay } from '../../src/kubernetes/backoff.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { silentLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { AuthoritySource } from '../../src/pki/authority.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { startAnchorPublication } from '../../src/signer/anchors/anchor-publication.ts'
import {
  startAuthorityRequests,
  type AuthorityRequests,
} from '../../src/signer/anchors/request-authority.ts'
import { refusedAnnotation } from '../../src/signer/anchors/refused-requests.ts'
import { openRequestedAuthorities } from '../../src/signer/anchors/secret-authorities.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { createParentCa } from '../support/parent-ca.ts'
import { createPlainClient, type PlainAnswer, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

const system = 'countersign-system'
const secretName = 'countersign-intermediate'
const parentName = 'clusterissuers.example.com/platform'
const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const trustDomain = parseTrustDomain('agents.example')
const parent = createParentCa({ seed: 1, trustDomain, now: Date.now() })
const configured = {
  current: () => parseBundle(parent.rootPem, trustDomain),
  problem: undefined,
  onChange: () => () => {},
}

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

/** Nobody here waits for as long as a person may take. */
const quick: Delay = (milliseconds, signal) =>
  sleep(Math.min(milliseconds, 200), undefined, { signal })

interface Replica extends AsyncDisposable {
  readonly authorities: AuthoritySource
  readonly requests: AuthorityRequests
}

/** A signer as far as it asks for its CA. */
async function openReplica(holder: string): Promise<Replica> {
  await using opened = new AsyncDisposableStack()
  const kubeconfig = cluster.adminKubeconfig
  const client = createApiClient({ kubeconfig, environment: {}, userAgent: 'test' })
  opened.defer(() => client.close())
  const parts = { client, log: silentLog, now: Date.now, delay: quick }
  const secret = {
    client,
    kind: 'requested' as const,
    namespace: system,
    name: secretName,
    trustDomain,
    lifetimeSeconds: 90 * 86_400,
    dnsSuffixes: ['svc'],
    now: Date.now,
  }
  const source = opened.use(await openRequestedAuthorities({ ...secret, ...parts, configured }))
  const publication = opened.use(
    startAnchorPublication({
      ...parts,
      signerName: 'countersign.dev/identity',
      trustDomain,
      authorities: source,
      lease: { namespace: system, name: 'countersign-trust-bundle', holder },
    }),
  )
  publication.settled.catch(() => {})
  const requests = opened.use(
    startAuthorityRequests({
      ...parts,
      request: { signerName: parentName, keyType: 'ECDSAP256', annotations: {} },
      secret,
      configured,
      probe: client,
      authorities: source,
      held: () => publication.asks(),
      propagationSeconds: 0,
      metrics: createMetrics(),
    }),
  )
  const { authorities } = publication
  const moved = opened.move()
  return { authorities, requests, [Symbol.asyncDispose]: () => moved.disposeAsync() }
}

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
  const current = ({ authorities }: Replica): string | undefined => {
    try {
      return authorities.current().certificate.sha256
    } catch {
      return undefined
    }
  }
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
  assert.equal(current(one) ?? current(other), undefined, 'nothing else has taken its place')
  await judge(third, 'Approved')
  await sign(third)
  await eventually('both sign', () => current(one) !== undefined && current(one) === current(other))
  const late = opened.use(await openReplica('signer-2'))
  await eventually('a late one signs', () => current(late) === current(one))
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
