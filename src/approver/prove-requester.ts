import { quoted } from '../errors.ts'
import type { CertificateSigningRequest } from '../kubernetes/certificate-signing-request.ts'
import type { NodeEvidence } from './evidence.ts'
import type { NodeRequest } from './node-request.ts'
import type { BoundAccount } from './rules.ts'
import { deny, type Denial, type Proof } from './verdict.ts'

const podKey = 'authentication.kubernetes.io/pod-name'
const podUidKey = 'authentication.kubernetes.io/pod-uid'

/**
 * A node is who the API server says; nothing more is known of one. A service account is the one that is there now, and its pod too: what is
 * stated beyond the name may have been said by whoever impersonates, and a token outlives its pod by some seconds.
 */
export function proveRequester(
  { requester, nodeName }: NodeRequest,
  parts: { readonly request: CertificateSigningRequest; readonly evidence: NodeEvidence },
): Proof | Denial {
  const { request, evidence } = parts
  const field = 'requester'
  const value = request.spec.username
  if (requester.kind === 'node') return { field, value, by: 'the API server, in system:nodes' }
  if (requester.kind === 'bootstrap') {
    return { field, value, by: `configuration, for group ${requester.group} and node ${nodeName}` }
  }
  const { account } = requester
  const refused = refusedAccount(request, account, evidence)
  if (refused !== undefined) return deny('RequesterNotProved', refused)
  const pod = evidence.account?.pod
  const by = pod === undefined ? '' : `, in pod ${podNameOf(request)} (${pod.uid})`
  return { field, value, by: `configuration, bound to node ${nodeName}${by}` }
}

function refusedAccount(
  request: CertificateSigningRequest,
  account: BoundAccount,
  { account: found }: NodeEvidence,
): string | undefined {
  const { uid } = request.spec
  const name = `${account.namespace}/${account.name}`
  if (found?.uid === undefined) return `there is no service account ${name}`
  if (found.uid !== uid) {
    return `service account ${name} is another one: want=${found.uid} got=${quoted(uid, 64)}`
  }
  const podName = podNameOf(request)
  if (podName === undefined) {
    if (Object.hasOwn(request.spec.extra, podKey)) return 'what is stated of its pod is no pod'
    return account.ofPod ? 'the token of the service account is not bound to a pod' : undefined
  }
  const { pod } = found
  const podUid = statedOf(request, podUidKey)
  if (pod === undefined) return `there is no pod ${podName} any more`
  if (pod.uid !== podUid) return `pod ${podName} is another one by now`
  if (pod.isOver) return `pod ${podName} is over`
  if (pod.serviceAccountName !== account.name)
    return `pod ${podName} runs as another service account`
  return undefined
}

/** The pod that the token is bound to, as is stated of it. */
export function podNameOf(request: CertificateSigningRequest): string | undefined {
  const name = statedOf(request, podKey)
  return name !== undefined && /^[a-z0-9.-]{1,253}$/.test(name) ? name : undefined
}

function statedOf({ spec }: CertificateSigningRequest, what: string): string | undefined {
  const values = spec.extra[what] ?? []
  return values.length === 1 ? values[0] : undefined
}
