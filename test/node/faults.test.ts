import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { startNode, type Node } from './rig/node.ts'
import { agentPod, cast, signerName, system, trustDomain } from './stage/cast.ts'
import { buildImages } from './stage/images.ts'
import { begin } from './stage/install.ts'

interface Fault {
  readonly title: string
  /** Settings of the one command, besides what a newcomer writes. */
  readonly settings?: readonly string[]
  readonly prepare?: (node: Node) => Promise<void>
  /** Where a newcomer looks next, if not at what the command itself said. */
  readonly look?: (node: Node) => Promise<string>
  readonly sentence: RegExp
  /** What of it stands in the documents. */
  readonly documented: string
}

async function eventsOf(node: Node, namespace: string): Promise<string> {
  const path = 'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}'
  return node.kubectl(`get events --namespace ${namespace} --output`, path)
}

/** A CA whose only certificate ended long ago, in a Secret. */
async function createEndedAuthority(node: Node): Promise<void> {
  const longAgo = Date.now() - 10 * 86_400_000
  const { certificatePem, privateKeyPem } = createTestAuthority({ trustDomain, now: () => longAgo })
  await node.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name: 'ended', namespace: system },
    stringData: { 'tls.crt': certificatePem, 'tls.key': privateKeyPem },
  })
}

async function createBrokenPolicy(node: Node): Promise<void> {
  await node.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'broken', namespace: system },
    data: { '.manifest': '{"revision":"1"}', 'data.json': '{', 'policy.wasm': 'no module' },
  })
}

async function createLostPod(node: Node): Promise<void> {
  const pod = JSON.stringify(agentPod('acme', 'lost', 'researcher'))
  await node.apply(pod.replaceAll(signerName, 'countersign.dev/identitty'))
}

/** The line that a program of ours ended with, the last time that it did. */
async function lastWords(node: Node): Promise<string> {
  const name = `logs --namespace ${system} countersign-signer-0`
  const logs = await node.run('kubectl', name.split(' '))
  return logs.stdout
}

const faults: readonly Fault[] = [
  {
    title: 'the custom resource is not there, and shall not be installed',
    settings: ['--set', 'crds.install=false'],
    sentence: /revocations\.countersign\.dev is not there: set it to true, or kubectl apply/,
    documented: 'kubectl apply --server-side',
  },
  {
    title: 'a grant is misspelt',
    settings: ['--set-json', 'policy.grants={"tenants":{"acme":{"github":{"tool":{}}}}}'],
    sentence: /at '\/policy\/grants\/tenants\/acme\/github': additional properties 'tool' not/,
    documented: 'policy.grants',
  },
  {
    title: 'the CA has ended',
    prepare: createEndedAuthority,
    settings: ['--set', 'authority.kind=files', '--set', 'authority.files.secretName=ended'],
    look: (node) => eventsOf(node, system),
    sentence: /CertificatePending: .*authority has ended, notAfter=/,
    documented: 'CertificatePending',
  },
  {
    title: 'the policy bundle cannot be read',
    prepare: createBrokenPolicy,
    settings: ['--set', 'policy.bundleConfigMap=broken'],
    look: lastWords,
    sentence: /policy\/bundle/,
    documented: 'policy/bundle',
  },
  {
    title: 'a pod asks a signer that does not exist',
    prepare: createLostPod,
    look: (node) => eventsOf(node, 'acme'),
    sentence: /combination of signerName and labelSelector matched zero ClusterTrustBundles/,
    documented: 'combination of signerName and labelSelector matched zero ClusterTrustBundles',
  },
  {
    title: 'the API server serves no pod certificates',
    prepare: (node) =>
      node.restart(
        'kube-apiserver',
        '--feature-gates=PodCertificateRequest=false',
        '--runtime-config=certificates.k8s.io/v1/podcertificaterequests=false',
      ),
    sentence: /the API server does not serve PodCertificateRequest: 1\.37 does by itself/,
    documented: 'PodCertificateRequest',
  },
]

async function readDocuments(): Promise<string> {
  const folder = join(import.meta.dirname, '../../docs')
  const pages = (await readdir(folder)).filter((name) => name.endsWith('.md'))
  return (await Promise.all(pages.map((name) => readFile(join(folder, name), 'utf8')))).join('\n')
}

test('what is wrong is said where a newcomer looks, in words that the pages have', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-images-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const images = await buildImages(folder)
  const documents = await readDocuments()
  await using node = await startNode({ images, onProgress: (line) => t.diagnostic(line) })
  await node.apply(...cast)
  for (const { title, settings = [], prepare, look, sentence, documented } of faults) {
    await t.test(title, async (t) => {
      await prepare?.(node)
      await eventually('the API server answers', () => answers(node), 60)
      const said = await begin(node, settings)
      let found = said
      const seen = async (): Promise<boolean> => {
        if (look !== undefined) found = await look(node)
        return sentence.test(found)
      }
      await eventually(`want=${sentence.source}`, seen, 90).catch((error: unknown) => {
        throw new Error(`${String(error)} got=${found}`)
      })
      t.diagnostic(found.match(new RegExp(`.*${sentence.source}.*`))?.[0] ?? '')
      assert.ok(documents.includes(documented), documented)
    })
    await node.run('helm', ['uninstall', 'countersign', '--namespace', system, '--wait'])
  }
})

async function answers(node: Node): Promise<boolean> {
  return (await node.run('kubectl', ['get', '--raw', '/readyz'])).code === 0
}
