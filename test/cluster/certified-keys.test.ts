import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { certificateBlocks } from '../../src/pki/pem.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { keyTypes, type KeyType } from '../../src/pki/subject-key.ts'
import { signerName } from '../signer/asked.ts'
import { profile, startSigner, type SignerWorld } from '../signer/signer-world.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import { askGo, askOpenssl, goVerifier, type ChainToVerify } from '../support/other-verifiers.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

/* The whole way of a certificate, for each type of key that kubelet makes, from the pod to the file, which others verify. */

const namespace = 'team-a'
const system = 'countersign-system'
const dnsName = 'worker.team-a.svc'

const every = createProfile({ ...profile, keyTypes, production: false })

let cluster: Cluster
let admin: PlainClient
let world: SignerWorld
const opened = new AsyncDisposableStack()

before(async () => {
  cluster = opened.use(await startRealCluster({}))
  admin = await createPlainClient(cluster.adminKubeconfig)
  await create('/api/v1/namespaces', { metadata: { name: system } })
  const labels = { 'roles.countersign.dev/tool-server': 'allow' }
  await create('/api/v1/namespaces', { metadata: { name: namespace, labels } })
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, {
    metadata: { name: 'worker', labels: { 'countersign.dev/role': 'tool-server' } },
  })
  await create(`/api/v1/namespaces/${namespace}/services`, {
    metadata: { name: 'worker' },
    spec: { selector: { app: 'worker' }, ports: [{ port: 443 }] },
  })
  for (const name of ['countersign-trust-bundle', 'countersign-trust-bundle-members']) {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${system}/leases`
    await create(path, { metadata: { name } })
  }
  const kubeconfig = await cluster.kubeconfigFor({ name: 'signer', groups: ['system:masters'] })
  const client = createApiClient({ kubeconfig })
  opened.defer(() => client.close())
  world = opened.use(
    await startSigner(new FakeCluster(), { client, profile: every, propagationSeconds: 0 }),
  )
  await eventually('the signer', () => world.signer.ready, 30)
})
after(() => opened.disposeAsync())

async function create(path: string, body: object): Promise<{ metadata: { uid: string } }> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body
}

function podOf(keyType: KeyType): object {
  const podCertificate = { signerName, keyType, credentialBundlePath: 'credential-bundle.pem' }
  const clusterTrustBundle = { signerName, labelSelector: {}, path: 'trust-bundle.pem' }
  return {
    metadata: { name: keyType.toLowerCase(), labels: { app: 'worker' } },
    spec: {
      nodeName: cluster.nodeNames[0],
      serviceAccountName: 'worker',
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'main',
          image: 'example.invalid/main',
          volumeMounts: [{ name: 'identity', mountPath: '/identity' }],
        },
      ],
      volumes: [
        { name: 'identity', projected: { sources: [{ podCertificate }, { clusterTrustBundle }] } },
      ],
    },
  }
}

interface Files {
  readonly bundle: string
  readonly anchors: string
}

async function filesOf(podUid: string): Promise<Files | undefined> {
  const folder = await cluster.volumeFolder(podUid, 'identity')
  if (folder === undefined) return undefined
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')
  try {
    return { bundle: await read('credential-bundle.pem'), anchors: await read('trust-bundle.pem') }
  } catch {
    return undefined
  }
}

test('a pod gets a certificate for each type of key from the real kubelet, and OpenSSL and Go verify it', async () => {
  requirement('pki.key-types')
  const uids = new Map<KeyType, string>()
  for (const keyType of keyTypes) {
    const pod = await create(`/api/v1/namespaces/${namespace}/pods`, podOf(keyType))
    uids.set(keyType, pod.metadata.uid)
  }
  const chains: ChainToVerify[] = []
  for (const [keyType, uid] of uids) {
    let files: Files | undefined
    await eventually(
      `the files of ${keyType}`,
      async () => (files = await filesOf(uid)) !== undefined,
      60,
    )
    const { bundle = '', anchors = '' } = files ?? {}
    // Throws where key and certificate do not belong together.
    const { svid } = parseCredentialBundle(bundle)
    assert.equal(svid.spiffeId.uri, `spiffe://${profile.trustDomain}/ns/${namespace}/sa/worker`)
    assert.equal(parseBundle(anchors, profile.trustDomain).anchors.length, 1)
    const [leaf = Buffer.alloc(0), ...intermediates] = certificateBlocks(bundle)
    assert.equal(shownTypeOf(leaf), keyType)
    const now = Date.now()
    chains.push({ leaf, intermediates, anchors: certificateBlocks(anchors), dnsName, now })
  }
  for (const chain of chains) assert.equal(askOpenssl(chain) ?? '', '')
  const go = await goVerifier()
  if (go !== undefined)
    assert.deepEqual(
      askGo(go, chains),
      chains.map(() => ''),
    )
})

/** As Node names it. */
function shownTypeOf(leaf: Buffer): string {
  const { publicKey } = new X509Certificate(leaf)
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: details } = publicKey
  const curves: Readonly<Record<string, string>> = {
    prime256v1: 'ECDSAP256',
    secp384r1: 'ECDSAP384',
    secp521r1: 'ECDSAP521',
  }
  if (type === 'rsa') return `RSA${details?.modulusLength}`
  return type === 'ec' ? (curves[details?.namedCurve ?? ''] ?? '') : type.toUpperCase()
}
