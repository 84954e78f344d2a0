import { createTestAuthority } from '../support/test-authority.ts'
import {
  bundlePath,
  createIssued,
  createPod,
  system,
  type DoctorWorld,
} from '../doctor/doctor-world.ts'
import { bindings, grant, label, policyName, rbac, testFault, type Fault } from './doctor-fault.ts'

const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/revocations.countersign.dev'
const ownPods = `/api/v1/namespaces/${system}/pods`
const configMaps = `/api/v1/namespaces/${system}/configmaps`
const researcher = '/api/v1/namespaces/acme/serviceaccounts/researcher'

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

function annotate(annotations: object): (world: DoctorWorld) => Promise<void> {
  return (world) => world.patch(researcher, { metadata: { annotations } })
}

const acme = '/api/v1/namespaces/acme'

const ofEdge = {
  metadata: { name: 'countersign-signer-of-edge' },
  spec: {
    serviceName: 'countersign-signer-of-edge',
    selector: { matchLabels: { of: 'edge' } },
    template: {
      metadata: { labels: { of: 'edge' } },
      spec: {
        serviceAccountName: 'countersign-remotes',
        containers: [{ name: 'signer', image: 'countersign' }],
      },
    },
  },
}

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
    title: 'the signer of another cluster has no pod',
    breakIt: (world) => world.create(`/apis/apps/v1/namespaces/${system}/statefulsets`, ofEdge),
    changes: { 'remote-signers': 'problem' },
    evidence: /^countersign-signer-of-edge$/,
  },
  {
    title: 'the signer of another cluster says nothing of itself',
    breakIt: async (world) => {
      const metadata = { name: 'countersign-remotes' }
      await world.create(`/api/v1/namespaces/${system}/serviceaccounts`, { metadata })
      await createPod(world.api, {
        metadata: { name: `${ofEdge.metadata.name}-0`, namespace: system },
        spec: { ...ofEdge.spec.template.spec, nodeName: 'node-a' },
      })
    },
    changes: { 'remote-signers': 'warning' },
    evidence: /^countersign-signer-of-edge-0: not asked: /,
  },
  {
    title: 'no gateway runs',
    breakIt: (world) => world.remove(`${ownPods}/countersign-gateway-0?gracePeriodSeconds=0`),
    changes: {
      installation: 'problem',
      gateway: 'warning',
      'handle-keys': 'warning',
      upstreams: 'warning',
    },
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
      'handle-keys': 'warning',
      upstreams: 'warning',
      'tool-servers': 'warning',
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
    changes: { gateway: 'warning', 'handle-keys': 'warning', upstreams: 'warning' },
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
    breakIt: ({ pages: { gateway } }) =>
      void gateway.splice(
        gateway.findIndex(({ name }) => name.startsWith('upstream ')),
        1,
      ),
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

for (const fault of [...installed, ...granted]) testFault(fault)
