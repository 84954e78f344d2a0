import type { ApiClient } from '../kubernetes/api-client.ts'
import type { CertificateSigningRequest } from '../kubernetes/certificate-signing-request.ts'
import type { Informer } from '../kubernetes/informer.ts'
import { addressedNodes, readApiServerAddresses } from '../kubernetes/node-addresses.ts'
import { readObject } from '../kubernetes/objects.ts'
import { pods, serviceAccounts } from '../kubernetes/workloads.ts'
import type { ClaimingNode } from './claiming-nodes.ts'
import type { AccountEvidence, NodeEvidence } from './evidence.ts'
import type { NodeRequest } from './node-request.ts'
import { podNameOf } from './prove-requester.ts'
import type { BoundAccount } from './rules.ts'

/** Reads what may prove a request, at this moment: the node itself is never taken from a copy. */
export async function gatherNode(
  parts: {
    readonly client: ApiClient
    /** All nodes: by these only is an address held against others. */
    readonly nodes: Pick<Informer<ClaimingNode>, 'list' | 'unreadable'>
  },
  asked: NodeRequest,
  options: { readonly request: CertificateSigningRequest; readonly signal: AbortSignal },
): Promise<NodeEvidence> {
  const { client, nodes } = parts
  const { request, signal } = options
  const { requester, nodeName: name, signer } = asked
  const [node, apiServer, account] = await Promise.all([
    readObject(client, addressedNodes, { name, signal }),
    signer === 'serving' ? readApiServerAddresses(client, signal) : undefined,
    requester.kind === 'account'
      ? readAccount(client, requester.account, { podName: podNameOf(request), signal })
      : undefined,
  ])
  return { node, others: nodes.list(), unreadable: nodes.unreadable, apiServer, account }
}

async function readAccount(
  client: ApiClient,
  { namespace, name }: BoundAccount,
  options: { readonly podName: string | undefined; readonly signal: AbortSignal },
): Promise<AccountEvidence> {
  const { podName, signal } = options
  const [account, pod] = await Promise.all([
    readObject(client, serviceAccounts, { namespace, name, signal }),
    podName === undefined
      ? undefined
      : readObject(client, pods, { namespace, name: podName, signal }),
  ])
  const uid = account?.metadata.uid
  if (pod === undefined) return { uid, pod: undefined }
  const { metadata, phase, serviceAccountName } = pod
  const isOver =
    metadata.deletionTimestamp !== undefined || phase === 'Succeeded' || phase === 'Failed'
  return { uid, pod: { uid: metadata.uid, serviceAccountName, isOver } }
}
