/**
 * How long after a revocation is applied its connection ends.
 *
 * A gateway that watches a real API server, where `node test/tools/build.ts cluster` has built one, or else the embedded one. A caller holds
 * a connection that has been served; a `Revocation` of its pod is created; measured is from the answer of the API server to the end of the
 * connection, and from the request to it. One after the other.
 *
 *     npm run bench revocation -- [--json] [--revocations=1000]
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Cluster } from '../dev/cluster.ts'
import { startEmbeddedCluster } from '../dev/embedded-cluster.ts'
import { readInstalled } from '../dev/session/open-session.ts'
import { setStage } from '../dev/story/stage.ts'
import { createGateway } from '../src/gateway/gateway.ts'
import { watchRevocations } from '../src/gateway/caller/revocation-watch.ts'
import { createApiClient, type ApiClient } from '../src/kubernetes/api-client.ts'
import { silentLog } from '../src/log.ts'
import { silentMetrics } from '../src/metrics.ts'
import { parseSpiffeId } from '../src/identity/spiffe-id.ts'
import { createAuthorizer } from '../src/policy/authorizer.ts'
import { openDecisionLog } from '../src/policy/decision-log.ts'
import { openPolicyBase } from '../src/policy/engine.ts'
import { startRealCluster } from '../test/support/real-cluster.ts'
import { createTestAuthority, type TestAuthority } from '../test/support/test-authority.ts'
import { toolPath } from '../test/tools/build.ts'
import { median, quantile, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    revocations: { type: 'string', default: '1000' },
  },
})

const resource = '/apis/countersign.dev/v1alpha1/revocations'

const folder = mkdtempSync(join(tmpdir(), 'countersign-revocation-'))
try {
  await measure()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(): Promise<void> {
  await using cluster = await startCluster()
  const admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  await setStage({ admin }, await readInstalled())
  const authority = createTestAuthority()
  await using gateway = await startGateway(admin, authority)
  const applied: number[] = []
  const asked: number[] = []
  for (let index = 0; index < Number(values.revocations); index += 1) {
    const figures = await revokeOne(admin, authority, gateway.port)
    applied.push(figures.applied)
    asked.push(figures.asked)
  }
  admin.close()
  const cells = (figures: readonly number[]): readonly number[] => [
    rounded(median(figures), 1),
    rounded(quantile(figures, 0.99), 1),
    rounded(Math.max(...figures), 1),
  ]
  report(
    {
      bench: 'revocation',
      title: `${values.revocations} revocations, ${cluster.kind} API server`,
      columns: ['p50 ms', 'p99 ms', 'most ms'],
      rows: [
        { name: 'applied to ended', cells: cells(applied) },
        { name: 'asked for to ended', cells: cells(asked) },
      ],
    },
    values,
  )
}

function startCluster(): Promise<Cluster> {
  if (toolPath('kube-apiserver') !== undefined) return startRealCluster({})
  process.stderr.write('NO REAL API SERVER IS BUILT: measured on the embedded one\n')
  return startEmbeddedCluster({ folder, nodeNames: [] })
}

async function startGateway(
  client: ApiClient,
  authority: TestAuthority,
): Promise<AsyncDisposable & { readonly port: number }> {
  const revocations = await watchRevocations({ client, log: silentLog, metrics: silentMetrics })
  const engine = (await openPolicyBase()).engineWith([])
  const unchanging = { onChange: () => () => {} }
  const { credential } = authority.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
  const shared = { now: Date.now, log: silentLog, metrics: silentMetrics }
  const file = join(folder, 'decisions.ndjson')
  const decisionLog = await openDecisionLog({ file, engine, labels: () => ({}), ...shared })
  const spiffeId = parseSpiffeId(`spiffe://${authority.trustDomain}/ns/shop/sa/tools`)
  const gateway = await createGateway({
    listen: { host: '127.0.0.1', port: 0 },
    credential: { current: () => credential, ...unchanging },
    trustBundle: { current: () => authority.bundle, ...unchanging },
    authorizer: createAuthorizer(engine),
    decisionLog,
    upstreams: [{ server: 'tools', url: 'https://127.0.0.1:9/mcp', spiffeId, eras: ['modern'] }],
    revocations,
    pods: { alive: () => true, staleSeconds: 0, ...unchanging },
    namespaces: { drift: () => undefined, staleSeconds: 0, ...unchanging },
    hosts: ['gateway.bench'],
    origins: [],
    drain: { graceSeconds: 0 },
    ...shared,
  })
  return {
    port: gateway.port,
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await revocations[Symbol.asyncDispose]()
      await decisionLog[Symbol.asyncDispose]()
    },
  }
}

async function revokeOne(
  admin: ApiClient,
  authority: TestAuthority,
  port: number,
): Promise<{ readonly applied: number; readonly asked: number }> {
  const podUid = randomUUID()
  const socket = await openConnection(authority, { podUid, port })
  const ended = once(socket, 'close').then(() => performance.now())
  const name = `bench-${podUid}`
  const asked = performance.now()
  await admin.request({
    method: 'POST',
    path: resource,
    body: {
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'Revocation',
      metadata: { name },
      spec: { podUID: podUid, reason: 'bench' },
    },
  })
  const applied = performance.now()
  const end = await ended
  await admin.request({ method: 'DELETE', path: `${resource}/${name}` })
  // The watch may be quicker than the answer that it tells of.
  return { applied: Math.max(0, end - applied), asked: end - asked }
}

/** Open, and served: a request has been judged on it. */
async function openConnection(
  authority: TestAuthority,
  { podUid, port }: { readonly podUid: string; readonly port: number },
): Promise<TLSSocket> {
  const { credential } = authority.issue({ podUid, role: 'agent', tenant: 'acme' })
  const socket = connect({
    port,
    host: '127.0.0.1',
    cert: credential.chainPem,
    key: credential.privateKeyPem,
    ca: authority.bundlePem,
    checkServerIdentity: () => undefined,
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write('POST /mcp HTTP/1.1\r\nhost: gateway.bench\r\ncontent-length: 2\r\n\r\n{}')
  await once(socket, 'data')
  return socket
}
