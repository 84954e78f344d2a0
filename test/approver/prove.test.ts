import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseRanges } from '../../src/approver/address.ts'
import type { ConfiguredNode } from '../../src/approver/rules.ts'
import { requirement } from '../requirements.ts'
import { approvalWorld, nodeObject, ownAddress, plural, storedRequest } from './approve-world.ts'
import { nodeName, type AskedNames } from './request.ts'

type World = ReturnType<typeof approvalWorld>

/** `kind reason`, and what is said. */
async function saidOf(
  asked: AskedNames | undefined,
  spec: object,
  world: World = approvalWorld(),
): Promise<string> {
  world.cluster.put(plural, storedRequest(asked, { spec }))
  const handled = await world.handle()
  return 'reason' in handled
    ? `${handled.kind} ${handled.reason}: ${handled.why}`
    : `${handled.kind}: ${handled.why}`
}

const own = { dnsNames: [nodeName], addresses: [ownAddress] }
const client = {
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
  usages: ['digital signature', 'client auth'],
}

const subjects: Readonly<Record<string, readonly [AskedNames, object, RegExp]>> = {
  'its own': [own, {}, /^approved/],
  'of another node': [{ ...own, commonName: 'system:node:node-c' }, {}, /^denied SubjectNotProved/],
  'of an administrator': [{ ...own, commonName: 'admin' }, {}, /^denied SubjectNotProved/],
  'in system:masters': [
    { ...own, organizations: ['system:masters'] },
    {},
    /^denied SubjectNotProved/,
  ],
  'in system:masters, too': [
    { ...own, organizations: ['system:nodes', 'system:masters'] },
    {},
    /^denied SubjectNotProved/,
  ],
  'of no group': [{ ...own, organizations: [] }, {}, /^denied SubjectNotProved/],
  'of its own for a client': [{}, client, /^approved/],
  'of another for a client': [
    { commonName: 'system:node:node-c' },
    client,
    /^denied SubjectNotProved/,
  ],
  'its own, asked by a person': [own, { username: 'admin', groups: ['system:masters'] }, /^left/],
  'its own, asked by who is no node but says so': [own, { groups: ['system:masters'] }, /^left/],
  'its own, asked by a service account that is bound to none': [
    own,
    { username: 'system:serviceaccount:default:x', groups: [] },
    /^left/,
  ],
  'of its own, by a bootstrapper where none is configured': [
    {},
    { ...client, username: 'system:bootstrap:abcdef', groups: ['system:bootstrappers'] },
    /^left/,
  ],
  'for another signer': [own, { signerName: 'kubernetes.io/kube-apiserver-client' }, /^left/],
}

for (const [what, [asked, spec, said]] of Object.entries(subjects)) {
  test(`a subject ${what}: ${said.source}`, async () => {
    requirement('approver.requester-proved')
    assert.match(await saidOf(asked, spec), said)
  })
}

test('a first certificate is for whom configuration names, and never for a node that is there', async () => {
  requirement('approver.requester-proved')
  const bootstrap = { groups: ['system:bootstrappers:x'], nodes: ['node-new', nodeName] }
  const of = (name: string, groups = ['system:bootstrappers:x']): Promise<string> =>
    saidOf(
      { commonName: `system:node:${name}` },
      { ...client, username: 'system:bootstrap:abcdef', groups },
      approvalWorld({ rules: { bootstrap } }),
    )
  assert.match(await of('node-new'), /^approved/)
  assert.match(await of('node-new', ['system:bootstrappers:y']), /^left/)
  assert.match(await of('node-y'), /^left AnotherApprovers: node node-y is none of/)
  assert.match(await of('no node'), /^denied SubjectNotProved/)
  assert.match(await of(nodeName), /^waits: node node-b is there already/)
})

const exact = ['digital signature', 'server auth']
const usages: readonly (readonly [readonly string[], RegExp])[] = [
  [exact, /^approved/],
  [exact.toReversed(), /^approved/],
  [[...exact, 'key encipherment'], /^denied UsagesNotAllowed/],
  [[...exact, 'client auth'], /^denied UsagesNotAllowed/],
  [[...exact, 'cert sign'], /^denied UsagesNotAllowed/],
  [['server auth'], /^denied UsagesNotAllowed/],
  [['digital signature', 'client auth'], /^denied UsagesNotAllowed/],
  [[], /^denied UsagesNotAllowed/],
]

