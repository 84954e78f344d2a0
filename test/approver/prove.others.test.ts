import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRanges } from '../../src/approver/address.ts'
import { approverSchema } from '../../src/cli/approver/approver-configuration.ts'
import { requirement } from '../requirements.ts'
import { approvalWorld, nodeObject, plural, storedRequest } from './approve-world.ts'
import { nodeName, type AskedNames } from './request.ts'

type Stated = readonly (readonly [string, string])[]

/** What is said to node-b, which states so and asks so. */
async function saidOf(
  stated: Stated,
  asked: AskedNames,
  options: Parameters<typeof approvalWorld>[0],
): Promise<string> {
  const world = approvalWorld(options)
  world.cluster.put('nodes', nodeObject(nodeName, ...stated))
  world.cluster.put(plural, storedRequest(asked))
  const handled = await world.handle()
  return `${handled.kind}: ${handled.why}`
}

const slurm = {
  serviceAccount: undefined,
  dnsNames: ['slurm-1.hpc.example'],
  addresses: ['10.0.7.20'],
}
const rules = {
  nodes: new Map([['slurm-1', slurm]]),
  bootstrap: { groups: ['system:bootstrappers:x'], nodes: ['node-new'] },
  addressRanges: parseRanges(['10.0.0.0/8']),
  dnsSuffixes: ['.hpc.example'],
}

const configured: Readonly<Record<string, readonly [Stated, AskedNames]>> = {
  'an address of another': [[['InternalIP', '10.0.7.20']], { addresses: ['10.0.7.20'] }],
  'a name of another': [
    [['Hostname', 'slurm-1.hpc.example']],
    { dnsNames: ['slurm-1.hpc.example'] },
  ],
  'the name of another itself': [[['Hostname', 'slurm-1']], { dnsNames: ['slurm-1'] }],
  'the name of one that is awaited': [[['Hostname', 'node-new']], { dnsNames: ['node-new'] }],
}

for (const [what, [stated, asked]] of Object.entries(configured)) {
  test(`what configuration gives to one node is no other’s: ${what}`, async () => {
    requirement('approver.names-proved')
    assert.match(
      await saidOf(stated, asked, { rules }),
      /^denied: .* is that of node .*, by configuration$/,
    )
  })
}

test('an address or a name is configured for one node', () => {
  requirement('approver.names-proved')
  const nodes = (second: object): object => ({
    kubeletServing: true,
    ledger: { file: 'ledger.jsonl' },
    nodes: [{ name: 'a', addresses: ['10.0.0.1'], dnsNames: ['a.example'] }, second],
  })
  const read = (second: object): boolean => approverSchema('.').safeParse(nodes(second)).success
  assert.equal(read({ name: 'b', addresses: ['10.0.0.2'], dnsNames: ['b.example'] }), true)
  assert.equal(read({ name: 'b', addresses: ['10.0.0.1'] }), false)
  assert.equal(read({ name: 'b', addresses: ['::ffff:10.0.0.1'] }), false)
  assert.equal(read({ name: 'b', dnsNames: ['a.example'] }), false)
  assert.equal(read({ name: 'b', dnsNames: ['a'] }), false)
})

const many = Array.from({ length: 511 }, (_, at) => ['Other', `192.0.2.${at}`] as const)

const spelled: Readonly<Record<string, readonly [Stated, string]>> = {
  'in capitals': [[['InternalDNS', 'Node-C.Corp.Example']], 'node-c.corp.example'],
  'with a dot at its end': [[['InternalDNS', 'node-c.corp.example.']], 'node-c.corp.example'],
  'as its object’s name': [[], 'node-c'],
  'as an address of the other family': [[['InternalIP', '::ffff:10.77.0.3']], '10.77.0.3'],
  'as its host name': [[['Hostname', '10.77.0.3']], '10.77.0.3'],
  'behind many others': [[...many, ['InternalIP', '10.77.0.3']], '10.77.0.3'],
}

for (const [what, [stated, name]] of Object.entries(spelled)) {
  test(`what another node has is its own, ${what}`, async () => {
    requirement('approver.names-proved')
    const isAddress = /^[0-9.]+$/.test(name)
    const others = [nodeObject('node-c', ...stated)]
    const options = { others, rules: { dnsSuffixes: ['.corp.example', 'node-c'] } }
    const asked = isAddress ? { addresses: [name] } : { dnsNames: [name] }
    const own = [[isAddress ? 'InternalIP' : 'InternalDNS', name]] as const
    assert.match(await saidOf(own, asked, options), /^waits: .* is that of node node-c, too/)
    assert.match(await saidOf([], asked, options), /^denied: .* is that of node node-c$/)
  })
}

test('against what cannot be known a node’s word is not enough, and configuration is', async () => {
  requirement('approver.names-proved')
  const own = [['InternalIP', '10.77.0.2']] as const
  const asked = { addresses: ['10.77.0.2'] }
  const node = { serviceAccount: undefined, dnsNames: [], addresses: ['10.77.0.2'] }
  const configured = { rules: { nodes: new Map([[nodeName, node]]) } }
  const cases = [
    [{ unreadable: ['node-x'] }, /^waits: .* node node-x cannot be read/],
    [{ unreadable: [''] }, /^waits: .* node without a name cannot be read/],
    [{ unreadable: [nodeName] }, /^approved/],
    [{ unreadable: ['node-x'], ...configured }, /^approved/],
  ] as const
  for (const [options, said] of cases) assert.match(await saidOf(own, asked, options), said)
  for (const kind of ['services', 'endpointslices']) {
    const told = [
      [{}, /^waits: .* where the API server is nobody says/],
      [configured, /^approved/],
    ] as const
    for (const [options, said] of told) {
      const world = approvalWorld(options)
      world.cluster.remove(kind, 'kubernetes', 'default')
      world.cluster.put(plural, storedRequest(asked))
      const handled = await world.handle()
      assert.match(`${handled.kind}: ${handled.why}`, said, kind)
    }
  }
})

test('a name in capitals is that of a node that states it so', async () => {
  requirement('approver.names-proved')
  const options = { rules: { dnsSuffixes: ['.corp.example'] } }
  const of = (name: string, stated = name): Promise<string> =>
    saidOf([['InternalDNS', stated]], { dnsNames: [name] }, options)
  assert.match(await of('Node-B.Corp.Example'), /^approved/)
  assert.match(await of('Node-B.Corp.Example', 'node-b.corp.example'), /^denied: .* in lower case/)
  assert.match(await of('Kubernetes.Default'), /^denied: .*never that of a node/)
  assert.match(await of('B.Corp.Test'), /^denied: .*does not end/)
})

test('unless names are configured a node is believed its own alone', async () => {
  requirement('approver.names-proved')
  const of = (name: string): Promise<string> =>
    saidOf([['Hostname', name]], { dnsNames: [name] }, {})
  for (const name of ['api.prod.example', 'vault', 'vault.prod']) {
    assert.match(await of(name), /^waits: .*want=dnsSuffixes/, name)
  }
  assert.match(await of(nodeName), /^approved/)
})
