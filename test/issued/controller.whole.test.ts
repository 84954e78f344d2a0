import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createIssuedKeeper, type IssuedOptions } from '../../src/issued/controller.ts'
import type { ApiClient, ApiRequest } from '../../src/kubernetes/api-client.ts'
import { realDelay } from '../../src/kubernetes/backoff.ts'
import { createListeners } from '../../src/listeners.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
} from '../../src/pki/authority.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { createProfile, type Profile } from '../../src/pki/profile.ts'
import { createRevocationFinder, type Revocation } from '../../src/pki/revocation.ts'
import { readAnchors } from '../../src/renewal/published-anchors.ts'
import { requirement } from '../requirements.ts'
import { signerName } from '../signer/asked.ts'
import { profile as anyProfile, startSigner, type SignerWorld } from '../signer/signer-world.ts'
import { boundExtra, signingRequest } from '../signer/signing-request.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster, type RawObject } from '../support/fake-cluster.ts'

/*
 * Two clusters in memory, a hub and an edge with the same names in both, the signers of both beside the hub, and the agent of the edge.
 */

const namespace = 'tools'
const agent = { namespace: 'countersign-system', serviceAccount: 'agent' }
const requests = 'certificatesigningrequests'
const username = `system:serviceaccount:${agent.namespace}:${agent.serviceAccount}`
const extra = {
  ...boundExtra,
  'authentication.kubernetes.io/pod-name': ['agent-0'],
  'authentication.kubernetes.io/pod-uid': ['agent-pod-uid'],
}

interface Site {
  readonly cluster: FakeCluster
  readonly profile: Profile
  readonly start: () => Promise<SignerWorld>
}

function siteOf(name: string): Site {
  const cluster = new FakeCluster()
  cluster.put('namespaces', { metadata: { name: namespace, uid: `${name}-namespace` } })
  cluster.put('nodes', { metadata: { name: 'node1', uid: 'node-uid' } })
  const uid = `${name}-account`
  cluster.put('serviceaccounts', { metadata: { name: 'search', namespace, uid } })
  cluster.put('pods', {
    metadata: { name: 'agent-0', namespace: agent.namespace, uid: 'agent-pod-uid' },
    spec: { nodeName: 'node1', serviceAccountName: agent.serviceAccount },
    status: { phase: 'Running' },
  })
  const trustDomain = parseTrustDomain(`${name}.example`)
  const profile = createProfile({ ...anyProfile, trustDomain, cluster: name, production: false })
  const made = createSelfSignedAuthority({ trustDomain, lifetimeSeconds: 864_000, now: Date.now })
  const authorities = staticAuthoritySource(parseAuthority({ ...made, trustDomain, now: Date.now }))
  const signingRequests = { approve: true, issuedCertificates: agent }
  return {
    cluster,
    profile,
    async start() {
      const world = await startSigner(cluster, { profile, authorities, signingRequests })
      await eventually(`the signer of ${name} is ready`, () => world.signer.ready)
      return world
    },
  }
}

/** As an API server does: it states who asks, over whatever was sent. */
function agentOf(cluster: FakeCluster): ApiClient {
  return {
    server: cluster.server,
    request<T>(request: ApiRequest): Promise<T> {
      if (request.method !== 'POST' || !request.path.endsWith(requests)) {
        return cluster.request<T>(request)
      }
      const body = request.body as RawObject
      const spec = { ...(body['spec'] as object), username, uid: 'agent-uid', extra }
      return cluster.request<T>({ ...request, body: { ...body, spec, status: {} } })
    },
    stream: (stream) => cluster.stream(stream),
    close: () => {},
  }
}

/** Works until it is stopped. */
function startKeeper(
  { cluster, profile }: Site,
  more: Partial<IssuedOptions> = {},
): { stop: () => Promise<void> } {
  const client = agentOf(cluster)
  const { trustDomain } = profile
  const keeper = createIssuedKeeper({
    client,
    signerName,
    trustDomain,
    renewPercent: 50,
    bouncePods: false,
    keyType: 'ECDSAP256',
    anchors: async (signal) => (await readAnchors({ client, signerName, trustDomain, signal })).pem,
    now: Date.now,
    log: silentLog,
    metrics: silentMetrics,
    ...more,
  })
  const ending = new AbortController()
  const ended = keeper.run(ending.signal)
  return {
    stop() {
      ending.abort()
      return ended
    },
  }
}

const hub = siteOf('hub')
const edge = siteOf('edge')
let hubSigner: SignerWorld
let edgeSigner: SignerWorld

before(async () => {
  hubSigner = await hub.start()
  edgeSigner = await edge.start()
})

after(async () => {
  await hubSigner.stop()
  await edgeSigner.stop()
})

