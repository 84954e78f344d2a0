import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { validate } from '../../src/cli/configuration.ts'
import { approverSchema } from '../../src/cli/approver/approver-configuration.ts'
import { gatewaySchema } from '../../src/cli/gateway/gateway-configuration.ts'
import { signerSchema } from '../../src/cli/signer/signer-configuration.ts'
import { approverRights } from '../../src/approver/rights.ts'
import { approvalRights, claimRights, toolServerRights } from '../../src/gateway/rights.ts'
import { requestApproverRights, signerRights } from '../../src/signer/rights.ts'
import { ownerKinds } from '../support/claims.ts'
import { requirement } from '../requirements.ts'
import { csrApproverRules } from '../support/csr-approver-rights.ts'
import {
  chartFolder,
  defaultRenderingFile,
  defaultValuesFile,
  helm,
  parseRendering,
  releaseNamespace,
  renderChart,
  withoutChance,
  type Rendered,
} from '../support/chart.ts'
import {
  lineOf,
  placeOf,
  programRights,
  renderedSigner,
  rolesOf,
  singleRules,
} from '../support/rendered-rights.ts'

const examples = (await readdir(join(chartFolder, 'examples'))).map((name) =>
  join(chartFolder, 'examples', name),
)

test('the recorded rendering is what the chart renders', async () => {
  const rendered = withoutChance(await renderChart('-f', defaultValuesFile))
  const hint = 'run node test/chart/update.ts, and look at the difference'
  assert.equal(rendered, await readFile(defaultRenderingFile, 'utf8'), hint)
})

for (const file of [defaultValuesFile, ...examples]) {
  test(`helm finds nothing to say of ${file.slice(file.lastIndexOf('/') + 1)}`, async () => {
    const { code, stdout, stderr } = await helm(['lint', '--strict', chartFolder, '-f', file])
    assert.equal(code, 0, stdout + stderr)
    assert.doesNotMatch(stdout, /WARNING|ERROR/)
    for (const object of parseRendering(await renderChart('-f', file))) {
      assert.ok(object.apiVersion && object.kind && object.metadata.name, JSON.stringify(object))
    }
  })
}

test('the programs take the configuration of every example', async () => {
  for (const file of examples) {
    const rendering = parseRendering(await renderChart('-f', file))
    for (const { data } of rendering.filter(({ kind }) => kind === 'ConfigMap')) {
      if (data['signer.yaml']) validate(parse(data['signer.yaml']), signerSchema('/'), file)
      if (data['gateway.yaml']) validate(parse(data['gateway.yaml']), gatewaySchema('/'), file)
    }
  }
})

test('a rendering leaves no line with blanks at its end', async () => {
  for (const file of examples) {
    assert.doesNotMatch(await renderChart('-f', file), /[ \t]$/m, file)
  }
})

const ofGateway = programRights['countersign-gateway'] ?? []

test('with approvals the gateway gets the rights that it uses for them, and no others', async () => {
  requirement('chart.rights-to-the-letter')
  const values = ['-f', defaultValuesFile, '--set', 'gateway.approvals=true']
  const rendering = parseRendering(await renderChart(...values))
  const given = rolesOf(rendering, 'countersign-gateway').flatMap(({ rules, metadata }) =>
    singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
  )
  const wanted = [...ofGateway, ...approvalRights(releaseNamespace)].map(lineOf)
  assert.deepEqual(given.toSorted(), wanted.toSorted())
})

test('with tool servers as resources the gateway gets the rights that it uses for them, and no others', async () => {
  requirement('chart.rights-to-the-letter')
  const values = ['-f', defaultValuesFile, '--set', 'gateway.toolServers=true']
  const rendering = parseRendering(await renderChart(...values))
  const given = rolesOf(rendering, 'countersign-gateway').flatMap(({ rules, metadata }) =>
    singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
  )
  const wanted = [...ofGateway, ...toolServerRights].map(lineOf)
  assert.deepEqual(given.toSorted(), wanted.toSorted())
})

