import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import type { FakeCluster, RawObject } from '../support/fake-cluster.ts'
import { signerName } from './asked.ts'

/** The annotation by which a pod's author lets the pod ask. */
export const declared: Readonly<Record<string, string>> = {
  'countersign.dev/certificate-signing-requests': signerName,
}

/** What the API server states of a token that is bound to pod `worker-0` of `populatedCluster()`. */
export const boundExtra: Readonly<Record<string, readonly string[]>> = {
  'authentication.kubernetes.io/credential-id': ['JTI=1'],
  'authentication.kubernetes.io/pod-name': ['worker-0'],
  'authentication.kubernetes.io/pod-uid': ['pod-uid'],
  'authentication.kubernetes.io/node-name': ['node1'],
  'authentication.kubernetes.io/node-uid': ['node-uid'],
}

export function pemOf(der: Buffer, label = 'CERTIFICATE REQUEST'): string {
  const base64 = der.toString('base64').replaceAll(/.{64}/g, '$&\n').trim()
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`
}

export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/** A CertificateSigningRequest of pod `worker-0`, as the API server stores it. */
export function signingRequest(
  name = 'csr-1',
  changed: {
    readonly spec?: object
    readonly annotations?: Readonly<Record<string, string>>
    readonly status?: object
    readonly key?: KeyObject
  } = {},
): RawObject {
  const { spec = {}, annotations = {}, status = {}, key: privateKey = newKey() } = changed
  const pem = pemOf(encodeCertificateRequest({ privateKey }))
  return {
    metadata: { name, uid: `uid-of-${name}`, resourceVersion: '1', annotations },
    spec: {
      signerName,
      request: Buffer.from(pem).toString('base64'),
      usages: ['client auth', 'digital signature', 'server auth'],
      username: 'system:serviceaccount:team-a:worker',
      uid: 'account-uid',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:team-a', 'system:authenticated'],
      extra: boundExtra,
      ...spec,
    },
    status,
  }
}

/** Lets pod `worker-0` ask. */
export function declare(
  cluster: FakeCluster,
  annotations: Readonly<Record<string, string>> = declared,
): void {
  const pod = cluster.get('pods', 'worker-0', 'team-a')
  if (pod === undefined) throw new Error('no pod worker-0')
  cluster.put('pods', { ...pod, metadata: { ...pod.metadata, annotations } })
}
