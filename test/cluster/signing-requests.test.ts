import assert from 'node:assert/strict'
import { X509Certificate, type KeyObject } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse, stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { run } from '../../src/cli/program.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { staticAuthoritySource } from '../../src/pki/authority.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import type { Right } from '../../src/kubernetes/access-review.ts'
import { readLedger } from '../../src/ledger/ledger.ts'
import type { LoggedRecord } from '../../src/ledger/record.ts'
import { requestApproverRights, signerRights } from '../../src/signer/rights.ts'
import { signerName } from '../signer/asked.ts'
import { newAuthority, profile, startSigner, type SignerWorld } from '../signer/signer-world.ts'
import { declared, newKey, pemOf } from '../signer/signing-request.ts'
import { requirement } from '../requirements.ts'
import { csrApproverRules } from '../support/csr-approver-rights.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

/*
 * What pods ask by themselves, of the real API server: who asks is what it states, by tokens that it has made.
 */

const namespace = 'team-a'
const system = 'countersign-system'
const requestsPath = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const authority = newAuthority()

let cluster: Cluster
let admin: PlainClient
let client: ApiClient
let folder: string
let signer: SignerWorld

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signing-requests-'))
  cluster = await startRealCluster({})
  admin = await createPlainClient(cluster.adminKubeconfig)
  for (const name of [namespace, system]) await create('/api/v1/namespaces', { metadata: { name } })
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: 'worker' } })
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${system}/leases`
  for (const name of ['countersign-trust-bundle', 'countersign-trust-bundle-members']) {
    await create(leases, { metadata: { name } })
  }
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  await create(`${rbac}/clusterroles`, {
    metadata: { name: 'asks' },
    rules: [
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['certificatesigningrequests'],
        verbs: ['create', 'get'],
      },
    ],
  })
  await create(`${rbac}/clusterrolebindings`, {
    metadata: { name: 'asks' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'asks' },
    subjects: [
      { kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'system:serviceaccounts' },
    ],
  })
  client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  signer = await start(true)
})

after(async () => {
  // Undefined when the start itself was the failure.
  await (signer as SignerWorld | undefined)?.stop()
  ;(client as ApiClient | undefined)?.close()
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function start(approve: boolean, as = client): Promise<SignerWorld> {
  const world = await startSigner(new FakeCluster(), {
    client: as,
    propagationSeconds: 0,
    signingRequests: { approve },
    authorities: staticAuthoritySource(authority),
  })
  await eventually('the signer is ready', () => world.signer.ready)
  return world
}

async function create(path: string, body: object): Promise<{ metadata: { uid: string } }> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body
}

async function createPod(
  name: string,
  annotations: Readonly<Record<string, string>> = declared,
): Promise<string> {
  const pod = await create(`/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name, annotations },
    spec: {
      nodeName: 'node-b',
      serviceAccountName: 'worker',
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'example.invalid/main' }],
    },
  })
  return pod.metadata.uid
}

