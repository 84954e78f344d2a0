import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfiguration } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { defaultLimits } from '../../src/gateway/limits.ts'
import { requirement } from '../requirements.ts'

const signer = `
trustDomain: agents.example
cluster: prod-1
authority: { files: { certificate: ca.pem, privateKey: /keys/ca.key } }
ledger: { file: ledger }
`

const gateway = `
trustDomain: agents.example
credentialBundle: /var/run/countersign/credential-bundle.pem
trustBundle: /var/run/countersign/trust-bundle.pem
hosts: [gateway.example]
production: false
decisionLog: { file: decisions.jsonl }
upstreams:
  - { server: github, url: 'https://github.tools.svc/mcp', spiffeId: 'spiffe://agents.example/ns/tools/sa/github' }
`

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-configuration-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function file(text: string | Buffer): Promise<string> {
  const path = join(folder, 'config.yaml')
  await writeFile(path, text)
  return path
}

test('a signer’s file is read with its defaults, paths relative to the file', async () => {
  const config = await readConfiguration(await file(signer), signerSchema)
  assert.equal(config.signerName, 'countersign.dev/identity')
  assert.deepEqual(config.authority, {
    files: { certificate: join(folder, 'ca.pem'), privateKey: '/keys/ca.key' },
  })
  assert.deepEqual(config.profile, { lifetimeSecondsMax: 3600, backdateSeconds: 90 })
  assert.deepEqual(config.admin, { host: '127.0.0.1', port: 9443 })
  assert.deepEqual(config.lease, {
    namespace: 'countersign-system',
    name: 'countersign-trust-bundle',
  })
})

const sandbox = '{ group: agents.x-k8s.io, version: v1, resource: sandboxes, kind: Sandbox }'
const claimsRefused = {
  'no owner': ['[]', 'claims.owners: too small: expected array to have >=1 items'],
  'a group of Kubernetes itself': [
    '[{ group: apps, version: v1, resource: replicasets, kind: ReplicaSet }]',
    'claims.owners.0.group: want=the group of a custom resource, such as agents.x-k8s.io',
  ],
  'a path in the place of a resource': [
    '[{ group: a.example, version: v1, resource: ../pods, kind: Pod }]',
    'claims.owners.0.resource: want=a resource in the plural, such as sandboxes',
  ],
  'a kind twice': [
    `[${sandbox}, ${sandbox}]`,
    'claims.owners.1.kind: want=each kind once got=Sandbox of agents.x-k8s.io as owners[0], too',
  ],
  'a resource for two kinds': [
    `[${sandbox}, ${sandbox.replace('kind: Sandbox', 'kind: SandboxClaim')}]`,
    'claims.owners.1.resource: want=each resource once got=sandboxes of agents.x-k8s.io as owners[0], too',
  ],
} as const

for (const [what, [owners, want]] of Object.entries(claimsRefused)) {
  test(`claims with ${what} are refused by the field`, async () => {
    const text = `${signer}claims: { owners: ${owners} }\n`
    await assert.rejects(readConfiguration(await file(text), signerSchema), (error: Error) => {
      assert.ok(error.message.includes(want), error.message)
      return true
    })
  })
}

test('a pod of a pool waits for its claim unless told', async () => {
  const text = `${signer}claims: { owners: [${sandbox}] }\n`
  const { claims } = await readConfiguration(await file(text), signerSchema)
  assert.equal(claims?.unclaimed, 'wait')
})

test('a gateway’s file is read with its defaults', async () => {
  const config = await readConfiguration(await file(gateway), gatewaySchema)
  assert.equal(config.listen.port, 8443)
  assert.deepEqual(config.upstreams[0]?.eras, ['modern'])
  assert.equal(config.upstreams[0]?.spiffeId.path, '/ns/tools/sa/github')
  assert.equal(config.decisionLog.file, join(folder, 'decisions.jsonl'))
})

test('a limit that is configured holds, the others stay as they are', async () => {
  const { limits } = await readConfiguration(
    await file(`${gateway}limits: { inFlightMax: 9 }\n`),
    gatewaySchema,
  )
  assert.deepEqual(limits, { ...defaultLimits, inFlightMax: 9 })
})

