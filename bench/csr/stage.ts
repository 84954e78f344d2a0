/** Pods of a real API server that ask for certificates, by their kubelet's request or by one of their own. */
import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import type { Cluster } from '../../dev/cluster.ts'
import { createPlainClient, type PlainClient } from '../../test/support/plain-client.ts'
import { signerNames } from '../storm/contestants.ts'
import { eventually } from '../../test/support/eventually.ts'
import { root } from '../../test/support/source-tree.ts'
import { specOfAskingPod } from '../../test/support/asking-pod.ts'

export const signerName: string = signerNames.ours
export const namespace = 'bench'
export const account = 'worker'
const node = 'node-b'

export interface BenchPod {
  readonly name: string
  readonly uid: string
}

export interface Stage {
  readonly admin: PlainClient
  makePod(name: string): Promise<BenchPod>
  /** Path of a kubeconfig with a token that is bound to the pod. */
  kubeconfigOf(pod: BenchPod): Promise<string>
  /** What a kubelet would ask for the pod; gives the path of the request. */
  askAsKubelet(pod: BenchPod): Promise<string>
  /** Gives the path of an IssuedCertificate for the service account that all pods run. */
  askForSecret(name: string, trustDomain: string): Promise<string>
}

export async function setStage(cluster: Cluster, folder: string): Promise<Stage> {
  const admin = await createPlainClient(cluster.adminKubeconfig)
  const make = async (path: string, body: object): Promise<{ uid: string; token: string }> => {
    const answer = await admin({ method: 'POST', path, body })
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return { uid: answer.body.metadata.uid, token: answer.body.status?.token ?? '' }
  }
  for (const name of [namespace, 'countersign-system']) {
    await make('/api/v1/namespaces', { metadata: { name } })
  }
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
  const { uid: serviceAccountUID } = await make(accounts, { metadata: { name: 'worker' } })
  const { body: nodeObject } = await admin({ path: `/api/v1/nodes/${node}` })
  const nodeUID: string = nodeObject.metadata.uid
  const leases = '/apis/coordination.k8s.io/v1/namespaces/countersign-system/leases'
  for (const name of ['countersign-trust-bundle', 'countersign-trust-bundle-members']) {
    await make(leases, { metadata: { name } })
  }
  await allowAll(make)
  const base = parse(await readFile(cluster.adminKubeconfig, 'utf8'))
  let requests = 0
  return {
    admin,
    async makePod(name) {
      const path = `/api/v1/namespaces/${namespace}/pods`
      return { name, uid: (await make(path, podNamed(name))).uid }
    },
    async kubeconfigOf({ name, uid }) {
      const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid }
      const spec = { audiences: [], expirationSeconds: 3600, boundObjectRef }
      const { token } = await make(`${accounts}/worker/token`, { spec })
      const file = join(folder, `${name}.kubeconfig`)
      const users = [{ ...base.users[0], user: { token } }]
      await writeFile(file, stringify({ ...base, users }), { mode: 0o600 })
      return file
    },
    async askAsKubelet({ name: podName, uid: podUID }) {
      const path = `/apis/certificates.k8s.io/v1/namespaces/${namespace}/podcertificaterequests`
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const stubPKCS10Request = encodeCertificateRequest({ privateKey }).toString('base64')
      const name = `asked-${(requests += 1)}`
      const pod = { podName, podUID, serviceAccountName: 'worker', serviceAccountUID }
      const spec = { signerName, ...pod, nodeName: node, nodeUID, stubPKCS10Request }
      await make(path, { metadata: { name }, spec: { ...spec, maxExpirationSeconds: 3600 } })
      return `${path}/${name}`
    },
    async askForSecret(name, trustDomain) {
      const path = `/apis/countersign.dev/v1alpha1/namespaces/${namespace}/issuedcertificates`
      const hosts = [`spiffe://${trustDomain}/ns/${namespace}/sa/${account}`]
      const kind = { apiVersion: 'countersign.dev/v1alpha1', kind: 'IssuedCertificate' }
      const spec = { hosts, issuedCertificateSecret: name }
      await make(path, { ...kind, metadata: { name }, spec })
      return `${path}/${name}`
    },
  }
}

/** IssuedCertificates, as the chart has them. */
export async function serveIssuedCertificates(admin: PlainClient): Promise<void> {
  const file = join(root, 'charts/countersign/files/crds/issuedcertificates.yaml')
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  await admin({ method: 'POST', path, body: parse(await readFile(file, 'utf8')) })
  const resources = '/apis/countersign.dev/v1alpha1/issuedcertificates'
  await eventually('they are served', async () => (await admin({ path: resources })).status === 200)
}

/** The signer is a service account of its namespace, and so are the pods. */
async function allowAll(make: (path: string, body: object) => Promise<unknown>): Promise<void> {
  for (const each of ['countersign-system', namespace]) {
    await make('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: each },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'ClusterRole',
        name: 'cluster-admin',
      },
      subjects: [
        {
          apiGroup: 'rbac.authorization.k8s.io',
          kind: 'Group',
          name: `system:serviceaccounts:${each}`,
        },
      ],
    })
  }
}

/** It declares both ways. */
function podNamed(name: string): object {
  return {
    metadata: {
      name,
      annotations: { 'countersign.dev/certificate-signing-requests': signerName },
    },
    spec: specOfAskingPod(node, { signerName }),
  }
}
