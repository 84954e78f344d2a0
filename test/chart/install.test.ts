import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { requirement } from '../requirements.ts'
import {
  chartFolder,
  defaultValuesFile,
  helm,
  parseRendering,
  releaseNamespace,
  renderChart,
  type HelmAnswer,
  type Rendered,
} from '../support/chart.ts'
import { createAuthority } from '../support/cluster-credentials.ts'
import { eventually } from '../support/eventually.ts'
import {
  collectionPath,
  dryRun,
  helmOn,
  kubectl,
  listChartObjects,
} from '../support/installed-chart.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

const roleLabel = { 'roles.countersign.dev/tool-broker': 'allow' }
const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' }
const crdsPath = collectionPath('CustomResourceDefinition', '')

let cluster: Cluster
let admin: PlainClient
let run: ReturnType<typeof helmOn>

before(async () => {
  cluster = await startRealCluster({})
  admin = await createPlainClient(cluster.adminKubeconfig)
  run = helmOn(cluster, { values: defaultValuesFile })
})

after(async () => {
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
})

async function create(kind: string, object: object): Promise<void> {
  const path = collectionPath(kind, releaseNamespace)
  const { status, body } = await admin({ method: 'POST', path, body: object })
  assert.equal(status, 201, JSON.stringify(body))
}