const brokenSigner: readonly [string, string, RegExp][] = [
  ['an empty file', '', /\(top level\): /],
  ['text that is no YAML', 'a: [', /config\.yaml: /],
  ['a list', '- a', /\(top level\): /],
  ['a field twice', `${signer}cluster: other\n`, /Map keys must be unique/],
  ['an alias', 'trustDomain: &a x\ncluster: *a', /config\.yaml|alias/i],
  ['a field that does not exist', `${signer}trustdomain: x\n`, /trustdomain: no such field/],
  ['a trust domain in capitals', signer.replace('agents.example', 'Agents'), /trustDomain: /],
  [
    'a mode of a namespace that there is not',
    `${signer}enforcement: { namespaces: { team-a: lenient } }\n`,
    /enforcement\.namespaces\.team-a: .*enforce/,
  ],
  [
    'a mode that YAML 1.1 reads as false',
    `${signer}enforcement: { namespaces: { team-a: false } }\n`,
    /enforcement\.namespaces\.team-a: /,
  ],
  [
    'a mode of what is no name of a namespace',
    `${signer}enforcement: { namespaces: { 'team-*': warn } }\n`,
    /enforcement\.namespaces\.team-\*: want=the name of a namespace/,
  ],
  ['a mode for all', `${signer}enforcement: warn\n`, /enforcement: /],
  ['no cluster', signer.replace('cluster: prod-1', ''), /cluster: required/],
  ['no authority', signer.replace(/authority.*/, ''), /authority: required/],
  [
    'a lifetime below an hour',
    `${signer}profile: { lifetimeSecondsMax: 60 }\n`,
    /profile\.lifetimeSecondsMax: /,
  ],
  ['a key type that is none', `${signer}profile: { keyTypes: [DSA] }\n`, /profile\.keyTypes\.0: /],
  ['a port that is none', `${signer}admin: { port: 70000 }\n`, /admin\.port: /],
  ['a lease without a name', `${signer}lease: { name: '' }\n`, /lease\.name: /],
  ['no ledger', signer.replace(/ledger.*/, ''), /ledger: required/],
  [
    'records kept for less than certificates and their keys are',
    signer.replace(/ledger.*/, 'ledger: { file: l, log: { keyFile: k }, retentionDays: 2 }'),
    /ledger\.retentionDays: .*3/,
  ],
  [
    'records removed that nobody can prove any more',
    signer.replace(/ledger.*/, 'ledger: { file: l, retentionDays: 30 }'),
    /ledger\.retentionDays: want=ledger\.log, too/,
  ],
  [
    'a segment for each record',
    signer.replace(/ledger.*/, 'ledger: { file: l, segmentOctets: 1000 }'),
    /ledger\.segmentOctets: /,
  ],
  [
    'a CA that is replaced before its certificates have ended',
    `${rotating('everySeconds: 50000')}profile: { lifetimeSecondsMax: 86400 }\n`,
    /authority\.selfSigned\.rotation\.everySeconds: want=86400\.\.31449000 got=50000/,
  ],
  [
    'a CA that would end before it is replaced',
    rotating('everySeconds: 31536000'),
    /authority\.selfSigned\.rotation\.everySeconds: want=14400\.\.31449000 got=31536000/,
  ],
  [
    'a CA whose anchor readers have no time for',
    `${rotating('everySeconds: 14400')}trustBundle: { propagationSeconds: 3600 }\n`,
    /authority\.selfSigned\.rotation\.prepareBeforeSeconds: want=3660\.\.7200 got=3600/,
  ],
  [
    'a CA that the signer would ask of itself',
    asking('countersign.dev/identity'),
    /authority\.csr\.signerName: want=another signer than this one/,
  ],
  [
    'a CA that a signer of Kubernetes is asked for',
    asking('kubernetes.io/legacy-unknown'),
    /authority\.csr\.signerName: want=a signer that issues CAs, none of kubernetes\.io/,
  ],
  [
    'a CA that nobody in particular is asked for',
    asking('platform'),
    /authority\.csr\.signerName: want=<domain>\/<name>/,
  ],
]

function asking(signerName: string): string {
  const csr = `{ signerName: ${signerName}, anchors: ca.crt, namespace: system }`
  return signer.replace(/authority.*/, `authority: { csr: ${csr} }`)
}

function rotating(rotation: string): string {
  const authority = `authority: { selfSigned: { namespace: system, rotation: { ${rotation} } } }`
  return signer.replace(/authority.*/, authority)
}

for (const [what, text, message] of brokenSigner) {
  test(`a signer’s configuration with ${what} is refused by name`, async () => {
    requirement('cli.configuration-closed')
    const path = await file(text)
    await assert.rejects(
      readConfiguration(path, signerSchema),
      (error: Error & { code: string }) => {
        assert.match(error.message, message)
        assert.equal(error.code, 'cli/configuration')
        return true
      },
    )
  })
}

const withMember = (member: string): string =>
  gateway.replace("sa/github' }", `sa/github', ${member} }`)

test('a tool server has scopes and limits of its own', async () => {
  const members = "scopes: ['read_*', find], limits: { upstreamConnectionsMax: 4 }"
  const { upstreams } = await readConfiguration(await file(withMember(members)), gatewaySchema)
  assert.deepEqual(
    upstreams[0]?.scopes?.map(({ text }) => text),
    ['github:find', 'github:read_*'],
  )
  assert.deepEqual(upstreams[0]?.limits, { upstreamConnectionsMax: 4 })
})

const inProduction = (member: string): string =>
  `${withMember(member).replace('production: false', '')}firstUseFolder: first-use\n`

