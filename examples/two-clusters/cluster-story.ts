/** Two clusters: the hub signs for an agent of the edge, whose key never leaves it, and that agent calls a tool of the hub, as far as the hub lets its trust domain. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { stage } from '../../dev/story/cast.ts'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { validate } from '../../src/cli/configuration.ts'
import { issuedSchema } from '../../src/cli/issued/issued-configuration.ts'
import { runIssued } from '../../src/cli/issued/run-issued.ts'
import { runSigner } from '../../src/cli/signer/run-signer.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { silentLog } from '../../src/log.ts'
import { modern } from '../../test/gateway/world/client.ts'
import { eventually } from '../../test/support/eventually.ts'
import { freePort } from '../../test/support/free-port.ts'
import { agentRules } from '../../test/support/issued-site.ts'
import { writePodKubeconfig } from '../../test/support/pod-kubeconfig.ts'
import { createTestAuthority } from '../../test/support/test-authority.ts'
import { openPlace, startHub, type Place } from './places.ts'

const edgeTrustDomain = stage.trustDomain
const agent = { namespace: stage.system, serviceAccount: 'countersign-agent' }
const secretPath = '/api/v1/namespaces/acme/secrets/researcher-identity'
const issuedPath = '/apis/countersign.dev/v1alpha1/namespaces/acme/issuedcertificates'
const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'

/** Stands in for a CA of the public web, which the page of the bundle has its certificate of. */
const web = createTestAuthority({ trustDomain: 'web.example', dnsSuffixes: ['localhost'] })

/** On the hub, with the CA of the edge: it serves the edge's requests, and the edge's anchors. */
async function startSignerOfEdge(edge: Place, folder: string): Promise<number> {
  const ca = createTestAuthority({ trustDomain: edgeTrustDomain })
  const page = web.issue({ role: 'tool-server', dnsNames: ['localhost'] }).credential
  const files = {
    'edge-ca.pem': ca.certificatePem,
    'edge-ca.key': ca.privateKeyPem,
    'web.pem': page.chainPem,
    'web.key': page.privateKeyPem,
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const port = await freePort()
  const written = await readExample('hub-signer.yaml')
  const pair = { certificate: 'web.pem', privateKey: 'web.key' }
  const bundleEndpoint = { host: '127.0.0.1', port, refreshHintSeconds: 10, web: pair }
  const here = { kubeconfig: edge.cluster.adminKubeconfig, bundleEndpoint, admin: { port: 0 } }
  const config = validate({ ...(written as object), ...here }, signerSchema(folder), 'signer')
  const signer = edge.opened.use(await runSigner(config, { log: silentLog }))
  await eventually('the signer of the edge is ready', () => signer.ready())
  return port
}

async function readExample(name: string): Promise<unknown> {
  return parse(await readFile(join(import.meta.dirname, name), 'utf8'))
}

/** On the edge, by the token of its pod: the rights are those of docs/REACH.md. */
async function startAgentOfEdge(
  { cluster, admin, create, opened }: Place,
  folder: string,
): Promise<void> {
  const { namespace, serviceAccount } = agent
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const metadata = { name: serviceAccount }
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata })
  await create(`${rbac}/clusterroles`, { metadata, rules: agentRules })
  await create(`${rbac}/clusterrolebindings`, {
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', ...metadata },
    subjects: [{ kind: 'ServiceAccount', name: serviceAccount, namespace }],
  })
  const file = join(folder, 'agent.kubeconfig')
  const pod = { pod: 'countersign-agent-0', nodeName: 'node-b', file }
  await writePodKubeconfig({ cluster, admin, ...agent, ...pod })
  const written = { trustDomain: edgeTrustDomain, kubeconfig: file, admin: { port: 0 } }
  const config = validate(written, issuedSchema(folder), 'issued-certificates')
  opened.use(await runIssued(config, silentLog))
}

/** Its credential as a pod of the edge mounts it, from the Secret. */
async function mountSecret({ admin }: Place, folder: string): Promise<string> {
  const { body } = await admin({ path: secretPath })
  const file = join(folder, 'researcher.pem')
  await writeFile(file, Buffer.from(body.data['credential-bundle.pem'], 'base64'))
  return file
}