async function read(kind: string, name: string): Promise<Rendered> {
  const path = `${collectionPath(kind, releaseNamespace)}/${name}`
  const { status, body } = await admin({ path })
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

function assertDone(answer: HelmAnswer): void {
  assert.equal(answer.code, 0, answer.stderr)
}

/** Refused with these words, and nothing of it installed. */
async function assertRefused(answer: Promise<HelmAnswer>, said: RegExp): Promise<void> {
  const before = await listChartObjects(admin, releaseNamespace)
  const { code, stderr } = await answer
  assert.equal(code, 1)
  assert.match(stderr, said)
  assert.deepEqual(await listChartObjects(admin, releaseNamespace), before)
}

test('a namespace that is not there is refused, with the commands that make it', async () => {
  const commands =
    'kubectl create namespace countersign-system && kubectl label namespace countersign-system roles.countersign.dev/tool-broker=allow'
  const { code, stderr } = await run('install', '--create-namespace')
  assert.equal(code, 1)
  assert.ok(stderr.includes(commands), stderr)
})

test('a namespace without the label of the role is refused, with the command that sets it', async () => {
  await create('Namespace', { metadata: { name: releaseNamespace, labels: restricted } })
  await assertRefused(
    run('install'),
    /gets no certificate: kubectl label namespace countersign-system roles\.countersign\.dev\/tool-broker=allow$/m,
  )
  const patch = { metadata: { labels: roleLabel } }
  await admin({ method: 'PATCH', path: `/api/v1/namespaces/${releaseNamespace}`, body: patch })
})

test('a Secret of the authority that is not there is refused, with the command that makes it', async () => {
  await assertRefused(
    run('install', '--set', 'authority.kind=files,authority.files.secretName=ca'),
    /kubectl -n countersign-system create secret tls ca --cert=tls\.crt --key=tls\.key$/m,
  )
})

test('a CA in a token without the Secrets of its certificate and its PIN is refused, with the commands that make them', async () => {
  const pkcs11 = {
    certificateSecretName: 'ca',
    pinSecretName: 'pin',
    token: 'countersign',
    key: 'ca',
    socketVolume: { hostPath: { path: '/run/token' } },
  }
  const set = `authority=${JSON.stringify({ kind: 'pkcs11', pkcs11 })}`
  await assertRefused(
    run('install', '--set-json', set),
    /secret generic ca --from-file=tls\.crt$[^]*secret generic pin --from-file=pin$/m,
  )
})

test('a Secret without keys of handles is refused, and one with a key of another length', async () => {
  await assertRefused(
    run('install', '--set', 'gateway.handleKeys.existingSecret=no-keys'),
    /existingSecret: namespace countersign-system has no Secret no-keys with a key: openssl/,
  )
  const [good, short] = [Buffer.alloc(32), Buffer.from('short')].map((octets) =>
    octets.toString('base64'),
  )
  const data = { '2026-01-01': good, '2026-02-01': short }
  await create('Secret', { metadata: { name: 'short-key' }, data })
  await assertRefused(
    run('install', '--set', 'gateway.handleKeys.existingSecret=short-key'),
    /existingSecret: Secret short-key, 2026-02-01: want=32 octets got=5/,
  )
})

test('PodMonitors that nobody serves are refused', async () => {
  await assertRefused(
    run('install', '--set', 'monitoring.podMonitor.enabled=true,networkPolicy.enabled=false'),
    /the API server does not serve PodMonitor; install the Prometheus operator first/,
  )
})

test('the API server takes every object of every example, and knows each of its fields', async () => {
  await create('CustomResourceDefinition', podMonitors)
  for (const name of await readdir(join(chartFolder, 'examples'))) {
    const rendering = await renderChart('-f', join(chartFolder, 'examples', name))
    for (const object of parseRendering(rendering)) {
      const { status, body } = await dryRun(admin, object)
      assert.equal(status, 201, `${name}: ${object.kind}: ${JSON.stringify(body)}`)
    }
  }
})

/** As much of the Prometheus operator as the API server needs to take one. */
const podMonitors = {
  metadata: { name: 'podmonitors.monitoring.coreos.com' },
  spec: {
    group: 'monitoring.coreos.com',
    scope: 'Namespaced',
    names: { kind: 'PodMonitor', plural: 'podmonitors' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
}

test('its pods are admitted at Pod Security level restricted', async () => {
  requirement('chart.pods-restricted')
  const renderings = await Promise.all(
    [defaultValuesFile, join(chartFolder, 'examples', 'ca-in-token.yaml')].map((file) =>
      renderChart('-f', file),
    ),
  )
  const templates = renderings
    .flatMap(parseRendering)
    .filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
  assert.equal(templates.length, 3)
  for (const { spec, metadata } of templates) {
    const claims = spec.volumeClaimTemplates ?? []
    const volumes = claims.map((claim: Rendered) => ({
      name: claim.metadata.name,
      persistentVolumeClaim: { claimName: claim.metadata.name },
    }))
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...spec.template.metadata, name: metadata.name },
      spec: { ...spec.template.spec, volumes: [...spec.template.spec.volumes, ...volumes] },
    }
    const taken = await dryRun(admin, pod)
    assert.equal(taken.status, 201, JSON.stringify(taken.body))
    const privileged = structuredClone(pod)
    delete privileged.spec.containers[0].securityContext.capabilities
    assert.equal((await dryRun(admin, privileged)).status, 403, 'the level is in force')
  }
})

test('a custom resource that no release owns is refused, and the commands that are said give it to this one', async () => {
  await create('CustomResourceDefinition', await olderRevocations())
  await assertRefused(
    run('install', '--set', 'crds.install=false'),
    /revocations\.countersign\.dev is of revision 0 and the programs need 1: set crds\.install=true, or kubectl apply/,
  )
  await assertRefused(run('install'), /is there already and belongs to no release/)
  const { stderr } = await run('install')
  const [, commands] = /give it to this release: (.*)/.exec(stderr) ?? []
  assert.ok(commands, stderr)
  await kubectl(cluster, commands)
  assertDone(await run('install'))
  const { spec } = await read('CustomResourceDefinition', 'revocations.countersign.dev')
  assert.ok(spec.versions[0].additionalPrinterColumns.length > 5)
})

/** As a chart of before would have made it: no printer columns, no revision. */
async function olderRevocations(): Promise<object> {
  const rendering = parseRendering(await renderChart('-f', defaultValuesFile))
  const definition = rendering.find(
    ({ metadata }) => metadata.name === 'revocations.countersign.dev',
  )
  assert.ok(definition)
  const { additionalPrinterColumns: _, ...older } = definition['spec'].versions[0]
  return {
    ...definition,
    metadata: { name: definition.metadata.name },
    spec: { ...definition['spec'], versions: [older] },
  }
}

test('a custom resource that somebody put back is refused at the upgrade, with the command that mends it', async () => {
  const path = `${crdsPath}/revocations.countersign.dev`
  const { spec } = (await olderRevocations()) as Rendered
  const annotations = { 'countersign.dev/schema-revision': '0' }
  await admin({ method: 'PATCH', path, body: { metadata: { annotations }, spec } })
  const { code, stderr } = await run('upgrade')
  assert.equal(code, 1)
  const [, command] = /helm does not write over that: (.*)/.exec(stderr) ?? []
  assert.ok(command, stderr)
  await kubectl(cluster, command)
  assertDone(await run('upgrade'))
})

test('a newer custom resource is not put back by an older chart', async () => {
  const path = `${crdsPath}/revocations.countersign.dev`
  const revision = async (value: string): Promise<void> => {
    const annotations = { 'countersign.dev/schema-revision': value }
    await admin({ method: 'PATCH', path, body: { metadata: { annotations } } })
  }
  await revision('7')
  await assertRefused(run('upgrade'), /is of revision 7 and this chart would put back revision 1/)
  await revision('1')
})

test('the controllers make its pods', async () => {
  await eventually(
    'four pods',
    async () => {
      const objects = await listChartObjects(admin, releaseNamespace)
      return objects.filter((line) => line.startsWith('Pod ')).length === 4
    },
    30,
  )
})

test('a second release for the same signer name is refused, wherever', async () => {
  await create('Namespace', { metadata: { name: 'elsewhere', labels: roleLabel } })
  const other = helmOn(cluster, {
    name: 'again',
    namespace: 'elsewhere',
    values: defaultValuesFile,
  })
  await assertRefused(
    other('install', '--set', 'crds.install=false'),
    /signerName: countersign\.dev\/identity has a signer already, release countersign in namespace countersign-system/,
  )
  const here = helmOn(cluster, { name: 'again', values: defaultValuesFile })
  await assertRefused(
    here('install', '--set', 'crds.install=false,signerName=other.example/identity'),
    /namespace countersign-system has release countersign of this chart already/,
  )
  assertDone(
    await other('install', '--set', 'crds.install=false,signerName=other.example/identity'),
  )
  assertDone(await uninstall('again', 'elsewhere'))
})

function uninstall(name: string, namespace: string): Promise<HelmAnswer> {
  const kubeconfig = cluster.adminKubeconfig
  return helm(['uninstall', name, '--namespace', namespace, '--wait'], { kubeconfig })
}

test('an upgrade and a rollback keep the keys of handles, and one that was added', async () => {
  const secret = 'countersign-gateway-handle-keys'
  const made = await read('Secret', secret)
  const added = { '2026-02-01': Buffer.alloc(32, 1).toString('base64') }
  await admin({
    method: 'PATCH',
    path: `${collectionPath('Secret', releaseNamespace)}/${secret}`,
    body: { data: added },
  })
  const filled = { data: { 'tls.crt': 'eA==', 'tls.key': 'eA==' } }
  const path = `${collectionPath('Secret', releaseNamespace)}/countersign-authority`
  await admin({ method: 'PATCH', path, body: filled })

  assertDone(await run('upgrade', '--set', 'gateway.replicas=3'))
  assert.equal((await read('Deployment', 'countersign-gateway'))['spec'].replicas, 3)
  assert.deepEqual((await read('Secret', secret))['data'], { ...made['data'], ...added })
  assert.deepEqual((await read('Secret', 'countersign-authority'))['data'], filled.data)

  const kubeconfig = cluster.adminKubeconfig
  const back = ['rollback', 'countersign', '1', '--namespace', releaseNamespace]
  assertDone(await helm(back, { kubeconfig }))
  assert.equal((await read('Deployment', 'countersign-gateway'))['spec'].replicas, 2)
  assert.deepEqual((await read('Secret', secret))['data'], { ...made['data'], ...added })
  assert.deepEqual((await read('Secret', 'countersign-authority'))['data'], filled.data)
})

test('another authority later keeps the Secret of the first, for the way back', async () => {
  const data = { 'tls.crt': 'eA==', 'tls.key': 'eA==' }
  await create('Secret', { metadata: { name: 'ca' }, type: 'kubernetes.io/tls', data })
  assertDone(await run('upgrade', '--set', 'authority.kind=files,authority.files.secretName=ca'))
  assert.deepEqual((await read('Secret', 'countersign-authority'))['data'], data)
  assertDone(await run('upgrade'))
})

/** As the signer publishes it. */
async function publishTrustBundle(): Promise<void> {
  const name = `countersign-signer.${releaseNamespace}`
  const { uid } = (await read('ClusterRole', name)).metadata
  const authority = await createAuthority('countersign test')
  await create('ClusterTrustBundle', {
    metadata: {
      name: 'countersign.dev:identity:agents.example',
      ownerReferences: [
        { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name, uid },
      ],
    },
    spec: { signerName: 'countersign.dev/identity', trustBundle: authority.certificatePem },
  })
}

test('only custom resources and the volumes of the ledger outlive the release', async () => {
  await publishTrustBundle()
  assertDone(await uninstall('countersign', releaseNamespace))
  const left = [
    'CustomResourceDefinition approvals.countersign.dev',
    'CustomResourceDefinition issuedcertificates.countersign.dev',
    'CustomResourceDefinition revocations.countersign.dev',
    'CustomResourceDefinition toolservers.countersign.dev',
    'PersistentVolumeClaim ledger-countersign-signer-0',
    'PersistentVolumeClaim ledger-countersign-signer-1',
  ]
  await eventually(
    'the garbage collector is done',
    async () => (await listChartObjects(admin, releaseNamespace)).join() === left.join(),
    60,
  )
})

test('it can be installed again over what was left', async () => {
  assertDone(await run('install'))
})
