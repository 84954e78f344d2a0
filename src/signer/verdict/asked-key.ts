import { hash } from 'node:crypto'
import { CountersignError } from '../../errors.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { keyOfUnverified } from '../../pki/certificate-request.ts'

/**
 * SHA-256, hex, of the SubjectPublicKeyInfo that a request is for: the name of the key in records. Whether the request was signed with it is not looked
 * at, which would cost ten times as much. Undefined where none can be read.
 */
export function askedKeySha256({
  spec: { key },
}: Pick<PodCertificateRequest, 'spec'>): string | undefined {
  if (key === undefined) return undefined
  if (key.kind === 'proof') return hash('sha256', key.spki, 'hex')
  try {
    return hash('sha256', keyOfUnverified(key.kind === 'csr' ? key.der : key.pem), 'hex')
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
  }
}

/** The UID of whom a certificate is for: the pod, or what an agent's pod asks for. */
export function holderUid({
  spec,
  stated,
}: Pick<PodCertificateRequest, 'spec' | 'stated'>): string {
  return (stated?.issued ?? spec.pod).uid
}
