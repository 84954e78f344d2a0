import { cut } from '../errors.ts'
import {
  asRecorded,
  type CertificateSigningRequest,
} from '../kubernetes/certificate-signing-request.ts'
import type { AuthorityVerdict } from '../ledger/record.ts'
import type { Intermediate } from '../pki/intermediate.ts'
import type { Asked, Denial } from './judge.ts'

/** A record has to fit a ledger entry, whatever a request says. */
const messageCharactersMax = 4096
const textCharactersMax = 320

type Head = Pick<AuthorityVerdict, 'time' | 'replica' | 'issuanceId' | 'latencySeconds'>

/** What is about to be signed. */
export function intentRecord(
  request: CertificateSigningRequest,
  head: Head,
  what: {
    readonly asked: Asked
    readonly intermediate: Intermediate
    readonly trustDomain: string
    readonly issuerSha256: string
  },
): AuthorityVerdict {
  const { asked, intermediate, trustDomain, issuerSha256 } = what
  const { notBefore, notAfter, dnsSuffixes } = intermediate
  const first = begun(request, head)
  const pod = { name: asked.podName, uid: asked.podUid }
  return {
    ...first,
    requester: { ...first.requester, pod },
    verdict: 'issued',
    reason: 'RequesterProved',
    message: `a CA of ${trustDomain} until ${notAfter.toISOString()}, as it is registered`,
    spkiSha256: asked.key.sha256,
    authority: {
      trustDomain,
      dnsSuffixes,
      notBefore: notBefore.toISOString(),
      notAfter: notAfter.toISOString(),
      issuerSha256,
    },
    outcome: 'unknown',
  }
}

/** What is about to be denied. */
export function denialRecord(
  request: CertificateSigningRequest,
  head: Head,
  { reason, message }: Denial,
): AuthorityVerdict {
  return {
    ...begun(request, head),
    verdict: 'denied',
    reason,
    message: cut(message, messageCharactersMax),
    outcome: 'unknown',
  }
}

function begun(
  request: CertificateSigningRequest,
  head: Head,
): Head & Pick<AuthorityVerdict, 'kind' | 'request' | 'requester'> {
  return {
    kind: 'authority-verdict',
    ...head,
    request: asRecorded(request),
    requester: {
      username: cut(request.spec.username, textCharactersMax),
      uid: cut(request.spec.uid, textCharactersMax),
    },
  }
}