for (const approve of [true, false]) {
  test(`where pods ask by themselves the signer gets the rights that it uses for them, approve=${approve}, and no others`, async () => {
    requirement('chart.rights-to-the-letter')
    const set = `certificateSigningRequests.enabled=true,certificateSigningRequests.approve=${approve}`
    const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '--set', set))
    const given = rolesOf(rendering, 'countersign-signer').flatMap(({ rules, metadata }) =>
      singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
    )
    const wanted = signerRights({ ...renderedSigner, signingRequests: { approve } }).map(lineOf)
    assert.deepEqual(given.toSorted(), wanted.toSorted())
    const file = rendering.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'countersign-signer',
    )
    const config = validate(parse(file?.['data']['signer.yaml']), signerSchema('/'), 'signer.yaml')
    assert.deepEqual(config.certificateSigningRequests, { approve })
  })
}

test('where pods are given to claims, signer and gateway follow the same owners, with the rights for that and no others', async () => {
  requirement('chart.rights-to-the-letter')
  const set = ownerKinds.flatMap((owner, index) =>
    Object.entries(owner).map(([field, value]) => `claims.owners[${index}].${field}=${value}`),
  )
  const rendering = parseRendering(
    await renderChart('-f', defaultValuesFile, '--set', [...set, 'claims.unclaimed=pool'].join()),
  )
  const wanted = {
    'countersign-signer': signerRights({ ...renderedSigner, claimOwners: ownerKinds }),
    'countersign-gateway': [...ofGateway, ...claimRights(ownerKinds)],
  }
  for (const [account, rights] of Object.entries(wanted)) {
    const given = rolesOf(rendering, account).flatMap(({ rules, metadata }) =>
      singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
    )
    assert.deepEqual(given.toSorted(), rights.map(lineOf).toSorted(), account)
  }
  const textOf = (name: string, file: string): unknown =>
    parse(
      rendering.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)?.[
        'data'
      ][file],
    )
  const signer = validate(
    textOf('countersign-signer', 'signer.yaml'),
    signerSchema('/'),
    'signer.yaml',
  )
  assert.deepEqual(signer.claims, { owners: ownerKinds, unclaimed: 'pool' })
  const gateway = validate(
    textOf('countersign-gateway', 'gateway.yaml'),
    gatewaySchema('/'),
    'gateway.yaml',
  )
  assert.deepEqual(gateway.claims, { owners: ownerKinds })
})

test('where an agent may ask for others the signer reads what they declare, and has no right more', async () => {
  requirement('chart.rights-to-the-letter')
  const values = 'certificateSigningRequests'
  const set = `${values}.enabled=true,${values}.approve=true,${values}.issuedCertificates.serviceAccount=agent`
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, '--set', set))
  const given = rolesOf(rendering, 'countersign-signer').flatMap(({ rules, metadata }) =>
    singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
  )
  const issuedCertificates = { namespace: releaseNamespace, serviceAccount: 'agent' }
  const signingRequests = { approve: true, issuedCertificates }
  const wanted = signerRights({ ...renderedSigner, signingRequests }).map(lineOf)
  assert.deepEqual(given.toSorted(), wanted.toSorted())
  const file = rendering.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'countersign-signer',
  )
  const config = validate(parse(file?.['data']['signer.yaml']), signerSchema('/'), 'signer.yaml')
  assert.deepEqual(config.certificateSigningRequests, signingRequests)
})

