import { system, type DoctorWorld } from '../doctor/doctor-world.ts'
import { rbac, testFault, type Fault } from './doctor-fault.ts'

const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toolservers.countersign.dev'
const configMap = `/api/v1/namespaces/${system}/configmaps/countersign-gateway`
const clusterRole = `${rbac}/clusterroles/countersign-gateway.${system}`
const collection = '/apis/countersign.dev/v1alpha1/namespaces/acme/toolservers'
const countersign = ['countersign.dev']

/** As the chart sets them with gateway.toolServers, whatever else it is told. */
async function follow(world: DoctorWorld, saysStatus = true): Promise<void> {
  const { body: map } = await world.admin.get(configMap)
  const text = `${map.data['gateway.yaml']}\ntoolServers: true\n`
  await world.patch(configMap, { data: { 'gateway.yaml': text } })
  const { body: role } = await world.admin.get(clusterRole)
  const rules = [
    ...role.rules,
    { apiGroups: countersign, resources: ['toolservers'], verbs: ['list', 'watch'] },
    ...(saysStatus
      ? [{ apiGroups: countersign, resources: ['toolservers/status'], verbs: ['patch'] }]
      : []),
    { apiGroups: [''], resources: ['events'], verbs: ['create'] },
  ]
  await world.patch(clusterRole, { rules })
}

const accepted = { status: 'True', reason: 'Accepted', message: 'served as acme--search' }

/** A ToolServer, and what a gateway has said of it. */
async function apply(world: DoctorWorld, said?: object): Promise<void> {
  const spec = { service: { name: 'search' }, serviceAccount: 'search' }
  const apiVersion = 'countersign.dev/v1alpha1'
  const metadata = { name: 'search' }
  await world.create(collection, { apiVersion, kind: 'ToolServer', metadata, spec })
  if (said === undefined) return
  const lastTransitionTime = '2026-07-28T12:00:00Z'
  const condition = { type: 'Accepted', observedGeneration: 1, lastTransitionTime, ...said }
  await world.patch(`${collection}/search/status`, { status: { conditions: [condition] } })
}

const faults: readonly Fault[] = [
  {
    title: 'a ToolServer is accepted, which is nobody’s fault',
    breakIt: async (world) => {
      await follow(world)
      await apply(world, accepted)
    },
    changes: { 'custom-resources': 'ok' },
    evidence: /^toolservers\.countersign\.dev: served v1alpha1, .* schema revision 3$/,
  },
  {
    title: 'a ToolServer is refused, and the line says which field',
    breakIt: async (world) => {
      await follow(world)
      const message = 'spec.serviceAccount: want=a SPIFFE ID for each server'
      await apply(world, { status: 'False', reason: 'SpiffeIdTaken', message })
    },
    changes: { 'tool-servers': 'warning' },
    evidence: /^acme\/search: SpiffeIdTaken: spec\.serviceAccount: want=a SPIFFE ID for each/,
  },
  {
    title: 'no gateway says anything of a ToolServer',
    breakIt: async (world) => {
      await follow(world)
      await apply(world)
    },
    changes: { 'tool-servers': 'warning' },
    evidence: /^acme\/search: nothing said of generation 1$/,
  },
  {
    title: 'what was said of a ToolServer is of an older generation',
    breakIt: async (world) => {
      await follow(world)
      await apply(world, accepted)
      await world.patch(`${collection}/search`, { spec: { timeoutSeconds: 5 } })
    },
    changes: { 'tool-servers': 'warning' },
    evidence: /^acme\/search: nothing said of generation 2$/,
  },
  {
    title: 'there is a ToolServer, and the gateway follows none',
    breakIt: (world) => apply(world),
    changes: { 'tool-servers': 'warning' },
    evidence: /^acme\/search$/,
  },
  {
    title: 'the resource ToolServer is not there, and the gateway follows them',
    breakIt: async (world) => {
      await follow(world)
      await world.remove(crd)
    },
    changes: { 'custom-resources': 'problem', 'tool-servers': 'warning' },
    evidence: /want=CustomResourceDefinition toolservers\.countersign\.dev got=none/,
  },
  {
    title: 'the resource ToolServer is of a release without status',
    breakIt: async (world) => {
      await follow(world)
      const annotations = { 'countersign.dev/schema-revision': '1' }
      await world.patch(crd, { metadata: { annotations } })
    },
    changes: { 'custom-resources': 'problem' },
    evidence: /toolservers\.countersign\.dev: .* schema revision 1/,
  },
  {
    title: 'the gateway may not say whether ToolServers are served',
    breakIt: (world) => follow(world, false),
    changes: { rights: 'warning' },
    evidence:
      /^gateway: patch toolservers\/status\.countersign\.dev is missing: no ToolServer says/,
  },
]

for (const fault of faults) testFault(fault)
