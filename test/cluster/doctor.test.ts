import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { formatPem } from '../../dev/pem.ts'
import { readInstalled } from '../../dev/session/open-session.ts'
import type { Cluster } from '../../dev/cluster.ts'
import { setStage } from '../../dev/story/stage.ts'
import { runDoctor } from '../../src/cli/command/doctor-command.ts'
import { Refused } from '../../src/cli/run-program.ts'
import type { CheckName } from '../../src/doctor/check.ts'
import type { Report } from '../../src/doctor/report.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { readDefaultRendering, releaseNamespace } from '../support/chart.ts'
import { eventually } from '../support/eventually.ts'
import { collectionPath } from '../support/installed-chart.ts'
import { createPlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

/** What the chart sets up, its policy enforced; no program runs. */
async function install(cluster: Cluster): Promise<void> {
  const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  await setStage({ admin: client }, await readInstalled())
  client.close()
  const admin = await createPlainClient(cluster.adminKubeconfig)
  for (const object of await readDefaultRendering()) {
    if (!/^(ConfigMap|ValidatingAdmission.*)$/.test(object.kind)) continue
    const isBinding = object.kind === 'ValidatingAdmissionPolicyBinding'
    const spec = { ...object['spec'], validationActions: ['Deny', 'Audit'] }
    const path = collectionPath(object.kind, releaseNamespace)
    const body = isBinding ? { ...object, spec } : object
    assert.equal((await admin({ method: 'POST', path, body })).status, 201, object.kind)
  }
}

async function examine(cluster: Cluster): Promise<Report> {
  let printed = ''
  const terminal = {
    out: (text: string) => void (printed += text),
    err: () => {},
    signal: new AbortController().signal,
  }
  const options = { kubeconfig: cluster.adminKubeconfig, namespace: releaseNamespace, json: true }
  await runDoctor({ ...options, gateway: 'https://127.0.0.1:1' }, terminal).catch(
    (error: unknown) => assert.ok(error instanceof Refused, String(error)),
  )
  return JSON.parse(printed) as Report
}

function signingRequest(name: string, signerName: string): object {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = formatPem('CERTIFICATE REQUEST', encodeCertificateRequest({ privateKey }))
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(pem).toString('base64'),
      signerName,
      usages: ['digital signature', 'client auth'],
    },
  }
}

function statusOf(report: Report, name: CheckName): string {
  const found = report.checks.find((check) => check.name === name)
  return `${found?.status}: ${found?.summary}: ${found?.evidence.join('; ')}`
}

/** What a real cluster of 1.37 with our chart has to say `ok` to, its own roles and bindings among it. */
const well: readonly CheckName[] = [
  'api-server',
  'clock',
  'pod-certificate-api',
  'pod-certificate-volumes',
  'trust-bundle-api',
  'kubelets',
  'dropped-volumes',
  'node-restriction',
  'admission-policy',
  'request-creators',
  'signer-requesters',
  'node-impersonators',
  'custom-resources',
  'rights',
  'signing-requests',
  'policy-data',
  'governance-keys',
]

test('a real cluster with our chart is found to be well, and each fault of it by name', async (t) => {
  await using cluster = await startRealCluster({})
  await install(cluster)
  const admin = await createPlainClient(cluster.adminKubeconfig)

  await t.test('all is well', async () => {
    // The API server takes a moment to put a policy in force.
    await eventually(
      'the policy',
      async () => statusOf(await examine(cluster), 'admission-policy').startsWith('ok'),
      30,
    )
    const report = await examine(cluster)
    const unwell = well
      .map((name) => statusOf(report, name))
      .filter((text) => !text.startsWith('ok'))
    assert.deepEqual(unwell, [])
  })
  await t.test('what somebody asks of a signer that answers no such requests', async () => {
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
    const signer = 'countersign.dev/identity'
    const asked = [
      ['waits', signer],
      ['refused', signer],
      ['elsewhere', 'example.org/other'],
    ] as const
    for (const [name, signerName] of asked) {
      const body = signingRequest(name, signerName)
      assert.equal((await admin({ method: 'POST', path, body })).status, 201)
    }
    const condition = { type: 'Denied', status: 'True', reason: 'No', message: 'no' }
    const denied = { method: 'PATCH', body: { status: { conditions: [condition] } } } as const
    assert.equal((await admin({ ...denied, path: `${path}/refused/approval` })).status, 200)
    assert.match(
      statusOf(await examine(cluster), 'signing-requests'),
      /^warning: 1 request of a kind that the signer does not answer: waits: not approved for 0 minutes, asked by \S+$/,
    )
  })
  await t.test('a right that is missing', async () => {
    const path = `${collectionPath('RoleBinding', releaseNamespace)}/countersign-signer`
    assert.equal((await admin({ method: 'DELETE', path })).status, 200)
    await eventually(
      'it is missed',
      async () => /^problem: .*leases/.test(statusOf(await examine(cluster), 'rights')),
      30,
    )
  })
  await t.test('a policy that only watches', async () => {
    const path = collectionPath('ValidatingAdmissionPolicyBinding', releaseNamespace)
    const body = { spec: { validationActions: ['Audit'] } }
    const binding = `${path}/countersign-requests.${releaseNamespace}`
    assert.equal((await admin({ method: 'PATCH', path: binding, body })).status, 200)
    assert.match(statusOf(await examine(cluster), 'admission-policy'), /^warning: .*only watches/)
  })
  await t.test('no Revocation', async () => {
    const path =
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/revocations.countersign.dev'
    assert.equal((await admin({ method: 'DELETE', path })).status, 200)
    await eventually(
      'it is missed',
      async () =>
        statusOf(await examine(cluster), 'custom-resources').startsWith('problem: there is no'),
      30,
    )
  })
})

test('a real cluster without NodeRestriction and without projected trust bundles is found to be so', async () => {
  await using cluster = await startRealCluster({
    nodeRestriction: false,
    featureGates: ['ClusterTrustBundleProjection=false'],
  })
  const report = await examine(cluster)
  assert.match(statusOf(report, 'node-restriction'), /^problem: .*may speak for every other one/)
  assert.match(statusOf(report, 'pod-certificate-volumes'), /^problem: .* drops clusterTrustBundle/)
})

test('a real cluster with the gate off is found to be so, and so are the pods that came too late', async () => {
  await using cluster = await startRealCluster({ featureGates: ['PodCertificateRequest=false'] })
  const admin = await createPlainClient(cluster.adminKubeconfig)
  const source = {
    podCertificate: {
      signerName: 'countersign.dev/identity',
      keyType: 'ECDSAP256',
      credentialBundlePath: 'credential-bundle.pem',
    },
  }
  const body = {
    metadata: { name: 'late' },
    spec: {
      containers: [{ name: 'main', image: 'example.invalid/none' }],
      volumes: [{ name: 'identity', projected: { sources: [source] } }],
    },
  }
  const path = '/api/v1/namespaces/default/pods'
  assert.equal((await admin({ method: 'POST', path, body })).status, 201)
  const report = await examine(cluster)
  assert.match(statusOf(report, 'pod-certificate-api'), /^problem: .*not served/)
  assert.match(statusOf(report, 'pod-certificate-volumes'), /^problem: .*drops podCertificate/)
  assert.match(
    statusOf(report, 'dropped-volumes'),
    /^problem: .*default\/late: volume identity has a source that says nothing/,
  )
})