for (const [asked, ends] of [
  [false, false],
  [true, false],
  [false, true],
] as const) {
  test(`a signer that asks for its CA gets the rights that it uses for that, also where pods ask=${asked} and Revocations end it=${ends}, and no others`, async () => {
    requirement('chart.rights-to-the-letter')
    const set = [
      'authority.kind=csr',
      'authority.csr.signerName=clusterissuers.cert-manager.io/platform',
      'authority.csr.anchorsConfigMap=platform-roots',
      `certificateSigningRequests.enabled=${asked}`,
      `authority.csr.revocations=${ends}`,
    ]
    const values = ['-f', defaultValuesFile, '--set', set.join()]
    const rendering = parseRendering(await renderChart(...values))
    const given = rolesOf(rendering, 'countersign-signer').flatMap(({ rules, metadata }) =>
      singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
    )
    const secret = { namespace: releaseNamespace, name: 'countersign-intermediate' }
    const signingRequests = asked ? { approve: false } : undefined
    const asks = { asksForAuthority: true, endsAuthority: ends }
    const options = { ...renderedSigner, secret, signingRequests, ...asks }
    assert.deepEqual(given.toSorted(), signerRights(options).map(lineOf).toSorted())
    const file = rendering.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'countersign-signer',
    )
    const config = validate(parse(file?.['data']['signer.yaml']), signerSchema('/'), 'signer.yaml')
    assert.deepEqual(config.authority, {
      csr: {
        signerName: 'clusterissuers.cert-manager.io/platform',
        anchors: '/etc/countersign/authority/ca.crt',
        namespace: releaseNamespace,
        secret: 'countersign-intermediate',
        lifetimeSeconds: 7_776_000,
        keyType: 'ECDSAP256',
        annotations: {},
        revocations: ends,
      },
    })
    const names = rendering
      .filter(({ kind }) => kind === 'Secret')
      .map(({ metadata }) => metadata.name)
    assert.ok(
      names.includes('countersign-intermediate') && !names.includes('countersign-authority'),
    )
    assert.match(
      JSON.stringify(rendering),
      /"configMap":\{"name":"platform-roots","items":\[\{"key":"ca.crt","path":"authority\/ca.crt"/,
    )
  })
}

test('the signer of another cluster has that one alone: no right here, no token of it, and a CA and a ledger of its own', async () => {
  requirement('chart.rights-to-the-letter')
  const agent = { namespace: 'countersign-system', serviceAccount: 'countersign-agent' }
  const remotes = ['edge-1', 'edge-2'].map((cluster) => ({
    cluster,
    trustDomain: `${cluster}.example`,
    kubeconfigSecretName: `${cluster}-kubeconfig`,
    authoritySecretName: `${cluster}-ca`,
    agent,
  }))
  const set = ['--set-json', `remotes=${JSON.stringify(remotes)}`]
  const before = parseRendering(await renderChart('-f', defaultValuesFile))
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...set))
  const kindsOf = (objects: readonly Rendered[]): readonly string[] =>
    objects.filter(({ kind }) => /Role|Binding/.test(kind)).map(({ metadata }) => metadata.name)
  assert.deepEqual(kindsOf(rendering), kindsOf(before))
  for (const { cluster, trustDomain } of remotes) {
    const own = rendering.filter(
      ({ metadata }) => metadata.name === `countersign-signer-of-${cluster}`,
    )
    const kinds = own.map(({ kind }) => kind).toSorted()
    assert.deepEqual(kinds, ['ConfigMap', 'NetworkPolicy', 'Service', 'StatefulSet'])
    const written = own.find(({ kind }) => kind === 'ConfigMap')?.['data']['signer.yaml']
    const config = validate(parse(written), signerSchema('/'), 'signer.yaml')
    assert.deepEqual(
      [config.cluster, config.trustDomain, config.kubeconfig],
      [cluster, trustDomain, '/etc/countersign/cluster/kubeconfig'],
    )
    assert.deepEqual(config.certificateSigningRequests?.issuedCertificates, agent)
    const pod = own.find(({ kind }) => kind === 'StatefulSet')?.['spec'].template.spec
    assert.equal(pod.automountServiceAccountToken, false)
    assert.equal(pod.serviceAccountName, 'countersign-remotes')
    const mounted = JSON.stringify(pod.volumes)
    const secrets = [...mounted.matchAll(/"secret":\{"name":"([^"]+)"/g)].map(([, name]) => name)
    assert.deepEqual(secrets, [`${cluster}-kubeconfig`, `${cluster}-ca`])
  }
})

test('the signer of another cluster that carries Revocations may list those of here, and nothing else', async () => {
  requirement('chart.rights-to-the-letter')
  const agent = { namespace: 'countersign-system', serviceAccount: 'countersign-agent' }
  const remotes = ['edge-1', 'edge-2'].map((cluster, index) => ({
    cluster,
    trustDomain: `${cluster}.example`,
    kubeconfigSecretName: `${cluster}-kubeconfig`,
    authoritySecretName: `${cluster}-ca`,
    agent,
    ...(index === 0 && { revocationsFrom: 'hub' }),
  }))
  const set = ['--set-json', `remotes=${JSON.stringify(remotes)}`]
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...set))
  const named = (kind: string, name: string): Rendered | undefined =>
    rendering.find((each) => each.kind === kind && each.metadata.name === name)
  const role = rendering.find(
    ({ kind, metadata }) =>
      kind === 'ClusterRole' && metadata.name.startsWith('countersign-remotes'),
  )
  assert.deepEqual(role?.['rules'], [
    { apiGroups: ['countersign.dev'], resources: ['revocations'], verbs: ['list'] },
  ])
  const binding = named('ClusterRoleBinding', role.metadata.name)
  assert.deepEqual(binding?.['subjects'][0].name, 'countersign-remotes')
  const [carries, does] = remotes.map(({ cluster }) => {
    const data = named('ConfigMap', `countersign-signer-of-${cluster}`)?.['data']
    const { revocations } = validate(parse(data['signer.yaml']), signerSchema('/'), 'signer.yaml')
    const pod = named('StatefulSet', `countersign-signer-of-${cluster}`)?.['spec'].template.spec
    const token = JSON.stringify(pod.volumes).includes('"serviceAccountToken":{"path":"hub/token"')
    return { revocations, token, kubeconfig: data['hub.kubeconfig'] as string | undefined }
  })
  const kubeconfig = '/etc/countersign/hub.kubeconfig'
  assert.deepEqual(carries?.revocations, { from: 'hub', kubeconfig })
  assert.match(carries?.kubeconfig ?? '', /tokenFile: \/etc\/countersign\/hub\/token/)
  assert.equal(carries?.token, true)
  assert.deepEqual(does, { revocations: undefined, token: false, kubeconfig: undefined })
})

