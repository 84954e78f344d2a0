import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { createObject, readObject } from '../../src/kubernetes/objects.ts'
import { resourcePath } from '../../src/kubernetes/resource.ts'
import { nodes } from '../../src/kubernetes/workloads.ts'

/** Creates the Node unless it is there, and says that it is ready. Answers with its UID. */
export async function registerNode(
  client: ApiClient,
  options: { readonly name: string; readonly now: () => number },
): Promise<string> {
  const { name, now } = options
  const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' }
  const present = await readObject(client, nodes, { name })
  const node =
    present ??
    (await createObject(client, nodes, { body: { metadata: { name, labels }, spec: {} } }))
  const at = `${new Date(now()).toISOString().slice(0, 19)}Z`
  await client.request({
    method: 'PATCH',
    path: resourcePath(nodes, { name, subresource: 'status' }),
    contentType: 'application/merge-patch+json',
    body: {
      status: {
        nodeInfo: { kubeletVersion: 'v1.37.0', operatingSystem: 'linux' },
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            reason: 'KubeletReady',
            message: 'kubelet is posting ready status',
            lastTransitionTime: at,
            lastHeartbeatTime: at,
          },
        ],
      },
    },
  })
  return node.metadata.uid
}