/** A client with a token of the service account, bound to the pod where one is named. */
async function clientOf(pod?: { readonly name: string; readonly uid: string }): Promise<ApiClient> {
  const bound =
    pod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...pod } }
  const { body } = await admin({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/worker/token`,
    body: { spec: { audiences: [], expirationSeconds: 600, ...bound } },
  })
  const kubeconfig = parse(await readFile(cluster.adminKubeconfig, 'utf8'))
  kubeconfig.users[0].user = { token: body.status.token }
  const file = join(folder, `${pod?.name ?? 'unbound'}.yaml`)
  await writeFile(file, stringify(kubeconfig), { mode: 0o600 })
  return createApiClient({ kubeconfig: file })
}

interface Ask {
  readonly key?: KeyObject
  readonly commonName?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly spec?: object
  /** Before the PEM block. */
  readonly text?: string
}

function signingRequest(name: string, ask: Ask = {}): object {
  const { key: privateKey = newKey(), commonName, annotations = {}, spec = {}, text = '' } = ask
  const der = encodeCertificateRequest({
    privateKey,
    ...(commonName === undefined ? {} : { commonName }),
  })
  const pem = `${text}${pemOf(der)}`
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name, annotations },
    spec: {
      signerName,
      request: Buffer.from(pem).toString('base64'),
      usages: ['digital signature', 'client auth', 'server auth'],
      ...spec,
    },
  }
}

/** A new pod asks by a token of its own. */
async function askAsPod(
  name: string,
  ask: Ask = {},
  annotations: Readonly<Record<string, string>> = declared,
): Promise<string> {
  const uid = await createPod(name, annotations)
  const own = await clientOf({ name, uid })
  await own.request({ method: 'POST', path: requestsPath, body: signingRequest(name, ask) })
  own.close()
  return uid
}

async function statusOf(name: string): Promise<{
  readonly certificate?: string
  readonly conditions?: readonly { type: string; reason: string; message: string }[]
}> {
  return (await admin({ path: `${requestsPath}/${name}` })).body.status
}

async function denial(name: string): Promise<string | undefined> {
  await eventually(`${name} is answered`, async () => {
    const { conditions = [], certificate } = await statusOf(name)
    assert.equal(certificate, undefined, `${name} has a certificate`)
    return conditions.length > 0
  })
  const { conditions = [] } = await statusOf(name)
  assert.deepEqual(
    conditions.map(({ type }) => type),
    ['Denied'],
    JSON.stringify(conditions),
  )
  return conditions[0]?.reason
}

async function certificateOf(name: string): Promise<X509Certificate> {
  await eventually(`${name} is issued`, async () => {
    const { certificate, conditions = [] } = await statusOf(name)
    const denied = conditions.find(({ type }) => type === 'Denied')
    assert.equal(denied, undefined, JSON.stringify(denied))
    return certificate !== undefined
  })
  const { certificate = '' } = await statusOf(name)
  return new X509Certificate(Buffer.from(certificate, 'base64'))
}

test('a pod that asks by itself gets the identity of a pod, approved with what proved it', async () => {
  requirement('signer.pods-ask')
  const key = newKey()
  const uid = await askAsPod('asks', { key })
  const certificate = await certificateOf('asks')
  assert.equal(certificate.subjectAltName, `URI:spiffe://example.org/ns/${namespace}/sa/worker`)
  assert.ok(certificate.checkPrivateKey(key))
  assert.ok(certificate.verify(new X509Certificate(authority.certificate.der).publicKey))
  const { conditions = [] } = await statusOf('asks')
  assert.deepEqual(
    conditions.map(({ type, reason }) => `${type} ${reason}`),
    ['Approved EvidenceProved'],
  )
  assert.match(
    conditions[0]?.message ?? '',
    /sa\/worker for pod team-a\/asks on node-b, policy revision r1: podUID=/,
  )
  await eventually('the result is recorded', () => signer.ledger.records.length === 2)
  const [intent, result] = signer.ledger.records
  assert.ok(intent?.kind === 'issuance-intent' && result?.kind === 'issuance-result')
  assert.equal(intent.request.kind, 'CertificateSigningRequest')
  assert.equal(intent.requester, 'pod')
  assert.equal(intent.pod.uid, uid)
  assert.equal(result.outcome, 'published')
})

test('whatever is no pod is denied, whoever it says that it is', async () => {
  requirement('signer.pods-ask')
  const unbound = await clientOf()
  await unbound.request({ method: 'POST', path: requestsPath, body: signingRequest('unbound') })
  unbound.close()
  assert.equal(await denial('unbound'), 'RequesterNotProved')
  const uid = await createPod('forged-for')
  const extra = {
    'authentication.kubernetes.io/pod-name': ['forged-for'],
    'authentication.kubernetes.io/pod-uid': [uid],
  }
  const username = `system:serviceaccount:${namespace}:worker`
  const spec = { username, extra, groups: ['system:masters'] }
  await create(requestsPath, signingRequest('forged', { spec }))
  assert.equal(await denial('forged'), 'RequesterNotProved')
})

