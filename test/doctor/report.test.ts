import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckName, Status } from '../../src/doctor/check.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import {
  agentSpec,
  bundlePath,
  certificateSource,
  checkOf,
  createIssued,
  createPod,
  microTime,
  startDoctorWorld,
  system,
  type DoctorWorld,
  type DoctorWorldOptions,
} from './doctor-world.ts'

interface Fault {
  /** What is broken, as a sentence. */
  readonly title: string
  readonly world?: DoctorWorldOptions
  readonly breakIt?: (world: DoctorWorld) => Promise<unknown> | void
  readonly examine?: { readonly gateway?: string }
  /** The checks that change, with what they say then. */
  readonly changes: Partial<Record<CheckName, Status>>
  /** Stands in the evidence of the first of them. */
  readonly evidence: RegExp
}

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies'
const bindings = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings'
const policyName = `countersign-requests.${system}`
const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/revocations.countersign.dev'
const ownPods = `/api/v1/namespaces/${system}/pods`
const configMaps = `/api/v1/namespaces/${system}/configmaps`
const researcher = '/api/v1/namespaces/acme/serviceaccounts/researcher'

async function grant(world: DoctorWorld, subject: object, rule: object): Promise<void> {
  const metadata = { name: 'too-much' }
  await world.create(`${rbac}/clusterroles`, { metadata, rules: [rule] })
  await world.create(`${rbac}/clusterrolebindings`, {
    metadata,
    roleRef: { kind: 'ClusterRole', name: metadata.name },
    subjects: [subject],
  })
}

const creation = {
  apiGroups: ['certificates.k8s.io'],
  resources: ['podcertificaterequests'],
  verbs: ['create'],
}
const account = { kind: 'ServiceAccount', namespace: 'acme', name: 'researcher' }
const everybody = { kind: 'Group', name: 'system:authenticated' }

function kubelet(version: string): (world: DoctorWorld) => Promise<void> {
  return (world) =>
    world.patch('/api/v1/nodes/node-b/status', {
      status: { nodeInfo: { kubeletVersion: version } },
    })
}

function renewed(secondsAgo: number): (world: DoctorWorld) => Promise<void> {
  return (world) => {
    const renewTime = microTime(Date.now() - secondsAgo * 1000)
    return world.patch(`${leases}/node-b`, { spec: { renewTime } })
  }
}

function say(
  program: 'signer' | 'gateway',
  name: string,
  more: object = {},
): (world: DoctorWorld) => void {
  return ({ pages }) => {
    const at = pages[program].findIndex((condition) => condition.name === name)
    pages[program][at] = { name, ok: false, reason: 'is broken, mend it', ...more }
  }
}

function label(path: string, labels: object): (world: DoctorWorld) => Promise<void> {
  return (world) => world.patch(path, { metadata: { labels } })
}

function annotate(annotations: object): (world: DoctorWorld) => Promise<void> {
  return (world) => world.patch(researcher, { metadata: { annotations } })
}

const acme = '/api/v1/namespaces/acme'