test('in production a tool server with pins is taken, and one that is trusted on first use', async () => {
  for (const member of ['pins: {}', 'trustOnFirstUse: true']) {
    const { firstUseFolder } = await readConfiguration(
      await file(inProduction(member)),
      gatewaySchema,
    )
    assert.equal(firstUseFolder, join(folder, 'first-use'))
  }
})

const brokenGateway: readonly [string, string, RegExp][] = [
  [
    'a tool server in production of which nobody has approved anything',
    inProduction('eras: [modern]'),
    /upstreams\.0\.pins: required in production, or trustOnFirstUse: true/,
  ],
  [
    'first use that is remembered nowhere',
    withMember('trustOnFirstUse: true'),
    /upstreams\.0\.trustOnFirstUse: want=firstUseFolder, where first use is remembered/,
  ],
  ['scopes of no tool', withMember('scopes: []'), /upstreams\.0\.scopes: list .* is empty/],
  [
    'a scope that names a server',
    withMember("scopes: ['github:*']"),
    /upstreams\.0\.scopes: tool of a tool scope is not/,
  ],
  ['one scope twice', withMember('scopes: [a, a]'), /upstreams\.0\.scopes: .* duplicate, got="a"/],
  [
    'a limit of a tool server above its own',
    withMember('limits: { upstreamConnectionsMax: 129 }'),
    /upstreams\.0\.limits\.upstreamConnectionsMax: want=at most limits\.upstreamConnectionsMax, 128 got=129/,
  ],
  [
    'a limit of a tool server that only a gateway has',
    withMember('limits: { inFlightMax: 1 }'),
    /upstreams\.0\.limits\.inFlightMax: no such field/,
  ],
  [
    'an upstream without TLS',
    gateway.replace('https://github', 'http://github'),
    /upstreams\.0\.url: want=an https URL/,
  ],
  [
    'an upstream without a SPIFFE ID',
    gateway.replace(/, spiffeId: '[^']*'/, ''),
    /upstreams\.0\.spiffeId: required/,
  ],
  [
    'an upstream of no era',
    gateway.replace('server: github,', 'server: github, eras: [],'),
    /upstreams\.0\.eras: /,
  ],
  [
    'a server name with an underscore',
    gateway.replace('server: github', 'server: git_hub'),
    /upstreams\.0\.server: want=a server name/,
  ],
  [
    'a server named twice',
    `${gateway}${gateway.split('\n').at(-2)}\n`,
    /upstreams\.1\.server: want=each server named once got=github/,
  ],
  [
    'one SPIFFE ID behind two servers',
    `${gateway}${(gateway.split('\n').at(-2) ?? '').replace('server: github', 'server: mirror')}\n`,
    /upstreams\.1\.spiffeId: want=a SPIFFE ID for each server got=\S+ of github and mirror/,
  ],
  [
    'an upstream of another trust domain',
    gateway.replace('spiffe://agents.example/', 'spiffe://other.example/'),
    /upstreams\.0\.spiffeId: want=the trust domain agents\.example got=other\.example of github/,
  ],
  ['no hosts', gateway.replace('[gateway.example]', '[]'), /hosts: /],
  ['a limit that is none', `${gateway}limits: { bodyMax: 1 }\n`, /limits\.bodyMax: no such field/],
  ['a limit beyond reason', `${gateway}limits: { inFlightMax: 0 }\n`, /limits\.inFlightMax: /],
  [
    'a share larger than the whole',
    `${gateway}limits: { tenantSharePercent: 30 }\n`,
    /limits\.namespaceSharePercent: want=at most limits\.tenantSharePercent, 30 got=40/,
  ],
  [
    'an answer that could never wait for its caller',
    `${gateway}limits: { answerBytesMax: 268435456 }\n`,
    /limits\.answerBytesMax: want=at most limits\.unsentBytesMax, 134217728 got=268435456/,
  ],
]

for (const [what, text, message] of brokenGateway) {
  test(`a gateway’s configuration with ${what} is refused by name`, async () => {
    requirement('cli.configuration-closed')
    requirement('gateway.upstream-told-apart')
    await assert.rejects(readConfiguration(await file(text), gatewaySchema), message)
  })
}

test('a file that is not there is named', async () => {
  await assert.rejects(readConfiguration(join(folder, 'none.yaml'), signerSchema), /none\.yaml/)
})

test('a file of more than a mebibyte is not read', async () => {
  const path = await file(Buffer.alloc(1024 * 1024 + 1, 0x20))
  await assert.rejects(readConfiguration(path, signerSchema), /larger than 1048576 octets/)
})

test('nested aliases do not expand', async () => {
  const bomb = ['a: &a [x, x]', 'b: &b [*a, *a]', 'c: &c [*b, *b]', 'd: [*c, *c]'].join('\n')
  await assert.rejects(readConfiguration(await file(bomb), signerSchema))
})
