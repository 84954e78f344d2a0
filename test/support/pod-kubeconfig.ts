import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { parse, stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import type { PlainClient } from './plain-client.ts'

/** Creates a pod on a node, and writes a kubeconfig with a token of its service account that is bound to it, as kubelet mounts one. */
export async function writePodKubeconfig(options: {
  readonly cluster: Cluster
  readonly admin: PlainClient
  readonly namespace: string
  readonly pod: string
  readonly serviceAccount: string
  readonly nodeName: string
  readonly file: string
}): Promise<void> {
  const { cluster, admin, namespace, pod, serviceAccount, nodeName, file } = options
  const path = `/api/v1/namespaces/${namespace}`
  const spec = {
    nodeName,
    serviceAccountName: serviceAccount,
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'example.invalid/main' }],
  }
  const body = { metadata: { name: pod }, spec }
  const made = await admin({ method: 'POST', path: `${path}/pods`, body })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const { uid } = made.body.metadata
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: pod, uid }
  const token = await admin({
    method: 'POST',
    path: `${path}/serviceaccounts/${serviceAccount}/token`,
    body: { spec: { audiences: [], expirationSeconds: 3600, boundObjectRef } },
  })
  assert.equal(token.status, 201, JSON.stringify(token.body))
  const kubeconfig = parse(await readFile(cluster.adminKubeconfig, 'utf8'))
  kubeconfig.users[0].user = { token: token.body.status.token }
  await writeFile(file, stringify(kubeconfig), { mode: 0o600 })
}
