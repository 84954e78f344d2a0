import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { requirement } from '../requirements.ts'
import {
  defaultValuesFile,
  parseRendering,
  refusalOfChart,
  renderChart,
  type Rendered,
} from '../support/chart.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-values-'))
})

after(() => rm(folder, { recursive: true, force: true }))

let files = 0

/** What helm says to these values on top of those of the vector. */
async function refusalOf(values: string): Promise<string> {
  const file = join(folder, `${(files += 1)}.yaml`)
  await writeFile(file, values)
  return refusalOfChart('-f', file)
}

const upstream = `{ server: a, url: 'https://a.tools.svc/mcp', spiffeId: spiffe://agents.example/x }`

function remoteOf(cluster: string, trustDomain: string, of = cluster): string {
  const agent = '{ namespace: a, serviceAccount: b }'
  const secrets = `kubeconfigSecretName: ${of}, authoritySecretName: ${of}-ca`
  return `{ cluster: ${cluster}, trustDomain: ${trustDomain}, ${secrets}, agent: ${agent} }`
}

/** What is written, and what the error says of it: always the value's name. */
const refused: readonly [title: string, values: string, said: RegExp][] = [
  [
    'a mode of enforcement that there is not',
    'enforcement: { namespaces: { team-a: lenient } }',
    /at '\/enforcement\/namespaces\/team-a': value must be one of 'enforce', 'warn', 'off'/,
  ],
  [
    'a mode of enforcement of what is no namespace',
    'enforcement: { namespaces: { "team-*": warn } }',
    /at '\/enforcement\/namespaces': additional properties 'team-\*' not allowed/,
  ],
  ['an unknown value', 'gatway: {}', /additional properties 'gatway' not allowed/],
  [
    'a misspelt value',
    'gateway: { replcas: 3 }',
    /at '\/gateway': additional properties 'replcas' not allowed/,
  ],
  [
    'a misspelt field of a tool server',
    `gateway: { upstreams: [{ server: a, url: 'https://a/mcp', spifeId: x }] }`,
    /at '\/gateway\/upstreams\/0': (.|\n)*'spifeId' not allowed/,
  ],
  [
    'a misspelt grant',
    'policy: { grants: { tenant: { acme: {} } } }',
    /at '\/policy\/grants': additional properties 'tenant' not allowed/,
  ],
  [
    'a grant of a misspelt kind',
    'policy: { grants: { tenants: { acme: { github: { tool: {} } } } } }',
    /at '\/policy\/grants\/tenants\/acme\/github': additional properties 'tool' not allowed/,
  ],
  [
    'a tool server over plain HTTP',
    `gateway: { upstreams: [{ server: a, url: 'http://a/mcp', spiffeId: spiffe://x/y }] }`,
    /at '\/gateway\/upstreams\/0\/url': 'http:\/\/a\/mcp' does not match/,
  ],
  [
    'an unknown mode',
    'admissionPolicy: { mode: deny }',
    /'\/admissionPolicy\/mode': value must be/,
  ],
  ['no replicas', 'signer: { replicas: 0 }', /'\/signer\/replicas': minimum: got 0, want 1/],
  [
    'a list of callers without any, which would let everybody in',
    'networkPolicy: { callers: [] }',
    /'\/networkPolicy\/callers': minItems: got 0, want 1/,
  ],
  ['text for a truth', 'production: "false"', /'\/production': got string, want boolean/],
  [
    'more backdating than a profile takes',
    'profile: { backdateSeconds: 240 }',
    /'\/profile\/backdateSeconds': maximum: got 240, want 120/,
  ],
  ['a trust domain in capitals', 'trustDomain: Agents.Example', /'\/trustDomain': 'Agents/],
  [
    'a signer name without a path',
    'signerName: countersign.dev',
    /'\/signerName': 'countersign.dev' does not match/,
  ],
  ['no trust domain', "trustDomain: ''", /- trustDomain: required/],
  ['no cluster', "cluster: ''", /- cluster: required/],
  [
    'production without an OID',
    'production: true',
    /- identityExtensionOid: required in production/,
  ],
  [
    'trust on first use in production that nothing remembers',
    `production: true\ngateway: { upstreams: [{ server: a, url: 'https://a.tools.svc/mcp', spiffeId: spiffe://agents.example/x, trustOnFirstUse: true }] }`,
    /- gateway\.upstreams: server a: trustOnFirstUse needs gateway\.firstUse\.existingClaim in production/,
  ],
  [
    'production with the OID of examples',
    'production: true\nidentityExtensionOid: 1.3.6.1.4.1.32473.1',
    /- identityExtensionOid: 1\.3\.6\.1\.4\.1\.32473 is for examples only/,
  ],
  [
    'a CA in files without their Secret',
    'authority: { kind: files }',
    /- authority\.files\.secretName: required where authority\.kind is files/,
  ],
  [
    'two CAs at once',
    'authority: { files: { secretName: ca } }',
    /- authority\.files\.secretName: authority\.kind is selfSigned, so it would be ignored/,
  ],
  [
    'a CA that is asked for without anchors',
    'authority: { kind: csr, csr: { signerName: clusterissuers.cert-manager.io/a } }',
    /- authority\.csr\.anchorsConfigMap: required where authority\.kind is csr/,
  ],
  [
    'a CA that nobody asks for',
    'authority: { csr: { signerName: clusterissuers.cert-manager.io/a } }',
    /- authority\.csr\.signerName: authority\.kind is selfSigned, so it would be ignored/,
  ],
  [
    'a CA that the signer asks of itself',
    'signerName: a.example/b\nauthority: { kind: csr, csr: { signerName: a.example/b, anchorsConfigMap: a } }',
    /- authority\.csr\.signerName: is this signer/,
  ],
  [
    'a CA that Kubernetes is asked for',
    'authority: { kind: csr, csr: { signerName: kubernetes.io/kube-apiserver-client, anchorsConfigMap: a } }',
    /- authority\.csr\.signerName: want=a signer that issues CAs, none of kubernetes\.io/,
  ],
  [
    'a CA that ends before its certificates',
    'authority: { selfSigned: { lifetimeSeconds: 86400 } }\nprofile: { lifetimeSecondsMax: 86400 }',
    /- authority\.selfSigned\.lifetimeSeconds: has to be at least twice profile\.lifetimeSecondsMax/,
  ],
  [
    'an approver of nothing',
    'approver: { enabled: true, kubeletServing: false }',
    /- approver\.kubeletServing: with approver\.enabled it/,
  ],
  [
    'an approver beside a signer that approves itself',
    'certificateSigningRequests: { enabled: true, approve: true, approver: { enabled: true } }',
    /- certificateSigningRequests\.approver\.enabled: it approves for a signer/,
  ],
  [
    'bootstrappers of no node',
    'approver: { enabled: true, kubeletClient: true, bootstrap: { groups: [system:bootstrappers] } }',
    /- approver\.bootstrap: want=groups and nodes/,
  ],
  [
    'bootstrappers who are anybody',
    'approver: { bootstrap: { groups: [system:authenticated] } }',
    /'\/approver\/bootstrap\/groups\/0': 'system:authenticated' does not match/,
  ],
  [
    'a wildcard for a name of a node',
    "approver: { nodes: [{ name: a, dnsNames: ['*.example'] }] }",
    /'\/approver\/nodes\/0\/dnsNames\/0': '\*\.example' does not match/,
  ],
  [
    'a cluster that is signed for twice',
    `remotes: [${remoteOf('edge', 'a.example')}, ${remoteOf('edge', 'b.example')}]`,
    /- remotes\[1\]\.cluster: edge is that of another one/,
  ],
  [
    'another cluster with our trust domain',
    `trustDomain: agents.example\nremotes: [${remoteOf('edge', 'agents.example')}]`,
    /- remotes\[0\]\.trustDomain: agents\.example is that of another one: a name of one cluster/,
  ],
  [
    'two signers of one cluster by two names',
    `remotes: [${remoteOf('edge', 'a.example')}, ${remoteOf('other', 'b.example', 'edge')}]`,
    /- remotes\[1\]\.authoritySecretName: edge-ca is that of another one.*- remotes\[1\]\.kubeconfigSecretName: edge is that of another one/s,
  ],
  [
    'another cluster with our CA',
    `authority: { kind: files, files: { secretName: edge-ca } }\nremotes: [${remoteOf('edge', 'a.example')}]`,
    /- remotes\[0\]\.authoritySecretName: edge-ca is that of another one/,
  ],
  [
    'another cluster that nobody may ask of',
    'remotes: [{ cluster: edge, trustDomain: a.example, kubeconfigSecretName: a, authoritySecretName: b }]',
    /'\/remotes\/0'.*agent/s,
  ],
  [
    'a CA that is replaced before its certificates end',
    'authority: { selfSigned: { rotation: { everySeconds: 3600 } } }',
    /- authority\.selfSigned\.rotation\.everySeconds: want=14400\.\.31449000 got=3600/,
  ],
  [
    'a CA whose readers have no time',
    'authority: { selfSigned: { rotation: { everySeconds: 7776000, prepareBeforeSeconds: 60 } } }',
    /- authority\.selfSigned\.rotation\.prepareBeforeSeconds: want=360\.\.3888000 got=60/,
  ],
  [
    'a rotation of files',
    'authority: { kind: files, files: { secretName: ca }, selfSigned: { rotation: { everySeconds: 7776000 } } }',
    /- authority\.selfSigned\.rotation\.everySeconds: authority\.kind is files/,
  ],
  [
    'a gateway without tool servers',
    'gateway: { upstreams: [] }',
    /- gateway\.upstreams: at least one/,
  ],
  [
    'a tool server named twice',
    `gateway: { upstreams: [${upstream}, ${upstream}] }`,
    /- gateway\.upstreams: server a is named twice/,
  ],
  [
    'one SPIFFE ID behind two tool servers',
    `gateway: { upstreams: [${upstream}, ${upstream.replace('server: a', 'server: b')}] }`,
    /- gateway\.upstreams: servers a and b have one spiffeId, spiffe:\/\/agents\.example\/x/,
  ],
  [
    'a tool server of another trust domain',
    `gateway: { upstreams: [${upstream.replace('agents.example', 'other.example')}] }`,
    /- gateway\.upstreams: server a is not of the trust domain agents\.example/,
  ],
  [
    'a limit beyond reason',
    'gateway: { limits: { inFlightMax: 0 } }',
    /at '\/gateway\/limits\/inFlightMax': minimum: got 0, want 1/,
  ],
  [
    'a drain that SIGKILL would cut off',
    'gateway: { drain: { callSecondsMax: 90 } }',
    /- gateway\.terminationGracePeriodSeconds: has to be longer than gateway\.drain/,
  ],
  [
    'grants in two places',
    'policy: { data: { grants: {} } }',
    /- policy\.data\.grants: say it in policy\.grants/,
  ],
  [
    'a bundle server without its authors',
    "policy: { service: { url: 'https://bundles.example', resource: b.tar.gz } }",
    /- policy\.signature\.keys: required with policy\.service\.url: what comes over a network/,
  ],
  [
    'a bundle server over plain HTTP',
    "policy: { service: { url: 'http://bundles.example', resource: b.tar.gz } }",
    /at '\/policy\/service\/url': 'http:\/\/bundles.example' does not match pattern/,
  ],
  [
    'two places of a bundle',
    "policy: { bundleConfigMap: b, service: { url: 'https://bundles.example', secretKeys: [token] } }",
    /- policy\.service\.resource: required[^]*- policy\.bundleConfigMap: the bundle comes[^]*- policy\.service\.secretName: required/,
  ],
  [
    'authors of nothing',
    'policy: { signature: { keys: [{ id: a, algorithm: ES256, publicKey: "-----BEGIN PUBLIC KEY-----\\nAA==\\n-----END PUBLIC KEY-----\\n" }] } }',
    /- policy\.signature\.keys: only the bundle of policy\.service\.url/,
  ],
  [
    'a private key beside a public one',
    'policy: { signature: { keys: [{ id: a, algorithm: ES256, publicKey: "-----BEGIN PRIVATE KEY-----\\nAA==\\n-----END PRIVATE KEY-----\\n-----BEGIN PUBLIC KEY-----\\nAA==\\n-----END PUBLIC KEY-----\\n" }] } }',
    /at '\/policy\/signature\/keys\/0\/publicKey': [^]* does not match pattern/,
  ],
  [
    'a private key that speaks of a public one',
    'policy: { signature: { keys: [{ id: a, algorithm: ES256, publicKey: "-----BEGIN PUBLIC KEY-----\\nAA==\\n-----END PUBLIC KEY-----\\n-----BEGIN EC PRIVATE KEY-----\\nAA==" }] } }',
    /at '\/policy\/signature\/keys\/0\/publicKey': [^]* does not match pattern/,
  ],
  [
    'a bundle that is not below its server, and a secret of which nothing is used',
    "policy: { service: { url: 'https://bundles.example', resource: a/../x, secretName: s } }",
    /- policy\.service\.resource: want=a path below the URL, without \. and \.\.[^]*- policy\.service\.secretKeys: required with policy\.service\.secretName/,
  ],
  [
    'what is a registry’s alone',
    "policy: { service: { url: 'https://r.example', resource: a, blobHosts: [b.example] } }",
    /- policy\.service: tokenUrl, blobHosts, username, password and \.dockerconfigjson are a registry's/,
  ],
  [
    'two users of a registry',
    "policy: { service: { type: oci, url: 'https://r.example', resource: 'a:v1', secretName: s, secretKeys: [token, .dockerconfigjson] } }",
    /- policy\.service\.secretKeys: want=one of token, password and \.dockerconfigjson/,
  ],
  [
    'a tag of a bundle server',
    "policy: { service: { url: 'https://r.example', resource: 'a:v1' } }",
    /- policy\.service\.resource: a tag or a digest is a registry's/,
  ],
  [
    'a registry that is asked for a path, with half of a password, and held',
    "policy: { service: { type: oci, url: 'https://r.example', resource: a/b, username: robot, polling: { longPollingTimeoutSeconds: 5 } } }",
    /- policy\.service\.resource: want=<repository>:<tag>[^]*- policy\.service\.username: want=[^]*- policy\.service\.polling\.longPolling/,
  ],
  [
    'metrics that nobody may read',
    'monitoring: { podMonitor: { enabled: true } }',
    /- networkPolicy\.scrapers: empty, so nobody could read the metrics/,
  ],
]

for (const [title, values, said] of refused) {
  test(`refused, by the value's name: ${title}`, async () => {
    requirement('chart.values-closed')
    assert.match(await refusalOf(values), said)
  })
}

test('everything that does not go together is said at once', async () => {
  const said = await refusalOf("trustDomain: ''\ncluster: ''\ngateway: { upstreams: [] }")
  assert.equal(said.match(/^- /gm)?.length, 3, said)
})

/** Where these values have the gateway remember what it trusts on first use. */
async function firstUseOf(...values: readonly string[]): Promise<readonly [unknown, unknown]> {
  const oid = 'identityExtensionOid=1.3.6.1.4.1.55555.1'
  const set = [oid, ...values].flatMap((each) => ['--set-string', each])
  const rendered = parseRendering(await renderChart('-f', defaultValuesFile, ...set))
  const [pods] = rendered.filter(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'countersign-gateway',
  )
  const { volumes = [] } = (pods as unknown as PodsOf).spec.template.spec
  const config = rendered
    .map(({ data }) => data?.['gateway.yaml'])
    .find((text) => text !== undefined)
  return [volumes.find(({ name }) => name === 'first-use'), config?.includes('firstUseFolder')]
}

interface PodsOf {
  readonly spec: { template: { spec: { volumes?: readonly { readonly name: string }[] } } }
}

test('what is trusted on first use is remembered by what outlives the pod, and in production by nothing else', async () => {
  requirement('gateway.first-use-remembered')
  const emptyDir = { sizeLimit: '256Mi' }
  assert.deepEqual(await firstUseOf(), [{ name: 'first-use', emptyDir }, true])
  const claimed = { name: 'first-use', persistentVolumeClaim: { claimName: 'kept' } }
  assert.deepEqual(await firstUseOf('gateway.firstUse.existingClaim=kept'), [claimed, true])
  const file = join(folder, 'production.yaml')
  const pinned = `{ server: a, url: 'https://a.tools.svc/mcp', spiffeId: spiffe://agents.example/x, pins: {} }`
  const values = `production: true\ngateway: { upstreams: [${pinned}] }\nidentityExtensionOid: 1.3.6.1.4.1.55555.1\n`
  await writeFile(file, values)
  const production = await renderChart('-f', defaultValuesFile, '-f', file)
  assert.doesNotMatch(production, /first-use|firstUseFolder/)
})

test('a bundle server reaches gateway and signer, with its credentials, its authors and a place for what was good', async () => {
  requirement('policy.bundle-followed')
  const file = join(folder, 'service.yaml')
  const publicKey = '-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n'
  const polling = { minDelaySeconds: 5, longPollingTimeoutSeconds: 30 }
  const values = {
    policy: {
      service: {
        url: 'https://bundles.example',
        resource: 'bundles/gateway.tar.gz',
        secretName: 'bundle-server',
        secretKeys: ['ca.crt', 'token', 'tls.crt'],
        polling,
      },
      signature: { keys: [{ id: 'authors', algorithm: 'ES256', publicKey }], scope: 'production' },
    },
    networkPolicy: { bundleEgress: [{ to: [{ ipBlock: { cidr: '192.0.2.1/32' } }] }] },
  }
  await writeFile(file, JSON.stringify(values))
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const places = { gateway: '/var/lib/countersign-policy', signer: '/var/lib/countersign/policy' }
  for (const [name, place] of Object.entries(places)) {
    const named = `countersign-${name}`
    const ofKind = (kind: string): Rendered =>
      rendering.find((each) => each.kind === kind && each.metadata.name === named) ??
      assert.fail(`${kind} ${named}`)
    const { data } = ofKind('ConfigMap')
    const text = data[`${name}.yaml`] as string
    const { policy } =
      name === 'signer'
        ? parseConfiguration(text, signerSchema, '/etc/countersign/signer.yaml')
        : parseConfiguration(text, gatewaySchema, '/etc/countersign/gateway.yaml')
    const secret = '/etc/countersign/policy-service'
    assert.deepEqual(policy, {
      data: ['/etc/countersign/policy-data.json'],
      engine: 'plan',
      service: {
        url: 'https://bundles.example',
        resource: 'bundles/gateway.tar.gz',
        tls: { caCert: `${secret}/ca.crt` },
        credentials: {
          bearer: { tokenPath: `${secret}/token` },
          clientTls: { cert: `${secret}/tls.crt`, privateKey: `${secret}/tls.key` },
        },
        responseHeaderTimeoutSeconds: 10,
        polling: { maxDelaySeconds: 120, ...polling },
      },
      persistenceDirectory: place,
      signature: {
        keys: [
          { id: 'authors', algorithm: 'ES256', publicKey: '/etc/countersign/policy-key-0.pem' },
        ],
        scope: 'production',
      },
    })
    assert.equal(data['policy-key-0.pem'], publicKey)
    const { template } = ofKind(name === 'signer' ? 'StatefulSet' : 'Deployment')['spec']
    const { containers, volumes } = template.spec
    const mounts: readonly { readonly mountPath: string; readonly readOnly?: boolean }[] =
      containers[0].volumeMounts
    const mount = mounts.find(({ mountPath }) => place.startsWith(mountPath))
    assert.equal(mount?.readOnly, undefined)
    assert.ok(mount)
    const items = ['ca.crt', 'token', 'tls.crt', 'tls.key'].map((key) => ({
      key,
      path: `policy-service/${key}`,
    }))
    const config = volumes.find((volume: { name: string }) => volume.name === 'config')
    assert.deepEqual(config.projected.sources.at(-1), { secret: { name: 'bundle-server', items } })
    const { egress } = ofKind('NetworkPolicy')['spec']
    assert.deepEqual(egress.at(-1), values.networkPolicy.bundleEgress[0])
  }
})

test('an unquoted off, which YAML 1.1 reads as false, turns the admission policy off', async () => {
  const file = join(folder, 'off.yaml')
  await writeFile(file, 'admissionPolicy: { mode: off }')
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  assert.ok(rendering.every(({ kind }) => !kind.startsWith('ValidatingAdmission')))
})

test('modes of enforcement reach the signer by namespace, an unquoted off as off', async () => {
  requirement('signer.modes-by-configuration')
  const file = join(folder, 'modes.yaml')
  await writeFile(file, 'enforcement: { namespaces: { team-a: warn, team-b: off, team-c: "off" } }')
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const config = rendering.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'countersign-signer',
  )
  const text: unknown = config?.['data']['signer.yaml']
  assert.ok(typeof text === 'string')
  const { enforcement } = parseConfiguration(text, signerSchema, file)
  const namespaces = { 'team-a': 'warn', 'team-b': 'off', 'team-c': 'off' }
  assert.deepEqual(enforcement, { namespaces })
})

