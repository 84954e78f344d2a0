import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { readInstalled } from '../../dev/session/open-session.ts'
import { stage } from '../../dev/story/cast.ts'
import { platformUsers } from '../../dev/story/manifests.ts'
import { setStage } from '../../dev/story/stage.ts'
import { validate } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { runGateway } from '../../src/cli/gateway/run-gateway.ts'
import type { Running } from '../../src/cli/running.ts'
import { runSigner } from '../../src/cli/signer/run-signer.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { requireCountersign } from '../../src/toolserver/require-countersign.ts'
import { modern, openClient, type Reply } from '../gateway/world/client.ts'
import { answerBoth, type JsonMessage } from '../gateway/world/upstream.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { createTestAuthority, type TestWorkload } from '../support/test-authority.ts'

/* Two clusters with a trust domain each: the signer of one, the gateway and a tool server of the other, and what lies between. */

const [here, there] = ['a.example', stage.trustDomain]
const ours = createTestAuthority({ trustDomain: here })
const theirs = createTestAuthority({ trustDomain: there })
const theirNext = createTestAuthority({ trustDomain: there })
const web = createTestAuthority({ trustDomain: 'web.example', dnsSuffixes: ['localhost'] })

const calls: TestWorkload = {
  namespace: 'shop',
  serviceAccount: 'agent',
  role: 'agent',
  tenant: 'acme',
  toolScopes: 'files:*',
}
const echo = modern('tools/call', { name: 'echo', arguments: {} })

const opened = new AsyncDisposableStack()
let folder: string
let elsewhere: ApiClient
let gateway: Running
let port: number
const served: unknown[] = []

async function cluster(name: string): Promise<{ cluster: Cluster; admin: ApiClient }> {
  const place = await mkdtemp(join(folder, name))
  const started = opened.use(await startEmbeddedCluster({ folder: place, nodeNames: [] }))
  const admin = createApiClient({ kubeconfig: started.adminKubeconfig })
  opened.defer(() => admin.close())
  await setStage({ admin, own: undefined }, await readInstalled())
  return { cluster: started, admin }
}

async function write(name: string, text: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, text)
  return file
}

async function writeAuthority({ certificatePem, privateKeyPem }: typeof theirs): Promise<object> {
  const certificate = await write('ca.pem', certificatePem)
  return { files: { certificate, privateKey: await write('ca.key', privateKeyPem) } }
}

/** The other cluster: its signer publishes its anchors, and serves them. */
async function startTheirSigner(endpointPort: number): Promise<void> {
  const { cluster: on, admin } = await cluster('theirs-')
  elsewhere = admin
  const page = web.issue({ role: 'tool-server', dnsNames: ['localhost'] }).credential
  const config = {
    trustDomain: there,
    cluster: 'theirs',
    production: false,
    kubeconfig: await on.kubeconfigFor({ name: platformUsers.signer, groups: [] }),
    authority: await writeAuthority(theirs),
    ledger: { file: 'ledger' },
    trustBundle: { propagationSeconds: 0 },
    bundleEndpoint: {
      host: '127.0.0.1',
      port: endpointPort,
      refreshHintSeconds: 10,
      web: {
        certificate: await write('web.pem', page.chainPem),
        privateKey: await write('web.key', page.privateKeyPem),
      },
    },
    admin: { port: 0 },
  }
  const signer = await runSigner(validate(config, signerSchema(folder), 'signer'), {
    log: silentLog,
  })
  opened.use(signer)
}

