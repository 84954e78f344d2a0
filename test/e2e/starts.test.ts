import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { startEmbeddedCluster } from '../../dev/embedded-cluster.ts'
import { readInstalled } from '../../dev/session/open-session.ts'
import { stage } from '../../dev/story/cast.ts'
import { platformUsers } from '../../dev/story/manifests.ts'
import { setStage } from '../../dev/story/stage.ts'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { validate } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { runGateway } from '../../src/cli/gateway/run-gateway.ts'
import { runSigner } from '../../src/cli/signer/run-signer.ts'
import type { Running } from '../../src/cli/running.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const waitSeconds = 60
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const ca = createTestAuthority({ trustDomain: stage.trustDomain })

let folder: string
let cluster: Cluster
let admin: ApiClient

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-starts-'))
  cluster = await startEmbeddedCluster({ folder, nodeNames: [] })
  admin = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  await setStage({ admin, own: undefined }, await readInstalled())
})

after(async () => {
  admin.close()
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

let starts = 0

async function startSigner(on: Cluster, changed: object = {}): Promise<Running> {
  starts += 1
  const config = {
    trustDomain: stage.trustDomain,
    cluster: 'test',
    production: false,
    kubeconfig: await on.kubeconfigFor({ name: platformUsers.signer, groups: [] }),
    authority: { selfSigned: { namespace: stage.system } },
    ledger: { file: `ledger-${starts}` },
    admin: { port: 0 },
    ...changed,
  }
  return runSigner(validate(config, signerSchema(folder), 'signer'), { log: silentLog })
}

/** Waits until `/readyz` has a line that matches, and gives it. */
async function said(program: Running, expected: RegExp): Promise<void> {
  let last = ''
  const page = async (): Promise<boolean> => {
    last = await (await fetch(`${program.adminUrl}/readyz`)).text()
    return expected.test(last)
  }
  await eventually('the line', page, waitSeconds).catch(() =>
    assert.fail(`want=${String(expected)} got=${last}`),
  )
}

function isReady(program: Running): Promise<void> {
  return eventually('ready', () => program.ready(), waitSeconds).catch(() =>
    assert.fail(JSON.stringify(program.conditions())),
  )
}

async function startGateway(): Promise<{ readonly program: Running; readonly url: string }> {
  const credentialBundle = join(folder, 'gateway.pem')
  const trustBundle = join(folder, 'anchors.pem')
  const issued = ca.issue({ namespace: stage.system, serviceAccount: 'countersign-gateway' })
  await writeFile(credentialBundle, issued.credentialPem)
  await writeFile(trustBundle, ca.bundlePem)
  const config = {
    trustDomain: stage.trustDomain,
    production: false,
    kubeconfig: await cluster.kubeconfigFor({ name: platformUsers.gateway, groups: [] }),
    listen: { host: '127.0.0.1', port: 0 },
    credentialBundle,
    trustBundle,
    hosts: ['127.0.0.1'],
    upstreams: [
      {
        server: 'github',
        url: 'https://127.0.0.1:1/mcp',
        spiffeId: `spiffe://${stage.trustDomain}/ns/tools/sa/github`,
      },
    ],
    decisionLog: { file: 'decisions.jsonl' },
    drain: { graceSeconds: 0 },
    admin: { port: 0 },
  }
  const log = silentLog
  const program = await runGateway(validate(config, gatewaySchema(folder), 'gateway'), { log })
  const listen = program.conditions().find(({ name }) => name === 'listen')
  return { program, url: `${listen?.reason ?? ''}/mcp` }
}

/** An agent of a pod that there is not: who is let in at all is told so. */
async function ask(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const credentialBundle = join(folder, 'agent.pem')
  await writeFile(credentialBundle, ca.issue({ role: 'agent' }).credentialPem)
  await using mtls = await openCountersignFetch({
    credentialBundle,
    trustBundle: join(folder, 'anchors.pem'),
    server: `spiffe://${stage.trustDomain}/ns/${stage.system}/sa/countersign-gateway`,
  })
  const body = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'ping' })
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  const answer = await mtls.fetch(url, { method: 'POST', headers, body })
  return { status: answer.status, text: await answer.text() }
}

