import { once } from 'node:events'
import { createPrivateKey } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { runDoctor } from '../../src/cli/command/doctor-command.ts'
import { clusterConfiguration } from '../../src/cli/read-cluster-configuration.ts'
import type { Facts } from '../../src/doctor/facts.ts'
import { gatherFacts } from '../../src/doctor/gather/gather-facts.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { CheckName } from '../../src/doctor/check.ts'
import type { CheckReport, Report } from '../../src/doctor/report.ts'
import type { Condition } from '../../src/readiness.ts'
import { Refused } from '../../src/cli/run-program.ts'
import { startApiWorld, type ApiUser, type ApiWorld } from '../dev/control-plane/api-world.ts'
import { readDefaultRendering, releaseNamespace, type Rendered } from '../support/chart.ts'
import {
  createTestAuthority,
  type TestAuthority,
  type TestLeaf,
} from '../support/test-authority.ts'

export const system: string = releaseNamespace
export const signerName = 'countersign.dev/identity'
const trustDomain = 'agents.example'

/** What /readyz of a program says; tests change it. */
export type Pages = Record<'signer' | 'gateway', Condition[]>

export interface DoctorWorld extends AsyncDisposable {
  readonly api: ApiWorld
  readonly admin: ApiUser
  readonly authority: TestAuthority
  readonly pages: Pages
  readonly kubeconfig: string
  /** Milliseconds that the doctor's own clock is ahead. */
  doctorOffset: number
  /** Shows another certificate from now on. */
  showGateway(leaf: TestLeaf): void
  issueGateway(more?: object): TestLeaf
  /** Runs the command as it stands and reads what it printed. */
  examine(options?: { readonly kubeconfig?: string; readonly gateway?: string }): Promise<Report>
  /** What the doctor learns, before anything is judged. */
  facts(): Promise<Facts>
  /** Creates and demands 201. */
  create(path: string, body: object): Promise<void>
  /** Merges and demands 200. */
  patch(path: string, body: object): Promise<void>
  remove(path: string): Promise<void>
}

export interface DoctorWorldOptions {
  readonly podCertificateVersions?: readonly ('v1' | 'v1beta1')[]
  readonly podCertificateGate?: boolean
  readonly nodeRestriction?: boolean
  readonly authorityLifetimeSeconds?: number
}

