import { quoted } from '../../errors.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { requestedUsages } from '../../pki/certificate-request.ts'
import { lifetimeSecondsMin } from '../../pki/profile.ts'
import type { FieldRefusal, Refusal, ToldRequester } from './verdict.ts'

/*
 * What a CertificateSigningRequest itself proves against it, before anything is asked of the cluster. Unlike a pod's volume it holds nobody
 * up for good when it is denied: another can be made.
 */

/** Why it is refused whatever the cluster proves; undefined for what a kubelet asks. */
export function refusedOfStated({ stated, spec }: PodCertificateRequest): Refusal | undefined {
  if (stated === undefined) return undefined
  if (!stated.isPod) {
    return refusal('RequesterNotProved', {
      field: 'username',
      asked: quoted(stated.username, 253),
      proved: 'the API server states no pod and node of the requester',
      change: 'ask with the token of a pod: a projected serviceAccountToken, which is bound to it',
    })
  }
  if (stated.usages.toSorted().join('\n') !== requestedUsages.join('\n')) {
    return refusal('UsagesNotGranted', {
      field: 'usages',
      asked: quoted(stated.usages.join(', '), 320),
      proved: `certificates are for ${requestedUsages.join(', ')}`,
      change: `set spec.usages, want=${requestedUsages.join('|')}`,
    })
  }
  if (spec.maxExpirationSeconds < lifetimeSecondsMin) {
    return refusal('LifetimeTooShort', {
      field: 'expirationSeconds',
      asked: String(spec.maxExpirationSeconds),
      proved: `certificates live ${lifetimeSecondsMin} seconds at least`,
      change: `leave out spec.expirationSeconds, or set it, want=${lifetimeSecondsMin}..`,
    })
  }
  return undefined
}

/** Who asks, where the API server states it; undefined for what a kubelet asks. */
export function requesterOfStated({ stated }: PodCertificateRequest): ToldRequester | undefined {
  if (stated === undefined) return undefined
  return stated.issued === undefined ? 'pod' : 'agent'
}

function refusal(reason: Refusal['reason'], field: FieldRefusal): Refusal {
  return { reason, fields: [field] }
}