for (const [asked, said] of usages) {
  test(`usages ${asked.join(', ') || 'none'}: ${said.source}`, async () => {
    requirement('approver.usages-exact')
    assert.match(await saidOf(own, { usages: asked }), said)
  })
}

test('a key of RSA may be for key encipherment, and is of an allowed size and type', async () => {
  requirement('approver.usages-exact')
  const rsa = (bits: number): ReturnType<typeof storedRequest> => {
    const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: bits })
    return storedRequest(own, { key, spec: { usages: [...exact, 'key encipherment'] } })
  }
  const cases = [
    [rsa(3072), {}, /^approved/],
    [rsa(2048), {}, /^denied/],
    [rsa(3072), { keyTypes: ['ECDSAP256'] }, /^denied/],
  ] as const
  for (const [request, rules, said] of cases) {
    const world = approvalWorld({ rules })
    world.cluster.put(plural, request)
    assert.match((await world.handle()).kind, said)
  }
})

test('a life that is longer than allowed is denied, and none that is asked for is the signer’s to say', async () => {
  requirement('approver.usages-exact')
  const of = (expirationSeconds: number | undefined): Promise<string> =>
    saidOf(own, expirationSeconds === undefined ? {} : { expirationSeconds })
  assert.match(await of(undefined), /^approved/)
  assert.match(await of(86_400), /^approved/)
  assert.match(await of(86_401), /^denied LifetimeNotAllowed/)
})

test('octets that are no request of the form are denied, and a megabyte is not read', async () => {
  requirement('approver.usages-exact')
  for (const text of ['x', 'A'.repeat(1024 * 1024)]) {
    const request = Buffer.from(text).toString('base64')
    assert.match(await saidOf(own, { request }), /^denied RequestMalformed/)
  }
})

const names: Readonly<Record<string, readonly [AskedNames, RegExp]>> = {
  'none at all': [{}, /^denied NamesNotProved: alternative names/],
  'a wildcard': [{ dnsNames: ['*.nodes.example'] }, /^denied NamesNotProved/],
  capitals: [{ dnsNames: ['NODE-B'] }, /^denied NamesNotProved/],
  'an address as a name': [{ dnsNames: ['10.77.0.2'] }, /^denied NamesNotProved/],
  'the API server’s name': [{ dnsNames: ['kubernetes.default'] }, /^denied NamesNotProved/],
  'a Service’s name': [
    { dnsNames: ['web.shop.svc.cluster.local'] },
    /^denied NamesNotProved.*never that of a node/,
  ],
  localhost: [{ dnsNames: ['localhost'] }, /^denied NamesNotProved/],
  'this machine': [{ addresses: ['127.0.0.1'] }, /^denied NamesNotProved/],
  'the link': [{ addresses: ['169.254.169.254'] }, /^denied NamesNotProved/],
  'this machine, of sixteen octets': [
    { addresses: ['00000000000000000000000000000001'] },
    /^denied NamesNotProved/,
  ],
  'its own address in the octets of another family': [
    { addresses: ['00000000000000000000ffff0a4d0002'] },
    /^denied NamesNotProved/,
  ],
  'another node’s address': [
    { addresses: [ownAddress, '10.77.0.3'] },
    /^denied NamesNotProved: address 10\.77\.0\.3 is that of node node-c/,
  ],
  'another node’s name': [
    { dnsNames: ['node-c'] },
    /^denied NamesNotProved: DNS name node-c is that of node node-c/,
  ],
  'an address that nobody has': [{ addresses: ['10.77.0.7'] }, /^waits: address 10\.77\.0\.7/],
  'a name that nobody has': [{ dnsNames: ['node-b.example'] }, /^waits: DNS name node-b\.example/],
  'one that is not fit beside one that is awaited': [
    { addresses: ['10.77.0.7', '127.0.0.1'] },
    /^denied NamesNotProved/,
  ],
}

const nodeC = nodeObject(
  'node-c',
  ['Hostname', 'node-c'],
  ['InternalIP', '10.77.0.3'],
  ['InternalIP', 'fd00::3'],
)