for (const [name, ask, reason] of [
  ['named', { commonName: 'system:node:node-b' }, 'CertificateRequestNotEmpty'],
  ['for-a-year', { spec: { usages: ['cert sign', 'digital signature'] } }, 'UsagesNotGranted'],
  ['for-a-moment', { spec: { expirationSeconds: 600 } }, 'LifetimeTooShort'],
  ['for-a-tenant', { annotations: { 'countersign.dev/tenant': 'acme' } }, 'RequestNotDeclared'],
  [
    'unknown',
    { annotations: { 'countersign.dev/rule': 'all' } },
    'InvalidUnverifiedUserAnnotations',
  ],
  ['long', { text: `${'x'.repeat(40_000)}\n` }, 'CertificateRequestMalformed'],
] as const) {
  test(`a pod is denied a certificate that it may not ask for: ${name}, ${reason}`, async () => {
    requirement('signer.pods-ask')
    await askAsPod(name, ask)
    assert.equal(await denial(name), reason)
  })
}

test('a token is no wish: a pod whose author declared nothing is denied, and one that declared another signer', async () => {
  requirement('signer.pods-ask')
  await askAsPod('undeclared', {}, {})
  assert.equal(await denial('undeclared'), 'RequestNotDeclared')
  const other = { 'countersign.dev/certificate-signing-requests': 'example.org/other' }
  await askAsPod('of-another', {}, other)
  assert.equal(await denial('of-another'), 'RequestNotDeclared')
})

test('what is declared and not proved is denied as it is to any pod', async () => {
  const annotations = { 'countersign.dev/tenant': 'acme' }
  await askAsPod('tenant', { annotations }, { ...declared, ...annotations })
  assert.equal(await denial('tenant'), 'TenantNotProved')
})

test('the request of another pod, sent again, is denied for its key', async () => {
  requirement('signer.pods-ask')
  const key = newKey()
  await askAsPod('first', { key })
  await certificateOf('first')
  await askAsPod('second', { key })
  assert.equal(await denial('second'), 'KeyAlreadyIssued')
})

/** `countersign agent` in the pod of that name. */
async function agent(
  pod: string,
  ...options: readonly string[]
): Promise<{ readonly code: number; readonly told: string }> {
  const config = join(folder, `agent-${pod}.yaml`)
  const settings = {
    trustDomain: 'example.org',
    kubeconfig: join(folder, `${pod}.yaml`),
    folder: join(folder, `kept-${pod}`),
    log: { level: 'error' },
  }
  await writeFile(config, stringify(settings))
  let told = ''
  const out = (text: string): void => void (told += text)
  const { signal } = new AbortController()
  const code = await run(['agent', '--config', config, ...options], { out, err: out, signal })
  return { code, told }
}

test('an agent keeps the credential of its pod, and asks for no other while it is good', async () => {
  requirement('renewal.one-request')
  const uid = await createPod('kept')
  ;(await clientOf({ name: 'kept', uid })).close()
  const before = await agent('kept', '--check')
  assert.equal(before.code, 1)
  assert.match(before.told, /no credential in the folder/)
  assert.deepEqual(await agent('kept', '--once'), { code: 0, told: '' })
  const after = await agent('kept', '--check')
  assert.equal(after.code, 0, after.told)
  assert.match(after.told, /^good until \d{4}-/)
  const ofAgents = async (): Promise<number> =>
    (await admin({ path: requestsPath })).body.items.filter(
      ({ metadata }: { metadata: { name: string } }) => metadata.name.startsWith('countersign-'),
    ).length
  assert.equal(await ofAgents(), 1)
  await agent('kept', '--once')
  assert.equal(await ofAgents(), 1)
  const pem = await readFile(join(folder, 'kept-kept', 'credential-bundle.pem'), 'utf8')
  const { svid } = parseCredentialBundle(pem)
  assert.equal(svid.spiffeId.uri, `spiffe://example.org/ns/${namespace}/sa/worker`)
})

test('a pod that is gone since it asked is denied', async () => {
  requirement('signer.pods-ask')
  await signer.stop()
  await askAsPod('gone')
  const path = `/api/v1/namespaces/${namespace}/pods/gone`
  await admin({ method: 'DELETE', path: `${path}?gracePeriodSeconds=0` })
  await eventually('the pod is gone', async () => (await admin({ path })).status === 404)
  signer = await start(true)
  assert.equal(await denial('gone'), 'PodNotFound')
})

