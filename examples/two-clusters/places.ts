import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import type { Cluster } from '../../dev/cluster.ts'
import { readInstalled } from '../../dev/session/open-session.ts'
import { stage } from '../../dev/story/cast.ts'
import { setStage } from '../../dev/story/stage.ts'
import { validate } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { runGateway } from '../../src/cli/gateway/run-gateway.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { requireCountersign } from '../../src/toolserver/require-countersign.ts'
import { answerBoth, type JsonMessage } from '../../test/gateway/world/upstream.ts'
import { freePort } from '../../test/support/free-port.ts'
import { createPlainClient, type PlainClient } from '../../test/support/plain-client.ts'
import { startRealCluster } from '../../test/support/real-cluster.ts'
import { createTestAuthority } from '../../test/support/test-authority.ts'

/** A cluster with an API server of its own, and what its administrator has set up. */
export interface Place {
  readonly cluster: Cluster
  readonly admin: PlainClient
  readonly opened: AsyncDisposableStack
  readonly create: (path: string, body: object) => Promise<{ readonly uid: string }>
}

export async function openPlace(opened: AsyncDisposableStack): Promise<Place> {
  const cluster = opened.use(await startRealCluster({ serverOnly: true }))
  const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  await setStage({ admin: client, own: undefined }, await readInstalled())
  client.close()
  const admin = await createPlainClient(cluster.adminKubeconfig)
  return {
    cluster,
    admin,
    opened,
    async create(path, body) {
      const answer = await admin({ method: 'POST', path, body })
      assert.equal(answer.status, 201, `${path}: ${JSON.stringify(answer.body)}`)
      return answer.body.metadata
    },
  }
}

const trustDomain = 'hub.example'

/** Its own certificates, as the kubelet of the hub would mount them. */
const ours = createTestAuthority({ trustDomain })

export interface Hub {
  readonly door: { readonly url: string; readonly server: string; readonly trustBundle: string }
  /** Who has called a tool, as the tool server was told. */
  readonly served: object[]
  /** Whether the gateway knows the anchors of another trust domain. */
  readonly trusts: (name: string) => boolean
}

/** The gateway of the hub before two tool servers, and what it grants to an agent of the edge: a tool of each. */
export async function startHub(
  place: Place,
  { folder, federation }: { readonly folder: string; readonly federation: readonly object[] },
): Promise<Hub> {
  const gatewayAccount = 'countersign-gateway'
  const own = ours.issue({
    namespace: stage.system,
    serviceAccount: gatewayAccount,
    role: 'tool-broker',
  })
  const trustBundle = join(folder, 'hub-anchors.pem')
  await writeFile(trustBundle, ours.bundlePem)
  await writeFile(join(folder, 'gateway.pem'), own.credentialPem)
  const caller = `spiffe://${stage.trustDomain}/ns/acme/sa/researcher`
  const granted = (tool: string): object => ({ tools: { [tool]: {} }, prefixes: {} })
  const subjects = { [caller]: { notes: granted('search'), github: granted('issues_create') } }
  await writeFile(join(folder, 'grants.json'), JSON.stringify({ grants: { subjects } }))
  const served: object[] = []
  const upstreams = []
  for (const server of ['notes', 'github']) {
    upstreams.push(await startToolServer(place, { folder, server, trustBundle, served }))
  }
  const port = await freePort()
  const config = {
    trustDomain,
    production: false,
    kubeconfig: place.cluster.adminKubeconfig,
    listen: { host: '127.0.0.1', port },
    hosts: [`127.0.0.1:${port}`],
    credentialBundle: 'gateway.pem',
    trustBundle,
    federation,
    upstreams,
    policy: { data: ['grants.json'] },
    decisionLog: { file: 'decisions.jsonl' },
    drain: { graceSeconds: 0 },
    admin: { port: 0 },
  }
  const gateway = place.opened.use(
    await runGateway(validate(config, gatewaySchema(folder), 'gateway'), { log: silentLog }),
  )
  const server = `spiffe://${trustDomain}/ns/${stage.system}/sa/${gatewayAccount}`
  return {
    door: { url: `https://127.0.0.1:${port}`, server, trustBundle },
    served,
    trusts: (name) =>
      gateway.ready() &&
      gateway
        .conditions()
        .some(
          (each) => each.name === `trust-domain ${name}` && /^has 1 anchors$/.test(each.reason),
        ),
  }
}

const tool = (name: string): string => `{"name":"${name}","inputSchema":{"type":"object"}}`
const toolsOf: Readonly<Record<string, readonly string[]>> = {
  notes: [tool('search'), tool('write')],
  github: [tool('issues_create')],
}

/** A tool server of the hub that serves agents of the edge, too. */
async function startToolServer(
  { admin, create, opened }: Place,
  options: {
    readonly folder: string
    readonly server: string
    readonly trustBundle: string
    readonly served: object[]
  },
): Promise<object> {
  const { folder, server, trustBundle, served } = options
  const { uid: namespaceUid } = (await admin({ path: '/api/v1/namespaces/tools' })).body.metadata
  const workload = { namespace: 'tools', namespaceUid, serviceAccount: server, pod: server }
  const { uid: podUid } = await create('/api/v1/namespaces/tools/pods', {
    metadata: { name: server },
    spec: {
      serviceAccountName: server,
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'example.invalid/main' }],
    },
  })
  const credentialBundle = join(folder, `${server}.pem`)
  const { credentialPem } = ours.issue({ ...workload, podUid, role: 'tool-server' })
  await writeFile(credentialBundle, credentialPem)
  const countersign = await requireCountersign({
    credentialBundle,
    trustBundle,
    trustDomain,
    gateways: [`spiffe://${trustDomain}/ns/${stage.system}/sa/countersign-gateway`],
    callerTrustDomains: [stage.trustDomain],
    production: false,
  })
  const listening = createServer(
    countersign.tlsOptions,
    countersign.guard((request, response, { caller, body }) => {
      const message = JSON.parse(body.toString('utf8')) as JsonMessage
      const { spiffeId, tenant, via } = caller
      if (message.method === 'tools/call') served.push({ spiffeId, tenant, via })
      answerBoth({ name: server, tools: toolsOf[server] ?? [] })(message, response, request)
    }),
  )
  countersign.attach(listening)
  const port = await freePort()
  listening.listen(port, '127.0.0.1')
  await once(listening, 'listening')
  opened.defer(async () => {
    listening.closeAllConnections()
    listening.close()
    await countersign[Symbol.asyncDispose]()
  })
  const spiffeId = `spiffe://${trustDomain}/ns/tools/sa/${server}`
  return { server, url: `https://127.0.0.1:${port}/mcp`, spiffeId }
}