for (const [what, [asked, said]] of Object.entries(names)) {
  test(`a serving certificate for ${what}: ${said.source}`, async () => {
    requirement('approver.names-proved')
    assert.match(await saidOf(asked, {}, approvalWorld({ others: [nodeC] })), said)
  })
}

test('a client certificate has no name but its subject', async () => {
  requirement('approver.names-proved')
  for (const asked of [{ dnsNames: [nodeName] }, { addresses: [ownAddress] }]) {
    assert.match(
      await saidOf(asked, client),
      /^denied NamesNotProved: alternative names: want=none/,
    )
  }
})

/** What node-b says of itself. */
function saying(
  addresses: readonly (readonly [string, string])[],
  options: Parameters<typeof approvalWorld>[0] = {},
): World {
  const world = approvalWorld({ others: [nodeC], ...options })
  world.cluster.remove('nodes', nodeName)
  world.cluster.put('nodes', nodeObject(nodeName, ...addresses))
  return world
}

test('an address that another node has, too, is nobody’s until one of them is gone', async () => {
  requirement('approver.names-proved')
  const world = saying([['InternalIP', '10.77.0.3']])
  assert.match(
    await saidOf({ addresses: ['10.77.0.3'] }, {}, world),
    /^waits ClaimedByAnotherNode: .*node-c, too/,
  )
  const long = saying([['InternalIP', 'FD00:0:0::3']])
  const octets = 'fd000000000000000000000000000003'
  assert.match(
    await saidOf({ addresses: [octets] }, {}, long),
    /^waits ClaimedByAnotherNode: .*fd00::3.*node-c, too/,
  )
})

test('the API server’s addresses are denied whatever a node says, and its configuration may have them', async () => {
  requirement('approver.names-proved')
  const cases = [
    ['10.0.0.1', 'of its Service'],
    ['10.77.0.1', 'behind it'],
  ] as const
  for (const [address, what] of cases) {
    const node = { serviceAccount: undefined, dnsNames: [], addresses: [address] }
    const configured = new Map<string, ConfiguredNode>([[nodeName, node]])
    const nodes: readonly (readonly [ReadonlyMap<string, ConfiguredNode>, RegExp])[] = [
      [new Map(), /^denied NamesNotProved.*that of the API server/],
      [configured, /^approved/],
    ]
    for (const [known, said] of nodes) {
      const world = saying([['ExternalIP', address]], { rules: { nodes: known } })
      assert.match(await saidOf({ addresses: [address] }, {}, world), said, what)
    }
  }
})

test('addresses and names of nodes are within what configuration says', async () => {
  requirement('approver.names-proved')
  const rules = {
    addressRanges: parseRanges(['10.77.0.0/16', 'fd77::/16']),
    dnsSuffixes: ['.nodes.example'],
  }
  const addresses = [
    ['InternalIP', ownAddress],
    ['ExternalIP', '192.0.2.1'],
    ['InternalIP', 'fd78::1'],
    ['Hostname', nodeName],
    ['InternalDNS', 'b.nodes.example'],
    ['ExternalDNS', 'www.example'],
  ] as const
  const cases: readonly (readonly [AskedNames, RegExp])[] = [
    [{ addresses: [ownAddress], dnsNames: [nodeName, 'b.nodes.example'] }, /^approved/],
    [{ addresses: ['192.0.2.1'] }, /^denied NamesNotProved: .*outside of the ranges/],
    [{ addresses: ['fd780000000000000000000000000001'] }, /^denied NamesNotProved: .*outside/],
    [{ dnsNames: ['www.example'] }, /^denied NamesNotProved: .*does not end/],
  ]
  for (const [asked, said] of cases) {
    assert.match(await saidOf(asked, {}, saying(addresses, { rules })), said)
  }
})

test('a node’s name is no address, and its address no name', async () => {
  requirement('approver.names-proved')
  const world = saying([
    ['Hostname', '10.77.0.5'],
    ['InternalIP', 'node-x'],
  ])
  assert.match(await saidOf({ addresses: ['10.77.0.5'] }, {}, world), /^waits/)
  assert.match(await saidOf({ dnsNames: ['node-x'] }, {}, world), /^waits/)
})

