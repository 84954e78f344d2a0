import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  agentSpec,
  certificateSource,
  createPod,
  microTime,
  startDoctorWorld,
  type DoctorWorld,
} from '../doctor/doctor-world.ts'
import { bindings, grant, label, policyName, testFault, type Fault } from './doctor-fault.ts'

const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies'

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

for (const fault of [...cluster, ...access]) testFault(fault)
