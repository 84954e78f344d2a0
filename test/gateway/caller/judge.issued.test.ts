import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createForeignDomains } from '../../../src/federation/foreign-domains.ts'
import { watchPods } from '../../../src/gateway/caller/pod-watch.ts'
import { emptyCeiling, parseToolScopes } from '../../../src/identity/ceiling.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { modern, openClient, whyOf } from '../world/client.ts'
import { openWorld, type World } from '../world/world.ts'

/*
 * A certificate of an IssuedCertificate names the resource where others name their pod. No API server gives its UID to a pod, too.
 */

const echo = modern('tools/call', { name: 'echo', arguments: {} })
const issuedUid = 'c0ffee00-0000-4000-8000-00000000cafe'
const agentUid = 'c0ffee00-0000-4000-8000-00000000beef'
/** A pod of the very name that the resource has, in its namespace. */
const namesake = { name: 'agent-0', namespace: 'agents', uid: agentUid }
const serverPod = { name: 'agent-0', namespace: 'tools' }

interface Followed extends AsyncDisposable {
  readonly world: World
  readonly cluster: FakeCluster
}

/** A gateway that follows the pods of an API server: that of an agent, and that of its tool server. */
async function openFollowed(): Promise<Followed> {
  await using opened = new AsyncDisposableStack()
  const cluster = new FakeCluster()
  const running = { spec: { serviceAccountName: 'agent' }, status: { phase: 'Running' } }
  cluster.put('pods', { metadata: namesake, ...running })
  const watched = { client: cluster, log: silentLog, metrics: silentMetrics, now: Date.now }
  const pods = opened.use(await watchPods(watched))
  const world = opened.use(await openWorld({ pods }))
  const [uid = ''] = world.podsOf('files')
  cluster.put('pods', { metadata: { ...serverPod, uid }, ...running })
  const parts = opened.move()
  return { world, cluster, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

test('the certificate of an IssuedCertificate is no caller, though a pod has its name and its account', async () => {
  requirement('gateway.issued-is-no-pod')
  await using followed = await openFollowed()
  const { world } = followed
  const pod = await world.agent({ podUid: agentUid })
  assert.equal((await pod.post('/mcp/files', echo.body, echo.headers)).status, 200)
  const issued = await world.agent({ podUid: issuedUid })
  const reply = await issued.post('/mcp/files', echo.body, echo.headers)
  assert.equal(reply.status, 403)
  assert.equal(whyOf(reply), 'pod of the certificate is gone')
})

test('the certificate of an IssuedCertificate is no tool server, though a pod has its name and its account', async () => {
  requirement('gateway.issued-is-no-pod')
  await using followed = await openFollowed()
  const { world, cluster } = followed
  cluster.put('pods', {
    metadata: { ...serverPod, uid: 'another' },
    spec: { serviceAccountName: 'files' },
    status: { phase: 'Running' },
  })
  const agent = await world.agent({ podUid: agentUid })
  const reply = await agent.post('/mcp/files', echo.body, echo.headers)
  assert.equal(reply.status, 502, JSON.stringify(reply.json))
})

test('a Revocation with the UID of an IssuedCertificate of another trust domain ends it, and no other of its account', async () => {
  requirement('gateway.issued-is-no-pod')
  const theirs = createTestAuthority({ trustDomain: 'edge-1.example' })
  const foreign = createForeignDomains(parseTrustDomain('test.example'), [
    {
      trustDomain: theirs.trustDomain,
      ceiling: { ...emptyCeiling, toolScopes: parseToolScopes('files:echo') },
      bundle: () => theirs.bundle,
      onChange: () => () => {},
    },
  ])
  const subject = 'spiffe://edge-1.example/ns/agents/sa/agent'
  const grants = {
    tenants: {},
    subjects: { [subject]: { files: { tools: { echo: {} }, prefixes: {} } } },
  }
  await using world = await openWorld({ grants, foreign })
  const connect = (podUid: string): ReturnType<typeof openClient> => {
    const wanted = { namespace: 'agents', role: 'agent', toolScopes: 'files:echo', podUid } as const
    const { credential } = theirs.issue(wanted)
    return openClient({ port: world.gateway.port, credential, bundle: world.identities.bundle })
  }
  await using issued = connect(issuedUid)
  await using pod = connect(agentUid)
  for (const each of [issued, pod]) {
    assert.equal((await each.post('/mcp/files', echo.body, echo.headers)).status, 200)
  }
  const disconnected = once(issued.client, 'disconnect')
  world.revocations.set([{ name: 'leaked', reason: 'test', podUid: issuedUid }])
  await disconnected
  const refused = await issued.post('/mcp/files', echo.body, echo.headers)
  assert.equal(whyOf(refused), 'certificate is revoked')
  assert.equal((await pod.post('/mcp/files', echo.body, echo.headers)).status, 200)
})