const account = {
  username: 'system:serviceaccount:vk:slurm-1',
  uid: 'account-uid',
  groups: ['system:serviceaccounts'],
  extra: {
    'authentication.kubernetes.io/pod-name': ['vk-0'],
    'authentication.kubernetes.io/pod-uid': ['pod-uid'],
  },
}
const bound: ConfiguredNode = {
  serviceAccount: { namespace: 'vk', name: 'slurm-1', ofPod: true },
  dnsNames: ['slurm-1.example'],
  addresses: ['10.88.0.1'],
}
const virtual = { commonName: 'system:node:slurm-1', addresses: ['10.88.0.1'] }

interface VirtualCase {
  readonly spec?: object
  readonly asked?: AskedNames
  readonly pod?: object
  readonly absent?: 'pods' | 'serviceaccounts'
  readonly ofPod?: boolean
  readonly said: RegExp
}

const virtualCases: Readonly<Record<string, VirtualCase>> = {
  'its own node': { said: /^approved EvidenceProved: requester .*in pod vk-0/ },
  'a name that is configured': {
    asked: { ...virtual, dnsNames: ['slurm-1.example'] },
    said: /^approved/,
  },
  'another node': {
    asked: { ...virtual, commonName: 'system:node:node-b' },
    said: /^denied Subject/,
  },
  'an address that is not configured': {
    asked: { ...virtual, addresses: ['10.88.0.2'] },
    said: /^waits/,
  },
  'its own node, as an account of before': {
    spec: { uid: 'another' },
    said: /^denied RequesterNotProved/,
  },
  'its own node, as an account that is gone': {
    absent: 'serviceaccounts',
    said: /^denied RequesterNotProved: there is no service account/,
  },
  'its own node, with a token of no pod': {
    spec: { extra: {} },
    said: /^denied RequesterNotProved: .*not bound to a pod/,
  },
  'its own node, with a token of no pod, where that is allowed': {
    spec: { extra: {} },
    ofPod: false,
    said: /^approved/,
  },
  'its own node, with two pods': {
    spec: { extra: { 'authentication.kubernetes.io/pod-name': ['vk-0', 'x'] } },
    ofPod: false,
    said: /^denied RequesterNotProved/,
  },
  'its own node, with the token of a pod that is gone': {
    absent: 'pods',
    said: /^denied RequesterNotProved: there is no pod vk-0/,
  },
  'its own node, with the token of a pod of before': {
    pod: { metadata: { name: 'vk-0', namespace: 'vk', uid: 'another' } },
    said: /^denied RequesterNotProved: pod vk-0 is another one/,
  },
  'its own node, with the token of a pod that has ended': {
    pod: { status: { phase: 'Succeeded' } },
    said: /^denied RequesterNotProved: pod vk-0 is over/,
  },
  'its own node, with the token of another’s pod': {
    pod: { spec: { serviceAccountName: 'other' } },
    said: /^denied RequesterNotProved: pod vk-0 runs as another/,
  },
  'a client certificate': {
    spec: client,
    asked: { commonName: 'system:node:slurm-1' },
    said: /^left/,
  },
}

for (const [
  what,
  { spec = {}, asked = virtual, pod = {}, absent, ofPod = true, said },
] of Object.entries(virtualCases)) {
  test(`a service account that is bound to a node asks for ${what}: ${said.source}`, async () => {
    requirement('approver.requester-proved')
    const { serviceAccount } = bound
    const node = { ...bound, serviceAccount: serviceAccount && { ...serviceAccount, ofPod } }
    const world = approvalWorld({ rules: { nodes: new Map([['slurm-1', node]]) } })
    world.cluster.put('nodes', nodeObject('slurm-1'))
    if (absent !== 'serviceaccounts') {
      const metadata = { name: 'slurm-1', namespace: 'vk', uid: 'account-uid' }
      world.cluster.put('serviceaccounts', { metadata })
    }
    if (absent !== 'pods') {
      world.cluster.put('pods', {
        metadata: { name: 'vk-0', namespace: 'vk', uid: 'pod-uid' },
        spec: { serviceAccountName: 'slurm-1' },
        ...pod,
      })
    }
    assert.match(await saidOf(asked, { ...account, ...spec }, world), said)
  })
}