const cluster: readonly Fault[] = [
  {
    title: 'the doctor’s own clock is a minute ahead',
    breakIt: (world) => {
      world.doctorOffset = 60_000
    },
    changes: { clock: 'warning' },
    evidence: /^the API server is [456]\d\.\d s behind this machine/,
  },
  {
    title: 'a node’s clock is two minutes ahead',
    breakIt: renewed(-120),
    changes: { clock: 'problem' },
    evidence: /^node node-b renews its lease 1[0-9]{2}\.\d s in the future/,
  },
  {
    title: 'a node that is ready does not renew its lease',
    breakIt: renewed(120),
    changes: { clock: 'warning' },
    evidence: /^node node-b is ready, and renewed its lease 1[0-9]{2}\.\d s ago/,
  },
  {
    title: 'the gate is off: sources are dropped from pods without a word',
    world: { podCertificateGate: false },
    changes: { 'pod-certificate-volumes': 'problem', 'dropped-volumes': 'problem' },
    evidence: /podCertificate was taken away without a word/,
  },
  {
    title: 'a kubelet is too old for pod certificates',
    breakIt: kubelet('v1.34.9'),
    changes: { kubelets: 'problem' },
    evidence: /^older than 1\.35: node-b/,
  },
  {
    title: 'a kubelet writes what v1 does not show',
    breakIt: kubelet('v1.35.6'),
    changes: { kubelets: 'problem' },
    evidence: /^kubelet 1\.35: node-b/,
  },
  {
    title: 'a kubelet is newer than the API server',
    breakIt: kubelet('v1.38.0'),
    changes: { kubelets: 'warning' },
    evidence: /^newer: node-b/,
  },
  {
    title: 'a node is a virtual kubelet',
    breakIt: label('/api/v1/nodes/node-b', { type: 'virtual-kubelet' }),
    changes: { kubelets: 'warning' },
    evidence: /^virtual kubelets: node-b/,
  },
  {
    title: 'a pod has a source that says nothing',
    breakIt: (world) =>
      createPod(world.api, {
        metadata: { name: 'bare', namespace: 'acme' },
        spec: agentSpec([{}]),
      }),
    changes: { 'dropped-volumes': 'problem' },
    evidence: /^acme\/bare: volume identity has a source that says nothing/,
  },
  {
    title: 'a pod lacks what its owner’s template asks for',
    breakIt: createOwned,
    changes: { 'dropped-volumes': 'problem' },
    evidence: /^acme\/owned: ReplicaSet owner asks for one in volume identity/,
  },
  {
    title: 'a pod lacks what was applied',
    breakIt: (world) => {
      const applied = JSON.stringify({ spec: agentSpec([certificateSource]) })
      const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': applied }
      const metadata = { name: 'applied', namespace: 'acme', annotations }
      return createPod(world.api, { metadata, spec: agentSpec([]) })
    },
    changes: { 'dropped-volumes': 'problem' },
    evidence: /^acme\/applied: volume identity was applied with a certificate/,
  },
  {
    title: 'a pod has our annotations and no volume',
    breakIt: (world) => {
      const annotations = { 'countersign.dev/tool-scopes': 'github:*' }
      const metadata = { name: 'mute', namespace: 'acme', annotations }
      return createPod(world.api, { metadata, spec: agentSpec([]) })
    },
    changes: { 'dropped-volumes': 'warning' },
    evidence: /^2 of 4 pods|^acme\/mute/,
  },
  {
    title: 'NodeRestriction is off',
    world: { nodeRestriction: false },
    changes: { 'node-restriction': 'problem' },
    evidence: /is stopped only by .*ValidatingAdmissionPolicy/,
  },
]

async function createOwned(world: DoctorWorld): Promise<void> {
  const labels = { app: 'owned' }
  const template = { metadata: { labels }, spec: agentSpec([certificateSource]) }
  const collection = '/apis/apps/v1/namespaces/acme/replicasets'
  const owner = await world.api.create(collection, {
    metadata: { name: 'owner' },
    spec: { selector: { matchLabels: labels }, template },
  })
  const { name, uid } = owner.metadata
  const reference = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true }
  const metadata = { name: 'owned', namespace: 'acme', ownerReferences: [reference] }
  await createPod(world.api, { metadata, spec: agentSpec([]) })
}