test('where the signer approves nothing there is a role for the account that does, and nobody has it', async () => {
  requirement('chart.rights-to-the-letter')
  const rolesWith = async (...values: readonly string[]): Promise<readonly Rendered[]> => {
    const set = values.flatMap((each) => ['--set', `certificateSigningRequests.${each}`])
    const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...set))
    return rendering.filter(({ metadata }) => metadata.name.startsWith('countersign-csr-approver'))
  }
  const [role, ...others] = await rolesWith('enabled=true')
  assert.deepEqual(role?.['rules'], csrApproverRules)
  assert.deepEqual(others, [])
  assert.deepEqual(await rolesWith('enabled=true', 'approve=true'), [])
  assert.deepEqual(await rolesWith('enabled=false'), [])
})

const approved = [
  'certificateSigningRequests.enabled=true',
  'certificateSigningRequests.approver.enabled=true',
]

for (const [what, set, rights] of [
  ['pods', [], {}],
  [
    'pods that are given away, and what an agent asks for others',
    [
      'certificateSigningRequests.issuedCertificates.serviceAccount=agent',
      ...ownerKinds.flatMap((owner, index) =>
        Object.entries(owner).map(([field, value]) => `claims.owners[${index}].${field}=${value}`),
      ),
    ],
    {
      claimOwners: ownerKinds,
      signingRequests: {
        approve: false,
        issuedCertificates: { namespace: releaseNamespace, serviceAccount: 'agent' },
      },
    },
  ],
] as const) {
  test(`an approver of what ${what} ask approves by the signer’s configuration, by an account of its own that signs nothing`, async () => {
    requirement('chart.rights-to-the-letter')
    requirement('signer.approver-proves')
    const values = [...approved, ...set].flatMap((each) => ['--set', each])
    const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...values))
    const linesOf = (account: string): readonly string[] =>
      rolesOf(rendering, account).flatMap(({ rules, metadata }) =>
        singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
      )
    const given = linesOf('countersign-csr-approver')
    const wanted = requestApproverRights({ ...renderedSigner, ...rights }).map(lineOf)
    assert.deepEqual(given.toSorted(), wanted.toSorted())
    const step = (verb: string) => (line: string) => line.includes('signers') && line.endsWith(verb)
    assert.equal(given.some(step('sign')), false)
    assert.equal(linesOf('countersign-signer').some(step('approve')), false)
    const made = rendering.find(
      ({ kind, metadata }) =>
        kind === 'StatefulSet' && metadata.name === 'countersign-csr-approver',
    )
    assert.ok(made)
    const { serviceAccountName, containers, volumes } = made['spec'].template.spec
    assert.equal(serviceAccountName, 'countersign-csr-approver')
    assert.deepEqual(containers[0].args, [
      'approve-requests',
      '--signer',
      '/etc/countersign/signer.yaml',
    ])
    assert.match(JSON.stringify(volumes), /"configMap":{"name":"countersign-signer"}/)
    assert.doesNotMatch(JSON.stringify(volumes), /secret/i)
  })
}