/** A cluster on which everything is as it should be, with the chart's own objects and two programs that only say how they are. */
export async function startDoctorWorld(options: DoctorWorldOptions = {}): Promise<DoctorWorld> {
  const { authorityLifetimeSeconds = 365 * 86_400, ...config } = options
  await using opened = new AsyncDisposableStack()
  const api = opened.use(await startApiWorld(config))
  const folder = await mkdtemp(join(tmpdir(), 'countersign-doctor-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const { admin } = api
  const authority = createTestAuthority({
    trustDomain,
    lifetimeSeconds: authorityLifetimeSeconds,
    dnsSuffixes: ['svc', 'cluster.local'],
  })
  const pages: Pages = {
    signer: ['kubernetes', 'rights', 'authority', 'ledger', 'policy'].map(well),
    gateway: [
      ...['credential', 'trust-bundle', 'policy', 'upstream github'].map(well),
      { ...well('handle-keys'), reason: 'one key, 0a0a0a0a seals' },
    ],
  }
  const ports = {
    signer: await serveReadiness(opened, () => pages.signer),
    gateway: await serveReadiness(opened, () => pages.gateway),
  }
  const issueGateway = (more: object = {}): TestLeaf =>
    authority.issue({
      namespace: system,
      serviceAccount: 'countersign-gateway',
      role: 'tool-broker',
      dnsNames: [`countersign-gateway.${system}.svc`],
      ...more,
    })
  const gateway = await serveGateway(opened, issueGateway())
  await populate({
    api,
    authority,
    ports,
    podCertificateVersion: config.podCertificateVersions?.[0] ?? 'v1',
  })
  const user = { name: 'admin', groups: ['system:masters'] }
  const kubeconfig = await api.kubeconfig(join(folder, 'kubeconfig'), user)
  const clock = { offset: 0 }
  const expected = async (
    status: number,
    answer: Promise<{ status: number; body: unknown }>,
  ): Promise<void> => {
    const got = await answer
    if (got.status !== status) throw new Error(`want=${status} got=${JSON.stringify(got)}`)
  }
  const parts = opened.move()
  return {
    api,
    admin,
    authority,
    pages,
    kubeconfig,
    issueGateway,
    get doctorOffset() {
      return clock.offset
    },
    set doctorOffset(milliseconds: number) {
      clock.offset = milliseconds
    },
    showGateway: ({ credentialPem }) =>
      gateway.server.setSecureContext({ key: credentialPem, cert: credentialPem }),
    examine: (more = {}) =>
      examine({
        kubeconfig,
        gateway: `https://127.0.0.1:${gateway.port}`,
        now: () => Date.now() + clock.offset,
        ...more,
      }),
    facts: () => learn(kubeconfig, gateway.port),
    create: (path, body) => expected(201, admin.send('POST', path, body)),
    patch: (path, body) => expected(200, admin.send('PATCH', path, body)),
    remove: (path) => expected(200, admin.send('DELETE', path)),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function well(name: string): Condition {
  return { name, ok: true, reason: 'as it should be' }
}

/** The report of the command, which throws `Refused` exactly when there is a problem. */
async function examine(options: {
  readonly kubeconfig: string
  readonly gateway: string
  readonly now: () => number
}): Promise<Report> {
  const { now, ...asked } = options
  let printed = ''
  const terminal = {
    out: (text: string) => void (printed += text),
    err: () => {},
    signal: new AbortController().signal,
  }
  const refused = await runDoctor({ ...asked, namespace: system, json: true }, terminal, now).then(
    () => false,
    (error: unknown) => {
      if (error instanceof Refused) return true
      throw error
    },
  )
  const report = JSON.parse(printed) as Report
  if (refused !== (report.status === 'problem')) throw new Error('exit code and report differ')
  return report
}

async function learn(kubeconfig: string, port: number): Promise<Facts> {
  const client = createApiClient({ kubeconfig })
  try {
    return await gatherFacts({
      client,
      signal: new AbortController().signal,
      namespace: system,
      release: '0.0.0',
      configuration: clusterConfiguration,
      gateway: { host: '127.0.0.1', port },
      now: Date.now,
    })
  } finally {
    client.close()
  }
}

export function checkOf(report: Report, name: CheckName): CheckReport {
  const found = report.checks.find((check) => check.name === name)
  if (found === undefined) throw new Error(`no check ${name}`)
  return found
}

async function serveReadiness(
  opened: AsyncDisposableStack,
  conditions: () => readonly Condition[],
): Promise<number> {
  const server: Server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? 200 : 404, {
      'content-type': 'application/json',
    })
    response.end(JSON.stringify({ ready: true, conditions: conditions() }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  opened.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function serveGateway(
  opened: AsyncDisposableStack,
  { credentialPem }: TestLeaf,
): Promise<{ readonly server: TlsServer; readonly port: number }> {
  const server = createTlsServer(
    { key: credentialPem, cert: credentialPem, requestCert: true, minVersion: 'TLSv1.3' },
    (socket) => socket.on('error', () => {}),
  )
  server.on('tlsClientError', () => {})
  await once(server.listen(0, '127.0.0.1'), 'listening')
  opened.defer(() => void server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

/** The collections of the kinds that the chart installs and a doctor looks at. */
const collections: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  ServiceAccount: `/api/v1/namespaces/${system}/serviceaccounts`,
  ConfigMap: `/api/v1/namespaces/${system}/configmaps`,
  Service: `/api/v1/namespaces/${system}/services`,
  Role: `/apis/rbac.authorization.k8s.io/v1/namespaces/${system}/roles`,
  RoleBinding: `/apis/rbac.authorization.k8s.io/v1/namespaces/${system}/rolebindings`,
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  StatefulSet: `/apis/apps/v1/namespaces/${system}/statefulsets`,
  Deployment: `/apis/apps/v1/namespaces/${system}/deployments`,
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding:
    '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
}

interface Populated {
  readonly api: ApiWorld
  readonly authority: TestAuthority
  readonly ports: Readonly<Record<'signer' | 'gateway', number>>
  readonly podCertificateVersion: string
}

async function populate(populated: Populated): Promise<void> {
  const { api } = populated
  await createNodes(api)
  await createNamespaces(api)
  // Before the policy denies it: nobody here is a kubelet.
  await createTrust(populated)
  const rendering = await readDefaultRendering()
  for (const object of rendering) {
    const { namespace = system } = object.metadata
    const collection = collections[object.kind]?.replace(`/${system}/`, `/${namespace}/`)
    if (collection !== undefined) await api.create(collection, withTestValues(object, populated))
  }
  await createPods(api, rendering)
}

/** Ports that are free here, and the policy enforced. */
function withTestValues(object: Rendered, { ports }: Populated): object {
  if (object.kind === 'ValidatingAdmissionPolicyBinding') {
    return { ...object, spec: { ...object['spec'], validationActions: ['Deny', 'Audit'] } }
  }
  if (object.kind !== 'ConfigMap') return object
  const data = Object.entries(object['data'] as Record<string, string>).map(([key, text]) => [
    key,
    text
      .replace(/port: 9443\b/, `port: ${ports.signer}`)
      .replace(/port: 9444\b/, `port: ${ports.gateway}`),
  ])
  return { ...object, data: Object.fromEntries(data) as object }
}

async function createNodes(api: ApiWorld): Promise<void> {
  for (const name of ['node-a', 'node-b']) {
    await api.create('/api/v1/nodes', { metadata: { name } })
    const status = {
      nodeInfo: { kubeletVersion: 'v1.37.0' },
      conditions: [{ type: 'Ready', status: 'True' }],
    }
    await api.admin.send('PATCH', `/api/v1/nodes/${name}/status`, { status })
    await api.create('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', {
      metadata: { name },
      spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTime(Date.now()) },
    })
  }
}

export function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z')
}

async function createNamespaces(api: ApiWorld): Promise<void> {
  const allow = 'allow'
  const labels = {
    [system]: { 'countersign.dev/tenant': 'platform', 'roles.countersign.dev/tool-broker': allow },
    acme: {
      'countersign.dev/tenant': 'acme',
      'roles.countersign.dev/agent': allow,
      'models.countersign.dev/llama-3-70b': allow,
      'tools.countersign.dev/github': allow,
    },
  }
  for (const [name, each] of Object.entries(labels)) {
    await api.create(collections['Namespace'] ?? '', { metadata: { name, labels: each } })
  }
  await api.create('/api/v1/namespaces/acme/serviceaccounts', {
    metadata: {
      name: 'researcher',
      labels: { 'countersign.dev/role': 'agent' },
      annotations: {
        'countersign.dev/models': 'llama-3-70b',
        'countersign.dev/tool-scopes': 'github:issues_*',
      },
    },
  })
}

export const bundlePath: string = `/apis/certificates.k8s.io/v1/clustertrustbundles/countersign.dev:identity:${trustDomain}`

/** The published anchors, and a certificate that was issued a moment ago. */
async function createTrust(populated: Populated): Promise<void> {
  const { api, authority, podCertificateVersion } = populated
  await api.create('/apis/certificates.k8s.io/v1/clustertrustbundles', {
    metadata: { name: `countersign.dev:identity:${trustDomain}` },
    spec: { signerName, trustBundle: authority.bundlePem },
  })
  await createIssued(api, authority, podCertificateVersion)
}

export async function createIssued(
  api: ApiWorld,
  authority: TestAuthority,
  version = 'v1',
  name = 'req-1',
): Promise<void> {
  const { issued, credentialPem } = authority.issue({
    namespace: 'acme',
    serviceAccount: 'researcher',
  })
  const privateKey = createPrivateKey(credentialPem)
  const collection = `/apis/certificates.k8s.io/${version}/namespaces/acme/podcertificaterequests`
  await api.create(collection, {
    metadata: { name },
    spec: {
      signerName,
      podName: 'researcher',
      podUID: 'uid-of-the-pod',
      serviceAccountName: 'researcher',
      serviceAccountUID: 'uid-of-the-account',
      nodeName: 'node-a',
      nodeUID: 'uid-of-the-node',
      maxExpirationSeconds: 3600,
      stubPKCS10Request: encodeCertificateRequest({ privateKey }).toString('base64'),
    },
  })
  const notBefore = issued.notBefore.getTime()
  const status = {
    conditions: [
      {
        type: 'Issued',
        status: 'True',
        reason: 'Issued',
        message: '',
        lastTransitionTime: new Date(notBefore).toISOString(),
      },
    ],
    certificateChain: issued.chainPem,
    notBefore: issued.notBefore.toISOString(),
    beginRefreshAt: new Date(notBefore + 1_800_000).toISOString(),
    notAfter: issued.notAfter.toISOString(),
  }
  const answer = await api.admin.send('PATCH', `${collection}/${name}/status`, { status })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
}

/** One pod of each program, as its controller would make it, and an agent's. */
async function createPods(api: ApiWorld, rendering: readonly Rendered[]): Promise<void> {
  for (const [kind, program] of [
    ['StatefulSet', 'signer'],
    ['Deployment', 'gateway'],
  ] as const) {
    const owner = rendering.find((object) => object.kind === kind)
    const spec = owner?.['spec'].template.spec as { volumes: object[] }
    const claims = (owner?.['spec'].volumeClaimTemplates ?? []) as { metadata: { name: string } }[]
    const volumes = claims.map(({ metadata: { name } }) => ({
      name,
      persistentVolumeClaim: { claimName: name },
    }))
    await createPod(api, {
      metadata: { name: `countersign-${program}-0`, namespace: system },
      spec: { ...spec, nodeName: 'node-a', volumes: [...spec.volumes, ...volumes] },
    })
  }
  await createPod(api, { metadata: { name: 'researcher', namespace: 'acme' }, spec: agentSpec() })
}

/** An agent's pod: a volume with a certificate. */
export function agentSpec(sources: readonly object[] = [certificateSource]): object {
  return {
    nodeName: 'node-b',
    serviceAccountName: 'researcher',
    containers: [{ name: 'main', image: 'agent' }],
    volumes: [{ name: 'identity', projected: { sources } }],
  }
}

export const certificateSource: object = {
  podCertificate: {
    signerName,
    keyType: 'ECDSAP256',
    credentialBundlePath: 'credential-bundle.pem',
  },
}

export async function createPod(
  api: ApiWorld,
  pod: {
    readonly metadata: { readonly name: string; readonly namespace: string }
    readonly spec: object
  },
): Promise<void> {
  const { name, namespace } = pod.metadata
  const path = `/api/v1/namespaces/${namespace}/pods`
  await api.create(path, pod)
  const status = {
    phase: 'Running',
    podIP: '127.0.0.1',
    conditions: [{ type: 'Ready', status: 'True' }],
  }
  const answer = await api.admin.send('PATCH', `${path}/${name}/status`, { status })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
}
