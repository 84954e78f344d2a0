import { generateKeyPairSync, sign } from 'node:crypto'
import {
  unanswered,
  type NamedReference,
  type PodCertificateRequest,
  type RequestedKey,
} from '../../src/kubernetes/pod-certificate-request.ts'
import type { OwnerReference } from '../../src/kubernetes/resource.ts'

export const signerName = 'countersign.dev/identity'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pod = { name: 'worker-0', uid: 'pod-uid' }

/** What tests change of a request, wherever it stands in it. */
export interface Asked {
  readonly uid?: string
  readonly namespace?: string
  readonly signerName?: string
  readonly name?: string
  readonly createdAt?: number
  readonly pod?: NamedReference
  readonly serviceAccount?: NamedReference
  readonly node?: NamedReference
  readonly maxExpirationSeconds?: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly key?: RequestedKey | undefined
  readonly owners?: readonly OwnerReference[]
}

/** A request as an old kubelet writes it, fit for `evidenceOf()`. */
export function askedOf(changed: Asked = {}): PodCertificateRequest {
  const of = changed.pod ?? pod
  return {
    metadata: {
      uid: changed.uid ?? 'request-uid',
      namespace: changed.namespace ?? 'team-a',
      name: changed.name ?? 'req-1',
      resourceVersion: '1',
      labels: {},
      annotations: {},
      ownerReferences: changed.owners ?? [{ apiVersion: 'v1', kind: 'Pod', ...of }],
      creationTimestamp: new Date(changed.createdAt ?? Date.parse('2026-11-20T10:00:00Z')),
      deletionTimestamp: undefined,
    },
    spec: {
      signerName: changed.signerName ?? signerName,
      pod: of,
      serviceAccount: changed.serviceAccount ?? { name: 'worker', uid: 'account-uid' },
      node: changed.node ?? { name: 'node1', uid: 'node-uid' },
      maxExpirationSeconds: changed.maxExpirationSeconds ?? 3600,
      key: 'key' in changed ? changed.key : proofOf(of.uid),
      unverifiedUserAnnotations: changed.annotations ?? {},
    },
    status: unanswered,
  }
}

function proofOf(podUid: string): RequestedKey {
  return {
    kind: 'proof',
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    proof: sign('sha256', Buffer.from(podUid), privateKey),
  }
}