test('a PodMonitor reads every program of the release, the signers of other clusters among them', async () => {
  const remote = {
    cluster: 'edge',
    trustDomain: 'edge.example',
    kubeconfigSecretName: 'edge-kubeconfig',
    authoritySecretName: 'edge-ca',
    agent: { namespace: 'countersign-system', serviceAccount: 'countersign-agent' },
  }
  const scraper = { podSelector: { matchLabels: { app: 'prometheus' } } }
  const values = [
    `remotes=${JSON.stringify([remote])}`,
    'monitoring.podMonitor.enabled=true',
    'approver.enabled=true',
    'certificateSigningRequests.enabled=true',
    'certificateSigningRequests.approver.enabled=true',
    `networkPolicy.scrapers=${JSON.stringify([scraper])}`,
  ].flatMap((value) => ['--set-json', value])
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...values))
  const monitor = rendering.find(({ kind }) => kind === 'PodMonitor')
  const selected = Object.entries(monitor?.['spec'].selector.matchLabels as object)
  assert.ok(selected.length > 0)
  const makers = rendering.filter(({ kind }) => ['StatefulSet', 'Deployment'].includes(kind))
  assert.equal(makers.length, 5)
  for (const { metadata, spec } of makers) {
    const { labels } = spec.template.metadata as {
      readonly labels: Readonly<Record<string, string>>
    }
    assert.ok(
      selected.every(([name, value]) => labels[name] === value),
      metadata.name,
    )
    const [{ ports }] = spec.template.spec.containers
    assert.ok(
      ports.some(({ name }: { name: string }) => name === 'admin'),
      metadata.name,
    )
    const policy = rendering.find(
      (each) => each.kind === 'NetworkPolicy' && each.metadata.name === metadata.name,
    )
    assert.match(JSON.stringify(policy?.['spec'].ingress), /"app":"prometheus".*"port":"admin"/)
  }
})

test('the signer of another cluster asks the policy that the values name, and not the built-in one', async () => {
  const remote = {
    cluster: 'edge-1',
    trustDomain: 'edge-1.example',
    kubeconfigSecretName: 'edge-1-kubeconfig',
    authoritySecretName: 'edge-1-ca',
    agent: { namespace: 'countersign-system', serviceAccount: 'countersign-agent' },
  }
  const values = [
    `remotes=${JSON.stringify([remote])}`,
    'policy.bundleConfigMap="rules"',
    'policy.candidate.bundleConfigMap="next-rules"',
    'networkPolicy.bundleEgress=[{"ports":[{"port":8443,"protocol":"TCP"}]}]',
    'policy.data={"issuance":{"denied_namespaces":{"kube-system":true},"lifetime_seconds_max":{}}}',
  ]
  const set = values.flatMap((each) => ['--set-json', each])
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...set))
  const [hub, edge] = ['countersign-signer', 'countersign-signer-of-edge-1'].map((wanted) => {
    const own = rendering.filter(({ metadata }) => metadata.name === wanted)
    const written = own.find(({ kind }) => kind === 'ConfigMap')?.['data']
    const pod = own.find(({ kind }) => kind === 'StatefulSet')?.['spec'].template.spec
    const { policy } = validate(parse(written['signer.yaml']), signerSchema('/'), 'signer.yaml')
    const sources = JSON.stringify(pod.volumes).match(/"configMap":\{"name":"[^"]*rules"/g)
    const egress = own.find(({ kind }) => kind === 'NetworkPolicy')?.['spec'].egress
    return { policy, data: written['policy-data.json'], sources, egress }
  })
  assert.deepEqual(edge, hub)
  assert.equal(edge?.policy.bundle, '/etc/countersign/policy')
  assert.match(edge.data, /"kube-system":true/)
  assert.equal(edge.sources?.length, 3)
  assert.match(JSON.stringify(edge.egress), /8443/)
})

const boundNode = [
  'approver.nodes[0].name=slurm-1',
  'approver.nodes[0].serviceAccount.namespace=interlink',
  'approver.nodes[0].serviceAccount.name=slurm-1',
  'approver.nodes[0].addresses[0]=10.0.7.20',
]
const account = { namespace: 'interlink', name: 'slurm-1', ofPod: true }

