import {
  maxExpirationSecondsDefault,
  unanswered,
  type PodCertificateRequest,
} from '../../kubernetes/pod-certificate-request.ts'
import type { Pod, PodCertificateProjection } from '../../kubernetes/workloads.ts'
import type { SnapshotIndex } from './snapshot.ts'

/** One `podCertificate` source of a pod, and what kubelet asks for because of it. */
export interface AskedOfPod {
  readonly volume: string
  readonly keyType: string
  readonly asked: PodCertificateRequest
}

/** What kubelet would ask this signer for at the next refresh of a pod; its key is yet to be made. */
export function askedOfPod(
  pod: Pod,
  index: SnapshotIndex,
  signerName: string,
): readonly AskedOfPod[] {
  return pod.podCertificates
    .filter((source) => source.signerName === signerName)
    .map((source) => ({
      volume: source.volumeName,
      keyType: source.keyType,
      asked: requestOf(pod, source, index),
    }))
}

function requestOf(
  pod: Pod,
  source: PodCertificateProjection,
  index: SnapshotIndex,
): PodCertificateRequest {
  const { name, uid, namespace = '' } = pod.metadata
  const { serviceAccountName, nodeName = '' } = pod
  const account = index.serviceAccounts.get(`${namespace}/${serviceAccountName}`)
  const node = index.nodes.get(`/${nodeName}`)
  return {
    metadata: {
      ...pod.metadata,
      namespace,
      name: `refresh-of-${name}`,
      labels: {},
      annotations: {},
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }],
      deletionTimestamp: undefined,
    },
    spec: {
      signerName: source.signerName,
      pod: { name, uid },
      serviceAccount: { name: serviceAccountName, uid: account?.metadata.uid ?? '' },
      node: { name: nodeName, uid: node?.metadata.uid ?? '' },
      maxExpirationSeconds: source.maxExpirationSeconds ?? maxExpirationSecondsDefault,
      key: undefined,
      unverifiedUserAnnotations: source.userAnnotations,
    },
    status: unanswered,
  }
}
