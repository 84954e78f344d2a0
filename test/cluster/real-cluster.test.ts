import 'reflect-metadata'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate, createPrivateKey, webcrypto } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  BasicConstraintsExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Cluster } from '../../dev/cluster.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

const namespace = 'agents'
const signerName = 'countersign.dev/test'
const workload = 'spiffe://test.example/ns/agents/sa/worker'
const requestsPath = `/apis/certificates.k8s.io/v1/namespaces/${namespace}/podcertificaterequests`
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

let cluster: Cluster
let admin: PlainClient

before(async () => {
  cluster = await startRealCluster({
    signsByHand: true,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  })
  admin = await createPlainClient(cluster.adminKubeconfig)
})

after(async () => {
  // Undefined when the start itself was the failure.
  await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
})

async function create(path: string, body: object): Promise<{ metadata: { uid: string } }> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body
}

async function eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 30_000
  while (performance.now() < deadline) {
    const value = await probe()
    if (value !== undefined) return value
    await delay(50)
  }
  throw new Error(`${what}: not within 30 s`)
}

/** A root that signs whatever key it is shown: the API server and the kubelet are on trial, not it. */
async function createHandSigner(): Promise<{
  readonly anchorPem: string
  sign(stubRequest: Uint8Array<ArrayBuffer>): Promise<object>
}> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000 - 60_000)
  const after = (seconds: number): Date => new Date(notBefore.getTime() + seconds * 1000)
  const root = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ['hand signer'] }],
    keys,
    signingAlgorithm: algorithm,
    notBefore,
    notAfter: after(86_400),
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  })

  async function sign(stubRequest: Uint8Array<ArrayBuffer>): Promise<object> {
    const leaf = await X509CertificateGenerator.create({
      issuer: root.subjectName,
      publicKey: new Pkcs10CertificateRequest(stubRequest).publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      notBefore,
      notAfter: after(3600),
      extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: workload }], true)],
    })
    return {
      conditions: [
        {
          type: 'Issued',
          status: 'True',
          reason: 'SignedByHand',
          message: 'signed by the test',
          lastTransitionTime: notBefore.toISOString(),
        },
      ],
      certificateChain: `${leaf.toString('pem')}\n`,
      notBefore: notBefore.toISOString(),
      beginRefreshAt: after(1800).toISOString(),
      notAfter: after(3600).toISOString(),
    }
  }

  return { anchorPem: `${root.toString('pem')}\n`, sign }
}

function workerPod(): object {
  const podCertificate = {
    signerName,
    keyType: 'ECDSAP256',
    maxExpirationSeconds: 3600,
    credentialBundlePath: 'credentials.pem',
  }
  const clusterTrustBundle = { name: 'hand-signer', path: 'anchors.pem' }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'worker', namespace },
    spec: {
      nodeName: 'node-a',
      serviceAccountName: 'worker',
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'worker',
          image: 'example.invalid/worker',
          volumeMounts: [{ name: 'identity', mountPath: '/identity' }],
        },
      ],
      volumes: [
        { name: 'identity', projected: { sources: [{ podCertificate }, { clusterTrustBundle }] } },
      ],
    },
  }
}

test('the API server is the pinned release', async () => {
  const { body } = await admin({ path: '/version' })
  assert.equal(body.gitVersion, 'v1.37.0')
  assert.deepEqual([body.major, body.minor], ['1', '37'])
})

test('a kubeconfig logs in as the user it was asked for, and only its owner can read it', async () => {
  const user = { name: 'system:serviceaccount:agents:x', groups: ['team', 'a,b=c'] }
  const path = await cluster.kubeconfigFor(user)
  const client = await createPlainClient(path)
  const { body } = await client({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  })
  assert.equal(body.status.userInfo.username, user.name)
  assert.deepEqual(body.status.userInfo.groups, [...user.groups, 'system:authenticated'])
  for (const file of [path, cluster.adminKubeconfig]) {
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  }
})

test('a pod certificate goes from the kubelet to the signer and into the volume', async () => {
  const signer = await createHandSigner()
  await create('/api/v1/namespaces', { metadata: { name: namespace } })
  const account = { metadata: { name: 'worker', namespace } }
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, account)
  await create('/apis/certificates.k8s.io/v1/clustertrustbundles', {
    metadata: { name: 'hand-signer' },
    spec: { trustBundle: signer.anchorPem },
  })
  const pod = await create(`/api/v1/namespaces/${namespace}/pods`, workerPod())

  const request = await eventually('a request of the kubelet', async () => {
    const { body } = await admin({ path: requestsPath })
    return body.items[0]
  })
  assert.equal(request.spec.podUID, pod.metadata.uid)
  assert.equal(request.spec.nodeName, 'node-a')
  assert.equal(request.spec.signerName, signerName)

  const answer = await admin({
    method: 'PATCH',
    path: `${requestsPath}/${request.metadata.name}/status`,
    body: {
      metadata: { uid: request.metadata.uid, resourceVersion: request.metadata.resourceVersion },
      status: await signer.sign(Buffer.from(request.spec.stubPKCS10Request, 'base64')),
    },
  })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))

  const folder = await eventually('the volume', async () => {
    const path = await cluster.volumeFolder(pod.metadata.uid, 'identity')
    const present = path && (await readFile(join(path, 'credentials.pem')).catch(() => undefined))
    return present ? path : undefined
  })
  const bundle = await readFile(join(folder, 'credentials.pem'), 'utf8')
  const anchor = new X509Certificate(await readFile(join(folder, 'anchors.pem')))
  const leaf = new X509Certificate(bundle.slice(bundle.indexOf('-----BEGIN CERTIFICATE')))
  assert.equal(leaf.subjectAltName, `URI:${workload}`)
  assert.ok(leaf.checkPrivateKey(createPrivateKey(bundle)))
  assert.ok(leaf.verify(anchor.publicKey))
})

test('a node may not ask for a certificate of another node’s pod', async () => {
  const { body } = await admin({ path: requestsPath })
  const [taken] = body.items
  const kubeconfig = await cluster.kubeconfigFor({
    name: 'system:node:node-b',
    groups: ['system:nodes'],
  })
  const nodeB = await createPlainClient(kubeconfig)
  const answer = await nodeB({
    method: 'POST',
    path: requestsPath,
    body: { metadata: { generateName: 'req-' }, spec: taken.spec },
  })
  assert.equal(answer.status, 403, JSON.stringify(answer.body))
  assert.match(answer.body.message, /node-b/)
})

test('without the programs the start says how to build them', () => {
  const module = join(import.meta.dirname, '../support/real-cluster.ts')
  const program = `
    import { startRealCluster } from ${JSON.stringify(module)}
    await startRealCluster({})`
  const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    env: { ...process.env, XDG_CACHE_HOME: join(import.meta.dirname, 'no-cache-here') },
    encoding: 'utf8',
  })
  assert.equal(ended.status, 1)
  assert.match(ended.stderr, /Error: etcd is not built: run node test\/tools\/build\.ts first/)
})