function putIssued(name: string, spec: object = {}): void {
  const hosts = [`spiffe://edge.example/ns/${namespace}/sa/search`]
  edge.cluster.put('issuedcertificates', {
    metadata: { name, namespace, uid: `uid-of-${name}`, generation: 1 },
    spec: { hosts, issuedCertificateSecret: `${name}-identity`, ...spec },
  })
}

async function reaches(name: string, state: string): Promise<void> {
  const told = (): { state?: string } =>
    edge.cluster.get('issuedcertificates', name, namespace)?.['status'] ?? {}
  await eventually(`${name} is ${state}`, () => told().state === state)
}

function credentialOf(name: string): string {
  const data = edge.cluster.get('secrets', `${name}-identity`, namespace)?.['data'] as
    Record<string, string> | undefined
  return Buffer.from(data?.['credential-bundle.pem'] ?? '', 'base64').toString()
}

test('an IssuedCertificate of the edge is signed beside the hub, on evidence of the edge and in its name', async () => {
  requirement('issued.as-declared')
  const keeper = startKeeper(edge)
  putIssued('search')
  await reaches('search', 'Finished')
  await keeper.stop()
  const credential = credentialOf('search')
  const { svid } = parseCredentialBundle(credential, {
    identityExtensionOid: edge.profile.identityExtensionOid,
  })
  assert.equal(svid.spiffeId.uri, 'spiffe://edge.example/ns/tools/sa/search')
  assert.equal(svid.identity?.cluster, 'edge')
  assert.deepEqual(svid.identity.pod, { name: 'search', uid: 'uid-of-search' })
  assert.deepEqual(svid.identity.serviceAccount, { name: 'search', uid: 'edge-account' })
  const [intent] = edgeSigner.ledger.records
  assert.ok(intent?.kind === 'issuance-intent')
  assert.equal(intent.spiffeId, svid.spiffeId.uri)
  assert.equal(hub.cluster.list(requests).length, 0)
  assert.equal(hub.cluster.list('secrets').length, 0)
  assert.equal(hubSigner.ledger.records.length, 0)
})

test('the hub is asked in the name of the edge to no avail, with the same names and by an agent like it', async () => {
  requirement('issued.as-declared')
  const reference = 'tools/search/uid-of-search/search/edge-account'
  const annotations = { 'countersign.dev/issued-certificate': reference }
  const spec = { username, uid: 'agent-uid', extra }
  hub.cluster.put(requests, signingRequest('stolen', { annotations, spec }))
  const status = (): { conditions?: readonly { type: string; reason: string }[] } =>
    hub.cluster.get(requests, 'stolen')?.['status'] ?? {}
  await eventually('it is answered', () => status().conditions !== undefined)
  const [condition] = status().conditions ?? []
  assert.equal(condition?.type, 'Denied')
  assert.equal(condition.reason, 'ServiceAccountMismatch')
})

test('while the signer is away it is requested and no more, and whoever was killed goes on with the same request', async () => {
  requirement('issued.resumes-anywhere')
  await edgeSigner.stop()
  const before = edge.cluster.list(requests).length
  const first = startKeeper(edge)
  putIssued('patient')
  await reaches('patient', 'Requested')
  await first.stop()
  const second = startKeeper(edge)
  edgeSigner = await edge.start()
  await reaches('patient', 'Finished')
  await second.stop()
  assert.equal(edge.cluster.list(requests).length, before + 1)
  const leaf = new X509Certificate(credentialOf('patient').replace(/^[^]*?(?=-----BEGIN CERT)/, ''))
  assert.equal(leaf.subjectAltName, 'URI:spiffe://edge.example/ns/tools/sa/search')
})

test('what is revoked ends as soon as that is known, and not when it would be looked at next', async () => {
  requirement('issued.ends-when-revoked')
  const listeners = createListeners()
  let revoked: readonly Revocation[] = []
  const keeper = startKeeper(edge, {
    identityExtensionOid: edge.profile.identityExtensionOid,
    revocations: {
      find: createRevocationFinder(() => revoked),
      staleSeconds: 0,
      onChange: listeners.onChange,
    },
    // Whatever is looked at by and by is not looked at before the test is over.
    delay: (milliseconds, signal) =>
      realDelay(milliseconds > 20_000 ? 10 * milliseconds : milliseconds, signal),
  })
  putIssued('stolen')
  await reaches('stolen', 'Finished')
  revoked = [{ name: 'stolen', podUid: 'uid-of-stolen', reason: '' }]
  listeners.tell()
  await reaches('stolen', 'Failed')
  await keeper.stop()
  assert.equal(credentialOf('stolen'), '')
})