for (const [what, set, rights] of [
  ['serving certificates', [], { signers: ['serving'], accounts: [] }],
  [
    'client certificates',
    ['approver.kubeletServing=false', 'approver.kubeletClient=true'],
    { signers: ['client'], accounts: [] },
  ],
  [
    'both, and a virtual node',
    ['approver.kubeletClient=true', ...boundNode],
    { signers: ['serving', 'client'], accounts: [account] },
  ],
] as const) {
  test(`the approver of ${what} gets the rights that it uses, by an account of its own, and no others`, async () => {
    requirement('chart.rights-to-the-letter')
    requirement('approver.never-signs')
    const values = ['approver.enabled=true', ...set].flatMap((each) => ['--set', each])
    const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...values))
    const given = rolesOf(rendering, 'countersign-approver').flatMap(({ rules, metadata }) =>
      singleRules(rules).map((rule) => lineOf(placeOf(rule, metadata.namespace))),
    )
    assert.deepEqual(given.toSorted(), approverRights(rights).map(lineOf).toSorted())
    // None of these is another program's.
    const signer = rolesOf(rendering, 'countersign-signer').map(({ metadata }) => metadata.name)
    const approver = rolesOf(rendering, 'countersign-approver').map(({ metadata }) => metadata.name)
    assert.ok(approver.every((name) => !signer.includes(name)))
    const file = rendering.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'countersign-approver',
    )
    const config = validate(
      parse(file?.['data']['approver.yaml']),
      approverSchema('/'),
      'approver.yaml',
    )
    assert.deepEqual(
      [config.kubeletServing, config.kubeletClient, config.nodes.length],
      [
        rights.signers.some((each) => each === 'serving'),
        rights.signers.some((each) => each === 'client'),
        rights.accounts.length,
      ],
    )
  })
}

test('a client stays at one replica of the gateway, unless a value says otherwise', async () => {
  const affinity = async (...values: readonly string[]): Promise<unknown> => {
    const rendered = parseRendering(await renderChart('-f', defaultValuesFile, ...values))
    const service = rendered.find(
      ({ kind, metadata }) => kind === 'Service' && metadata.name === 'countersign-gateway',
    )
    return (service as { spec?: { sessionAffinity?: unknown } } | undefined)?.spec?.sessionAffinity
  }
  assert.equal(await affinity(), 'ClientIP')
  assert.equal(await affinity('--set', 'gateway.service.sessionAffinity=None'), 'None')
  await assert.rejects(affinity('--set', 'gateway.service.sessionAffinity=sometimes'))
})

test('a signer with a decision log has a volume that holds all of its files, and none without; so have those of other clusters', async () => {
  const remote = {
    cluster: 'edge',
    trustDomain: 'edge.example',
    kubeconfigSecretName: 'edge',
    authoritySecretName: 'edge-ca',
    agent: { namespace: 'countersign-system', serviceAccount: 'countersign-agent' },
  }
  const remotes = ['--set-json', `remotes=${JSON.stringify([remote])}`]
  const rendered = async (
    name: string,
    ...set: readonly string[]
  ): Promise<readonly [unknown, unknown]> => {
    const rendering = parseRendering(await renderChart('-f', defaultValuesFile, ...remotes, ...set))
    const ofKind = (wanted: string): Rendered =>
      rendering.find(({ kind, metadata }) => kind === wanted && metadata.name === name) ??
      assert.fail(wanted)
    const text: unknown = ofKind('ConfigMap')['data']['signer.yaml']
    const { volumes } = ofKind('StatefulSet')['spec'].template.spec as {
      readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[]
    }
    const { decisionLog } = validate(parse(String(text)), signerSchema('/'), 'signer.yaml')
    return [decisionLog, volumes.find(({ name }) => name === 'decisions')?.emptyDir]
  }
  const log = { enabled: true, files: 3, drops: 'by-policy' }
  const set = ['--set-json', `signer.decisionLog=${JSON.stringify(log)}`]
  for (const name of ['countersign-signer', 'countersign-signer-of-edge']) {
    assert.deepEqual(await rendered(name), [undefined, undefined])
    assert.deepEqual(await rendered(name, ...set), [
      {
        file: '/var/log/countersign/decisions.jsonl',
        fileBytesMax: 16_777_216,
        files: 3,
        whenFull: 'shed-and-count',
        drops: 'by-policy',
      },
      { sizeLimit: 4 * 16_777_216 },
    ])
  }
})