test('a signer that does not approve signs what others have approved, and nothing else', async () => {
  requirement('signer.approved-before-signed')
  await signer.stop()
  signer = await start(false)
  await askAsPod('awaited')
  await askAsPod('refused')
  await askAsPod('undeclared-too', {}, {})
  const judge = async (name: string, type: 'Approved' | 'Denied'): Promise<void> => {
    const condition = { type, status: 'True', reason: 'ByHand', message: 'by a person' }
    const path = `${requestsPath}/${name}/approval`
    const answer = await admin({
      method: 'PATCH',
      path,
      body: { status: { conditions: [condition] } },
    })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
  }
  assert.deepEqual(await statusOf('awaited'), {})
  await judge('awaited', 'Approved')
  await certificateOf('awaited')
  await judge('refused', 'Denied')
  // The approval of a person proves nothing.
  await judge('undeclared-too', 'Approved')
  await askAsPod('last')
  await judge('last', 'Approved')
  await certificateOf('last')
  for (const name of ['refused', 'undeclared-too']) {
    assert.equal((await statusOf(name)).certificate, undefined, name)
  }
})

test('another account than the signer’s approves what is proved, by the same evaluation, and nothing else', async () => {
  requirement('signer.approved-before-signed')
  await signer.stop()
  signer = await start(false)
  const kubeconfig = await cluster.kubeconfigFor({ name: 'csr-approver', groups: [] })
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  await create(`${rbac}/clusterroles`, {
    metadata: { name: 'csr-approver' },
    rules: csrApproverRules,
  })
  const evaluate = async (name: string, by = kubeconfig): Promise<string> => {
    let said = ''
    const terminal = {
      out: () => {},
      err: (text: string) => void (said += text),
      signal: AbortSignal.timeout(60_000),
    }
    const words = ['evaluate', `csr/${name}`, '--config', await configOf(), '--kubeconfig', by]
    return `${await run([...words, '--approve'], terminal)} ${said}`
  }
  await askAsPod('by-an-account')
  await askAsPod('not-proved', {}, {})
  assert.match(await evaluate('by-an-account'), /^1 .*forbidden/)
  await create(`${rbac}/clusterrolebindings`, {
    metadata: { name: 'csr-approver' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'csr-approver' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'csr-approver' }],
  })
  await eventually(
    'the account may',
    async () => !(await evaluate('not-proved')).includes('forbidden'),
  )
  assert.deepEqual(await statusOf('not-proved'), {})
  assert.match(await evaluate('by-an-account'), /^0 .*approved\n$/s)
  await certificateOf('by-an-account')
  const { conditions = [] } = await statusOf('by-an-account')
  assert.equal(conditions[0]?.reason, 'EvidenceProved')
  assert.match(conditions[0]?.message ?? '', /sa\/worker for pod team-a\/by-an-account .* by /)
  assert.match(await evaluate('by-an-account'), /approved already\n$/)
  // What the signer does not sign for them, they sign for nobody.
  const own = createApiClient({ kubeconfig })
  const path = `${requestsPath}/not-proved/status`
  const body = { status: { certificate: 'AAAA' } }
  const refused = own.request({ method: 'PATCH', path, body })
  await assert.rejects(refused, (error) => (error as { status?: number }).status === 403)
  own.close()
})

/** The signer's configuration, as the account that approves has it. */
async function configOf(): Promise<string> {
  const file = join(folder, 'signer.yaml')
  const config = {
    trustDomain: 'agents.example',
    cluster: 'test',
    production: false,
    certificateSigningRequests: { approve: false },
    authority: { files: { certificate: 'ca.pem', privateKey: 'ca.key' } },
    ledger: { file: 'none.jsonl' },
  }
  await writeFile(file, stringify(config))
  return file
}