test('a value from outside stays a value, whatever stands in it', async () => {
  const file = join(folder, 'hostile.yaml')
  const cluster = 'x\n    injected: true {{ .Values }} "\' # *a'
  await writeFile(
    file,
    JSON.stringify({ cluster, policy: { data: { 'a": {': '\n---\nkind: Pod' } } }),
  )
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const config = rendering.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'countersign-signer',
  )
  assert.ok(config)
  assert.match(config['data']['signer.yaml'], /^cluster: /m)
  assert.doesNotMatch(config['data']['signer.yaml'], /^injected/m)
  assert.equal(JSON.parse(config['data']['policy-data.json'])['a": {'], '\n---\nkind: Pod')
})

test('a registry reaches gateway and signer, with its user and the hosts of its layers', async () => {
  const file = join(folder, 'registry.yaml')
  const publicKey = '-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n'
  const service = {
    type: 'oci',
    url: 'https://registry.example',
    resource: 'org/policies:live',
    tokenUrl: 'https://auth.example/token',
    blobHosts: ['layers.example:8443'],
  }
  const given = { ...service, username: 'robot', secretName: 'r', secretKeys: ['password'] }
  const signature = { keys: [{ id: 'authors', algorithm: 'ES256', publicKey }] }
  const candidate = { resource: 'org/policies:next' }
  await writeFile(file, JSON.stringify({ policy: { service: given, signature, candidate } }))
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '-f', file))
  const configOf = (name: string): string => {
    const isOne = (each: Rendered): boolean =>
      each.kind === 'ConfigMap' && each.metadata.name === `countersign-${name}`
    return rendering.find(isOne)?.['data'][`${name}.yaml`] as string
  }
  const configs = [
    parseConfiguration(configOf('gateway'), gatewaySchema, '/etc/countersign/gateway.yaml'),
    parseConfiguration(configOf('signer'), signerSchema, '/etc/countersign/signer.yaml'),
  ]
  const passwordPath = '/etc/countersign/policy-service/password'
  for (const { policy } of configs) {
    assert.deepEqual(policy.service, {
      ...service,
      credentials: { basic: { username: 'robot', passwordPath } },
      responseHeaderTimeoutSeconds: 10,
      polling: { minDelaySeconds: 60, maxDelaySeconds: 120 },
    })
    assert.deepEqual(policy.candidate, candidate)
  }
})

test('a pull Secret of a registry is mounted and named', async () => {
  const file = join(folder, 'pull-secret.yaml')
  const publicKey = '-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n'
  const place = { type: 'oci', url: 'https://registry.example', resource: 'org/policies:live' }
  const service = { ...place, secretName: 'pull', secretKeys: ['.dockerconfigjson'] }
  const signature = { keys: [{ id: 'authors', algorithm: 'ES256', publicKey }] }
  await writeFile(file, JSON.stringify({ policy: { service, signature } }))
  const rendered = await renderChart('-f', defaultValuesFile, '-f', file)
  const isGateway = (each: Rendered): boolean =>
    each.kind === 'ConfigMap' && each.metadata.name === 'countersign-gateway'
  const text = parseRendering(rendered).find(isGateway)?.['data']['gateway.yaml'] as string
  const { policy } = parseConfiguration(text, gatewaySchema, '/etc/countersign/gateway.yaml')
  const path = '/etc/countersign/policy-service/.dockerconfigjson'
  assert.deepEqual(policy.service?.credentials, { dockerConfig: { path } })
  assert.match(rendered, /key: \.dockerconfigjson\n\s+path: policy-service\/\.dockerconfigjson/)
})