/** Our tool server, which serves agents of theirs. */
async function startToolServer(admin: ApiClient): Promise<string> {
  const credential = ours.issue(await podIn(admin))
  const countersign = await requireCountersign({
    credentialBundle: await write('files.pem', credential.credentialPem),
    trustBundle: await write('anchors.pem', ours.bundlePem),
    trustDomain: here,
    gateways: [`spiffe://${here}/ns/${stage.system}/sa/countersign-gateway`],
    callerTrustDomains: [there],
    production: false,
  })
  const server = createServer(
    countersign.tlsOptions,
    countersign.guard((request, response, { caller, body }) => {
      const message = JSON.parse(body.toString('utf8')) as JsonMessage
      if (message.method === 'tools/call') served.push(caller)
      answerBoth({ name: 'files' })(message, response, request)
    }),
  )
  countersign.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.defer(async () => {
    server.closeAllConnections()
    server.close()
    await countersign[Symbol.asyncDispose]()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
}

/** Whether a tool server's pod runs is known here, so it has to. */
async function podIn(admin: ApiClient): Promise<TestWorkload> {
  const [namespace, serviceAccount, pod] = ['tools', 'github', 'files']
  interface Made {
    readonly metadata: { readonly uid: string }
  }
  const { metadata } = await admin.request<Made>({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/pods`,
    body: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod, namespace },
      spec: { serviceAccountName: serviceAccount, containers: [{ name: 'files', image: 'files' }] },
    },
  })
  const path = `/api/v1/namespaces/${namespace}`
  const { uid: namespaceUid } = (await admin.request<Made>({ method: 'GET', path })).metadata
  const names = { namespace, namespaceUid, serviceAccount, pod, podUid: metadata.uid }
  return { ...names, role: 'tool-server' }
}

async function startOurGateway(endpointPort: number): Promise<void> {
  const { cluster: on, admin } = await cluster('ours-')
  const own = ours.issue({
    namespace: stage.system,
    serviceAccount: 'countersign-gateway',
    role: 'tool-broker',
  })
  const grants = {
    tenants: { acme: { files: { tools: { delete: {} }, prefixes: {} } } },
    subjects: {
      [`spiffe://${there}/ns/shop/sa/agent`]: { files: { tools: { echo: {} }, prefixes: {} } },
    },
  }
  const config = {
    trustDomain: here,
    production: false,
    kubeconfig: await on.kubeconfigFor({ name: platformUsers.gateway, groups: [] }),
    listen: { host: '127.0.0.1', port: 0 },
    credentialBundle: await write('gateway.pem', own.credentialPem),
    trustBundle: await write('anchors.pem', ours.bundlePem),
    federation: [
      {
        trustDomain: there,
        endpoint: {
          url: `https://localhost:${endpointPort}/`,
          profile: 'https_web',
          caCert: await write('roots.pem', web.bundlePem),
        },
        toolScopes: ['files:*'],
      },
    ],
    hosts: ['gateway.test'],
    upstreams: [
      {
        server: 'files',
        url: await startToolServer(admin),
        spiffeId: `spiffe://${here}/ns/tools/sa/github`,
      },
    ],
    policy: { data: [await write('data.json', JSON.stringify({ grants }))] },
    decisionLog: { file: 'decisions.jsonl' },
    drain: { graceSeconds: 0 },
    admin: { port: 0 },
  }
  gateway = opened.use(
    await runGateway(validate(config, gatewaySchema(folder), 'gateway'), { log: silentLog }),
  )
  const listen = gateway.conditions().find(({ name }) => name === 'listen')
  port = Number(new URL(listen?.reason ?? '').port)
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-trust-domains-'))
  const endpointPort = await freePort()
  await startTheirSigner(endpointPort)
  await startOurGateway(endpointPort)
})

after(async () => {
  await opened.disposeAsync()
  await rm(folder, { recursive: true, force: true })
})

async function ask(by: typeof theirs, workload = calls, message = echo): Promise<Reply> {
  const { credential } = by.issue(workload)
  await using client = openClient({ port, credential, bundle: ours.bundle })
  return await client.post('/mcp/files', message.body, message.headers)
}

const reasonsOf = ({ json }: Reply): unknown => json.error?.data?.['reasons']

function known(reason: RegExp): Promise<void> {
  return eventually(`${there}: ${reason.source}`, () =>
    gateway
      .conditions()
      .some((each) => each.name === `trust-domain ${there}` && reason.test(each.reason)),
  )
}

test('an agent of one trust domain calls a tool of the other, by its grant alone, and not after its anchor is withdrawn', async () => {
  requirement('federation.published-anchors-only')
  requirement('federation.each-by-its-own-anchors')
  requirement('federation.names-stay-apart')
  requirement('federation.ends-with-anchors')
  await eventually('the gateway is ready', () => gateway.ready())
  await known(/^has 1 anchors$/)
  assert.equal((await ask(theirs)).status, 200)
  assert.deepEqual(
    served.map((caller) => {
      const { spiffeId, tenant, via } = caller as Record<string, unknown>
      return { spiffeId, tenant, via }
    }),
    [{ spiffeId: `spiffe://${there}/ns/shop/sa/agent`, tenant: undefined, via: 'gateway' }],
  )
  // Not what its tenant's namesake has here, nor another service account of theirs.
  const other = modern('tools/call', { name: 'delete', arguments: {} })
  assert.ok(reasonsOf(await ask(theirs, calls, other)) !== undefined)
  assert.ok(reasonsOf(await ask(theirs, { ...calls, serviceAccount: 'agent-2' })) !== undefined)
  // Whoever signs there signs nobody of ours, whatever name it writes.
  const impostor = createTestAuthority({ trustDomain: here })
  assert.equal((await ask(impostor)).status, 403)

  // Another CA, published beside the first; then the first is withdrawn.
  const held = theirs.issue(calls).credential
  await using client = openClient({ port, credential: held, bundle: ours.bundle })
  assert.equal((await client.post('/mcp/files', echo.body, echo.headers)).status, 200)
  await writeAuthority(theirNext)
  await known(/^has 2 anchors$/)
  assert.equal((await ask(theirNext)).status, 200)
  assert.equal((await client.post('/mcp/files', echo.body, echo.headers)).status, 200)
  const ended = once(client.client, 'disconnect')
  await withdraw()
  await ended
  assert.equal((await ask(theirs)).status, 403)
  assert.equal((await ask(theirNext)).status, 200)
})

/** As an administrator does who has another CA in force: docs/OPERATING.md, Another CA. */
async function withdraw(): Promise<void> {
  const path = `/apis/certificates.k8s.io/v1/clustertrustbundles/countersign.dev:identity:${there}`
  await elsewhere.request({
    method: 'PATCH',
    path,
    contentType: 'application/merge-patch+json',
    body: { spec: { trustBundle: theirNext.bundlePem } },
  })
}