/** As the chart gives them, to a user of that name; those of a namespace everywhere. */
async function giveRights(name: string, rights: readonly Right[]): Promise<ApiClient> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const rules = rights.map(({ group, resource, subresource, name: only, verb }) => ({
    apiGroups: [group],
    resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
    ...(only === undefined ? {} : { resourceNames: [only] }),
    verbs: [verb],
  }))
  await create(`${rbac}/clusterroles`, { metadata: { name }, rules })
  await create(`${rbac}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name }],
  })
  const kubeconfig = await cluster.kubeconfigFor({ name, groups: [] })
  await copyFile(kubeconfig, join(folder, `${name}.yaml`))
  return createApiClient({ kubeconfig })
}

test('an approver approves and a signer signs, under two accounts of which neither can do what the other does', async () => {
  requirement('signer.approver-proves')
  requirement('signer.approved-before-signed')
  await signer.stop()
  const approves = await giveRights('approves', requestApproverRights({ signerName }))
  const lease = { namespace: system, name: 'countersign-trust-bundle' }
  const signingRequests = { approve: false }
  const rights = signerRights({
    signerName,
    trustDomain: profile.trustDomain,
    lease,
    signingRequests,
  })
  const signs = await giveRights('signs', rights)
  const file = join(folder, 'approver.yaml')
  const own = { kubeconfig: 'approves.yaml', ledger: { file: 'approver.jsonl' } }
  const admin0 = { admin: { port: 0 }, log: { level: 'silent' } }
  const config = { ...parse(await readFile(await configOf(), 'utf8')), ...own, ...admin0 }
  await writeFile(file, stringify({ ...config, trustDomain: profile.trustDomain }))
  const stop = new AbortController()
  let told = ''
  const say = (text: string): void => void (told += text)
  const terminal = { out: say, err: say, signal: stop.signal }
  const ended = run(['approve-requests', '--signer', file], terminal)
  await askAsPod('to-be-signed')
  await askAsPod('to-be-denied', {}, {})
  await askAsPod('to-be-ended')
  const isApproved = async (name: string): Promise<boolean> =>
    (await statusOf(name)).conditions?.[0]?.type === 'Approved'
  for (const name of ['to-be-signed', 'to-be-ended']) {
    await eventually(`${name} is approved`, () => isApproved(name))
  }
  assert.equal(await denial('to-be-denied'), 'RequestNotDeclared')
  assert.equal((await statusOf('to-be-signed')).certificate, undefined)
  // What proved it is over before it is signed.
  const path = `/api/v1/namespaces/${namespace}/pods/to-be-ended`
  await admin({ method: 'DELETE', path: `${path}?gracePeriodSeconds=0` })
  await eventually('the pod is gone', async () => (await admin({ path })).status === 404)
  const forbidden = async (by: ApiClient, subresource: string, body: object): Promise<void> => {
    const asked = by.request({
      method: 'PATCH',
      path: `${requestsPath}/to-be-signed/${subresource}`,
      body: { status: body },
    })
    await assert.rejects(asked, (error) => (error as { status?: number }).status === 403)
  }
  await forbidden(approves, 'status', { certificate: 'AAAA' })
  await forbidden(signs, 'approval', {
    conditions: [{ type: 'Approved', status: 'True', reason: 'ByTheSigner' }],
  })
  signer = await start(false, signs)
  await certificateOf('to-be-signed')
  await askAsPod('after-it')
  await certificateOf('after-it')
  assert.equal((await statusOf('to-be-ended')).certificate, undefined)
  stop.abort()
  assert.equal(await ended, 0, told)
  await signer.stop()
  const names = (records: readonly LoggedRecord[], kind: string): ReadonlySet<string> =>
    new Set(
      records.flatMap((record) =>
        record.kind === kind && 'request' in record ? [record.request.name] : [],
      ),
    )
  const records = await Array.fromAsync(readLedger(join(folder, 'approver.jsonl')))
  const ofApprover = records.map(({ record }) => record)
  const approved = new Set(['to-be-signed', 'to-be-ended', 'after-it'])
  assert.deepEqual(names(ofApprover, 'issuance-approval'), approved)
  assert.ok(names(ofApprover, 'issuance-refusal').has('to-be-denied'))
  // The approval of what is not proved any more is worth nothing, and the signer says so.
  assert.ok(names(signer.ledger.records, 'issuance-refusal').has('to-be-ended'))
  assert.ok(!names(signer.ledger.records, 'issuance-intent').has('to-be-ended'))
  for (const each of [approves, signs]) each.close()
  signer = await start(true)
})