test('without the Revocation resource the gateway listens, refuses everybody, says what to apply, and goes on when it is there', async () => {
  requirement('gateway.not-ready-says-so')
  const name = 'revocations.countersign.dev'
  const { metadata, ...definition } = await admin.request<{ metadata: { labels?: object } }>({
    method: 'GET',
    path: `${crds}/${name}`,
  })
  await admin.request({ method: 'DELETE', path: `${crds}/${name}` })
  const { program, url } = await startGateway()
  await using _ = program
  await said(
    program,
    /^\[-\] revocations: customresourcedefinition revocations\.countersign\.dev is not there: helm upgrade the chart, or kubectl apply -f charts\/countersign\/files\/crds\/revocations\.yaml$/m,
  )
  await said(program, /^\[\+\] pods: /m)
  const refused = await ask(url)
  assert.equal(refused.status, 503)
  const { id, error } = JSON.parse(refused.text) as {
    readonly id: unknown
    readonly error: { readonly message: string; readonly data: { readonly conditions: unknown } }
  }
  assert.equal(id, 7)
  assert.match(error.message, /^not ready: revocations \(decision [0-9a-f-]{36}\)$/)
  assert.deepEqual(error.data.conditions, ['revocations'])
  const { labels = {} } = metadata
  const body = { ...definition, metadata: { name, labels }, status: undefined }
  await admin.request({ method: 'POST', path: crds, body })
  await isReady(program)
  assert.doesNotMatch((await ask(url)).text, /not ready/)
})

test('with a signer name that nobody gave rights for the signer names the rights', async () => {
  await using program = await startSigner(cluster, { signerName: 'example.com/other' })
  await said(
    program,
    /^\[-\] rights: missing: sign signers\.certificates\.k8s\.io with the name example\.com\/other \(the API server takes no certificate from this signer\); attest /m,
  )
  assert.equal(program.ready(), false)
})

test('with a CA that has ended the signer says when, and goes on with the next one', async () => {
  const [certificate, privateKey] = [join(folder, 'ca.pem'), join(folder, 'ca.key')]
  const write = async (authority: ReturnType<typeof createTestAuthority>): Promise<void> => {
    await writeFile(certificate, authority.certificatePem)
    await writeFile(privateKey, authority.privateKeyPem)
  }
  const past = Date.now() - 30 * 86_400_000
  const ended = createTestAuthority({
    trustDomain: stage.trustDomain,
    lifetimeSeconds: 86_400,
    now: () => past,
  })
  await write(ended)
  await using program = await startSigner(cluster, {
    authority: { files: { certificate, privateKey } },
  })
  const end = ended.authority.notAfter.toISOString().replaceAll('.', '\\.')
  await said(program, new RegExp(`^\\[-\\] authority: authority has ended, notAfter=${end}$`, 'm'))
  await said(program, /^\[-\] trust-bundle: .* is not published: /m)
  await write(createTestAuthority({ trustDomain: stage.trustDomain }))
  await isReady(program)
  await said(program, /^\[\+\] authority: signs until 20\d\d-.*, when its path ends$/m)
})

test('where the API server does not serve certificate requests the signer says which gate', async () => {
  const own = await mkdtemp(join(tmpdir(), 'countersign-gate-'))
  try {
    await using off = await startEmbeddedCluster({
      folder: own,
      nodeNames: [],
      podCertificateVersions: [],
    })
    const hand = createApiClient({ kubeconfig: off.adminKubeconfig })
    await setStage({ admin: hand, own: undefined }, await readInstalled())
    hand.close()
    await using program = await startSigner(off)
    await said(
      program,
      /^\[-\] watch podcertificaterequests: podcertificaterequests: want=certificates\.k8s\.io\/v1 or v1beta1 got=neither\. Kubernetes 1\.37 serves it; 1\.35 and 1\.36 need the gate PodCertificateRequest/m,
    )
    await said(program, /^\[\+\] watch pods: /m)
    assert.equal(program.ready(), false)
  } finally {
    await rm(own, { recursive: true, force: true })
  }
})