const access: readonly Fault[] = [
  {
    title: 'the admission policy only watches',
    breakIt: (world) =>
      world.patch(`${bindings}/${policyName}`, { spec: { validationActions: ['Audit'] } }),
    changes: { 'admission-policy': 'warning' },
    evidence: /\(Audit\)/,
  },
  {
    title: 'the admission policy is bound to a part of the cluster',
    breakIt: (world) => {
      const namespaceSelector = { matchLabels: { team: 'a' } }
      const spec = { matchResources: { namespaceSelector } }
      return world.patch(`${bindings}/${policyName}`, { spec })
    },
    changes: { 'admission-policy': 'warning' },
    evidence: /for a part of the cluster/,
  },
  {
    title: 'there is no admission policy',
    breakIt: (world) => world.remove(`${policies}/${policyName}`),
    changes: { 'admission-policy': 'warning' },
    evidence: /a request from here, who is no kubelet \(dryRun=All\), is accepted/,
  },
  {
    title: 'the admission policy is about another signer',
    breakIt: (world) => {
      const expression = "object.spec.signerName == 'example.com/other'"
      const matchConditions = [{ name: 'our-signer', expression }]
      return world.patch(`${policies}/${policyName}`, { spec: { matchConditions } })
    },
    changes: { 'admission-policy': 'problem' },
    evidence: /^policy countersign-requests/,
  },
  {
    title: 'the admission policy refuses nothing',
    breakIt: (world) => {
      const expression = "request.userInfo.username == '' + object.spec.nodeName || true"
      return world.patch(`${policies}/${policyName}`, { spec: { validations: [{ expression }] } })
    },
    changes: { 'admission-policy': 'problem' },
    evidence: /is accepted|^policy countersign-requests/,
  },
  {
    title: 'somebody else may create requests, and no policy refuses them',
    breakIt: async (world) => {
      await grant(world, account, creation)
      await world.remove(`${bindings}/${policyName}`)
    },
    changes: { 'request-creators': 'warning', 'admission-policy': 'warning' },
    evidence:
      /^ServiceAccount acme\/researcher, by ClusterRoleBinding too-much to ClusterRole too-much/,
  },
  {
    title: 'everybody may create requests, and no policy refuses them',
    breakIt: async (world) => {
      await grant(world, everybody, creation)
      await world.remove(`${bindings}/${policyName}`)
    },
    changes: { 'request-creators': 'problem', 'admission-policy': 'warning' },
    evidence: /^Group system:authenticated, by/,
  },
  {
    title: 'nodes may ask for signers that no pod declares',
    breakIt: (world) =>
      grant(
        world,
        { kind: 'Group', name: 'system:nodes' },
        {
          apiGroups: ['certificates.k8s.io'],
          resources: ['countersign.dev:identity'],
          verbs: ['request-serviceaccounts-podcertificate-signer'],
        },
      ),
    changes: { 'signer-requesters': 'problem' },
    evidence: /^Group system:nodes, by/,
  },
  {
    title: 'somebody may impersonate nodes',
    breakIt: (world) =>
      grant(world, account, {
        apiGroups: [''],
        resources: ['users', 'groups'],
        verbs: ['impersonate'],
      }),
    changes: { 'node-impersonators': 'warning' },
    evidence: /^ServiceAccount acme\/researcher, by/,
  },
]