/** Calls a tool of the hub, and says why it was refused. */
async function call(
  door: { readonly url: string; readonly server: string; readonly trustBundle: string },
  credentialBundle: string,
  [server, tool]: readonly [server: string, tool: string],
): Promise<string | undefined> {
  const { url, ...known } = door
  await using gateway = await openCountersignFetch({ ...known, credentialBundle })
  const { body, headers } = modern('tools/call', { name: tool, arguments: {} })
  const accept = 'application/json, text/event-stream'
  const answer = await gateway.fetch(`${url}/mcp/${server}`, {
    method: 'POST',
    headers: { ...headers, accept, 'content-type': 'application/json' },
    body,
  })
  const { error } = (await answer.json()) as { error?: { message: string; data?: object } }
  return error === undefined ? undefined : `${error.message} ${JSON.stringify(error.data)}`
}

async function walk(opened: AsyncDisposableStack, folder: string): Promise<void> {
  const edge = await openPlace(opened)
  const hub = await openPlace(opened)

  // 1. The edge has a CA that it does not hold. An agent there asks; the hub decides on evidence of the edge.
  const bundlePort = await startSignerOfEdge(edge, folder)
  await startAgentOfEdge(edge, folder)
  await edge.create(issuedPath, (await readExample('issued-certificate.yaml')) as object)
  const since = performance.now()
  await eventually('the certificate is there', async () => {
    const { status = {} } = (await edge.admin({ path: `${issuedPath}/researcher` })).body
    assert.equal(status.error, undefined)
    return status.state === 'Finished'
  })
  console.log(`issued across clusters in ${((performance.now() - since) / 1000).toFixed(1)} s`)
  const credential = await mountSecret(edge, folder)
  const { svid } = parseCredentialBundle(await readFile(credential, 'utf8'))
  assert.equal(svid.spiffeId.uri, `spiffe://${edgeTrustDomain}/ns/acme/sa/researcher`)
  assert.equal(svid.identity?.cluster, 'edge')
  const scopes = svid.identity.ceiling.toolScopes.map(({ server }) => server)
  assert.deepEqual(scopes.toSorted(), ['github', 'notes'])

  // 2. The key is in the Secret of the edge; the hub has no request, no Secret and no record of it.
  const key = (await readFile(credential, 'utf8')).split('\n')[1] ?? ''
  assert.ok(key.length > 40)
  assert.deepEqual((await hub.admin({ path: requestsPath })).body.items, [])
  assert.ok(!(await readFile(join(folder, 'edge.ledger'), 'utf8')).includes(key))
  assert.equal((await hub.admin({ path: secretPath })).status, 404)

  // 3. It calls a tool of the hub. Its scopes have two servers; the hub gives its trust domain one, whatever policy grants.
  const federation = (await readExample('federation.yaml')) as readonly Record<string, unknown>[]
  const endpoint = {
    url: `https://localhost:${bundlePort}/`,
    profile: 'https_web',
    caCert: join(folder, 'web-roots.pem'),
  }
  await writeFile(endpoint.caCert, web.bundlePem)
  const trusted = federation.map((each) => ({ ...each, endpoint }))
  const { door, served, trusts } = await startHub(hub, { folder, federation: trusted })
  await eventually('the hub has the anchors of the edge', () => trusts(edgeTrustDomain))
  assert.equal(await call(door, credential, ['notes', 'search']), undefined)
  assert.match(
    (await call(door, credential, ['github', 'issues_create'])) ?? '',
    /no scope for this tool/,
  )
  assert.match((await call(door, credential, ['notes', 'write'])) ?? '', /no scope for this tool/)
  assert.deepEqual(served, [{ spiffeId: svid.spiffeId.uri, tenant: undefined, via: 'gateway' }])

  // 4. A name of the edge is none of the hub: whoever signs there can say what it likes of the hub's people.
  const impostor = createTestAuthority({ trustDomain: 'hub.example' })
  const own = join(folder, 'impostor.pem')
  const workload = { namespace: 'acme', serviceAccount: 'researcher', toolScopes: 'notes:search' }
  await writeFile(own, impostor.issue({ ...workload, role: 'agent' }).credentialPem)
  assert.match((await call(door, own, ['notes', 'search'])) ?? '', /not trusted/)
  console.log(`${served.length} call served, 2 refused by the ceiling, 1 by its anchor`)
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-two-clusters-'))
try {
  await using opened = new AsyncDisposableStack()
  await walk(opened, folder)
} finally {
  await rm(folder, { recursive: true, force: true })
}