const installed: readonly Fault[] = [
  {
    title: 'there is no resource Revocation',
    breakIt: (world) => world.remove(crd),
    changes: { 'custom-resources': 'problem' },
    evidence: /got=none/,
  },
  {
    title: 'the resource Revocation is of an older release',
    breakIt: (world) => {
      const annotations = { 'countersign.dev/schema-revision': null }
      return world.patch(crd, { metadata: { annotations } })
    },
    changes: { 'custom-resources': 'problem' },
    evidence: /schema revision 0/,
  },
  {
    title: 'no signer runs',
    breakIt: (world) => world.remove(`${ownPods}/countersign-signer-0?gracePeriodSeconds=0`),
    changes: { installation: 'problem', signer: 'warning', ledger: 'warning' },
    evidence: /^signer: 0 of 0 pods ready/,
  },
  {
    title: 'no gateway runs',
    breakIt: (world) => world.remove(`${ownPods}/countersign-gateway-0?gracePeriodSeconds=0`),
    changes: { installation: 'problem', gateway: 'warning', upstreams: 'warning' },
    evidence: /^gateway: 0 of 0 pods ready/,
  },
  {
    title: 'the gateway was left out, which is nobody’s fault',
    breakIt: async (world) => {
      await world.remove(`${ownPods}/countersign-gateway-0?gracePeriodSeconds=0`)
      await world.remove(`${configMaps}/countersign-gateway`)
      await world.remove(`${rbac}/clusterrolebindings/countersign-gateway.${system}`)
    },
    changes: { installation: 'ok' },
    evidence: /^gateway: 0 of 0 pods ready/,
  },
  {
    title: 'a pod of ours is not ready',
    breakIt: (world) => {
      const status = { conditions: [{ type: 'Ready', status: 'False' }] }
      return world.patch(`${ownPods}/countersign-gateway-0/status`, { status })
    },
    changes: { installation: 'warning' },
    evidence: /^gateway: 0 of 1 pods ready/,
  },
  {
    title: 'the gateway’s configuration has a field that does not exist',
    breakIt: async (world) => {
      const { body } = await world.admin.get(`${configMaps}/countersign-gateway`)
      const text = `${body.data['gateway.yaml']}\nlissten: {}\n`
      await world.patch(`${configMaps}/countersign-gateway`, { data: { 'gateway.yaml': text } })
    },
    // The port of /readyz stands in the same file.
    changes: {
      installation: 'problem',
      gateway: 'warning',
      upstreams: 'warning',
      'policy-data': 'warning',
    },
    evidence: /lissten/,
  },
  {
    title: 'the admin listener of the gateway is not where its configuration says',
    breakIt: async (world) => {
      const { body } = await world.admin.get(`${configMaps}/countersign-gateway`)
      const text = (body.data['gateway.yaml'] as string).replace(
        /(admin:\n +host: [^\n]+\n +port: )\d+/,
        '$11',
      )
      await world.patch(`${configMaps}/countersign-gateway`, { data: { 'gateway.yaml': text } })
    },
    changes: { gateway: 'warning', upstreams: 'warning' },
    evidence: /port 1 of the pod: status 503: error trying to reach service: /,
  },
  {
    title: 'the signer lacks a right',
    breakIt: (world) =>
      world.remove(`${rbac}/namespaces/${system}/rolebindings/countersign-signer`),
    changes: { rights: 'problem' },
    evidence: /^signer: get leases\.coordination\.k8s\.io with the name .* is missing/,
  },
  {
    title: 'the gateway has a right that it does not use',
    breakIt: (world) =>
      grant(
        world,
        { kind: 'ServiceAccount', namespace: system, name: 'countersign-gateway' },
        { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
      ),
    changes: { rights: 'warning' },
    evidence: /^gateway: get secrets, by ClusterRole too-much/,
  },
  {
    title: 'the signer says that it is not ready',
    breakIt: say('signer', 'authority'),
    changes: { signer: 'problem' },
    evidence: /^countersign-signer-0: authority: is broken, mend it/,
  },
  {
    title: 'the signer lacks what it can do without',
    breakIt: say('signer', 'policy', { optional: true }),
    changes: { signer: 'warning' },
    evidence: /^countersign-signer-0: policy: is broken/,
  },
  {
    title: 'the ledger cannot be written',
    breakIt: say('signer', 'ledger'),
    changes: { ledger: 'problem', signer: 'problem' },
    evidence: /^countersign-signer-0: ledger: is broken/,
  },
  {
    title: 'the ledger is on an emptyDir',
    breakIt: async (world) => {
      const { body } = await world.admin.get(`${ownPods}/countersign-signer-0`)
      await world.remove(`${ownPods}/countersign-signer-0?gracePeriodSeconds=0`)
      const volumes = (body.spec.volumes as { name: string }[]).map((volume) =>
        volume.name === 'ledger' ? { name: 'ledger', emptyDir: {} } : volume,
      )
      const metadata = { name: 'countersign-signer-0', namespace: system }
      await createPod(world.api, { metadata, spec: { ...body.spec, volumes } })
    },
    changes: { ledger: 'problem' },
    evidence: /is on emptyDir/,
  },
  {
    title: 'the trust bundle is not published',
    breakIt: (world) => world.remove(bundlePath),
    changes: { 'trust-bundle': 'problem', authority: 'warning', 'gateway-name': 'warning' },
    evidence: /got=none/,
  },
  {
    title: 'the trust bundle is another CA’s',
    breakIt: (world) => {
      const { bundlePem } = createTestAuthority({ trustDomain: 'agents.example' })
      return world.patch(bundlePath, { spec: { trustBundle: bundlePem } })
    },
    changes: { 'trust-bundle': 'problem', 'gateway-name': 'problem', authority: 'ok' },
    evidence: /^acme\/req-1: /,
  },
  {
    title: 'a certificate was signed with a CA that is not published',
    breakIt: async (world) => {
      const { body } = await world.admin.get(`${bindings}/${policyName}`)
      await world.remove(`${bindings}/${policyName}`)
      const other = createTestAuthority({ trustDomain: 'agents.example' })
      await createIssued(world.api, other, 'v1', 'req-2')
      await world.create(bindings, { metadata: { name: policyName }, spec: body.spec })
    },
    changes: { 'trust-bundle': 'problem' },
    evidence: /^acme\/req-2: /,
  },
]

const granted: readonly Fault[] = [
  {
    title: 'the gateway says that it is not ready',
    breakIt: say('gateway', 'policy'),
    changes: { gateway: 'problem' },
    evidence: /^countersign-gateway-0: policy: is broken/,
  },
  {
    title: 'the gateway is not reached from here',
    examine: { gateway: 'https://127.0.0.1:1' },
    changes: { 'gateway-name': 'warning' },
    evidence: /^127\.0\.0\.1:1: ECONNREFUSED/,
  },
  {
    title: 'somebody else answers in the gateway’s place',
    breakIt: (world) => world.showGateway(world.issueGateway({ serviceAccount: 'impostor' })),
    changes: { 'gateway-name': 'problem' },
    evidence: /sa\/impostor/,
  },
  {
    title: 'the gateway has no name of its Service',
    breakIt: (world) => world.showGateway(world.issueGateway({ dnsNames: [] })),
    changes: { 'gateway-name': 'problem' },
    evidence: /^DNS name: want=countersign-gateway\.countersign-system\.svc/,
  },
  {
    title: 'a tool server is not reached',
    breakIt: say('gateway', 'upstream github'),
    changes: { upstreams: 'problem' },
    evidence: /^countersign-gateway-0: upstream github: is broken/,
  },
  {
    title: 'the gateway says nothing of a tool server',
    breakIt: ({ pages }) => void pages.gateway.pop(),
    changes: { upstreams: 'warning' },
    evidence: /^upstream github: nothing said/,
  },
  {
    title: 'the policy’s data is no JSON',
    breakIt: (world) =>
      world.patch(`${configMaps}/countersign-gateway`, { data: { 'policy-data.json': '{' } }),
    changes: { 'policy-data': 'problem' },
    evidence: /^policy-data\.json: is not JSON/,
  },
  {
    title: 'a grant of the policy’s data is misspelt',
    breakIt: async (world) => {
      const data = { grants: { tenants: { acme: { github: { tolls: {} } } }, subjects: {} } }
      const text = JSON.stringify(data)
      await world.patch(`${configMaps}/countersign-gateway`, { data: { 'policy-data.json': text } })
    },
    changes: { 'policy-data': 'problem' },
    evidence: /\/grants\/tenants\/acme\/github\/tolls.*no such member/,
  },
  {
    title: 'a label of a namespace is misspelt',
    breakIt: label(acme, { 'countersign.dev/tennant': 'acme' }),
    changes: { 'governance-keys': 'warning' },
    evidence:
      /label countersign\.dev\/tennant: no such label, did you mean countersign\.dev\/tenant/,
  },
  {
    title: 'the domain of a grant is misspelt',
    breakIt: label(acme, { 'tool.countersign.dev/github': 'allow' }),
    changes: { 'governance-keys': 'warning' },
    evidence: /did you mean tools\.countersign\.dev\/github/,
  },
  {
    title: 'a role is a label of a namespace',
    breakIt: label(acme, { 'countersign.dev/role': 'agent' }),
    changes: { 'governance-keys': 'warning' },
    evidence: /means something only as a label of a service account/,
  },
  {
    title: 'a grant is not spelt allow',
    breakIt: label(acme, { 'models.countersign.dev/mistral': 'true' }),
    changes: { 'governance-keys': 'warning' },
    evidence: /want=allow got="true"/,
  },
  {
    title: 'a tenant cannot be read',
    breakIt: label(acme, { 'countersign.dev/tenant': 'ACME' }),
    changes: { 'governance-keys': 'problem' },
    evidence: /namespace acme: label countersign\.dev\/tenant: tenant is not a lower-case/,
  },
  {
    title: 'a role is granted by the service account alone',
    breakIt: label(acme, { 'roles.countersign.dev/agent': null }),
    changes: { roles: 'warning' },
    evidence:
      /acme\/researcher is agent, and namespace acme has no roles\.countersign\.dev\/agent=allow/,
  },
  {
    title: 'a role is granted by the namespace alone',
    breakIt: label(acme, { 'roles.countersign.dev/tool-server': 'allow' }),
    changes: { roles: 'warning' },
    evidence: /namespace acme allows tool-server, and none of its service accounts is one/,
  },
  {
    title: 'a tool server is granted by the service account alone',
    breakIt: label(acme, { 'tools.countersign.dev/github': null }),
    changes: { ceilings: 'warning' },
    evidence: /acme\/researcher has tool server "github", and namespace acme has no tools\./,
  },
  {
    title: 'a tool server is granted by the namespace alone',
    breakIt: label(acme, { 'tools.countersign.dev/notes': 'allow' }),
    changes: { ceilings: 'warning' },
    evidence: /namespace acme allows tool server "notes", and none of its/,
  },
  {
    title: 'a model is granted by the service account alone',
    breakIt: label(acme, { 'models.countersign.dev/llama-3-70b': null }),
    changes: { ceilings: 'warning' },
    evidence: /has model "llama-3-70b", and namespace acme has no models\./,
  },
  {
    title: 'tool scopes cannot be read',
    breakIt: annotate({ 'countersign.dev/tool-scopes': 'github' }),
    changes: { ceilings: 'problem' },
    evidence: /acme\/researcher: countersign\.dev\/tool-scopes: tool scope has no colon/,
  },
]

test('on a cluster where all is well every check says so', async () => {
  await using world = await startDoctorWorld()
  const report = await world.examine()
  assert.deepEqual(
    report.checks.filter(({ status }) => status !== 'ok'),
    [],
  )
  assert.equal(report.status, 'ok')
  assert.deepEqual(report.counts, { ok: report.checks.length, warning: 0, problem: 0 })
})

for (const fault of [...cluster, ...access, ...installed, ...granted]) {
  const { title, changes, evidence } = fault
  test(`${Object.keys(changes)[0]}: ${title}`, async () => {
    await using world = await startDoctorWorld(fault.world)
    await fault.breakIt?.(world)
    const report = await world.examine(fault.examine)
    const worse = report.checks.filter(({ status }) => status !== 'ok')
    const wanted = Object.entries(changes).filter(([, status]) => status !== 'ok')
    assert.deepEqual(
      Object.fromEntries(worse.map(({ name, status }) => [name, status])),
      Object.fromEntries(wanted),
      JSON.stringify(worse, undefined, 1),
    )
    const [first] = Object.keys(changes) as CheckName[]
    const found = checkOf(report, first ?? 'api-server')
    const said = found.evidence.some((line) => evidence.test(line))
    assert.ok(said, `want=${String(evidence)} got=${JSON.stringify(found, undefined, 1)}`)
    for (const { name, hint } of worse) assert.ok((hint ?? '').length > 10, name)
  })
}
