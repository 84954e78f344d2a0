import type { Fact, SigningRequestFact } from '../facts.ts'
import { listAt, textAt, timeAt } from '../lenient.ts'
import { learnList, type Asker } from './learn.ts'

/** CertificateSigningRequests for our signer name that have no certificate and were not refused. */
export function learnSigningRequests(
  asker: Asker,
  place: { readonly signerName: string; readonly serverNow: () => number },
): Promise<Fact<readonly SigningRequestFact[]>> {
  const listed = {
    path: '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    query: { fieldSelector: `spec.signerName=${place.signerName}` },
    right: 'list certificatesigningrequests',
  }
  return learnList(asker, listed, (raw) => readWaiting(raw, place.serverNow()))
}

function readWaiting(raw: unknown, now: number): SigningRequestFact | undefined {
  const conditions = listAt(raw, 'status', 'conditions').map((each) => textAt(each, 'type'))
  const isOver = conditions.includes('Denied') || conditions.includes('Failed')
  if (isOver || textAt(raw, 'status', 'certificate') !== '') return undefined
  const createdAt = timeAt(raw, 'metadata', 'creationTimestamp') ?? now
  return {
    name: textAt(raw, 'metadata', 'name'),
    requester: textAt(raw, 'spec', 'username'),
    approved: conditions.includes('Approved'),
    seconds: Math.max(0, Math.floor((now - createdAt) / 1000)),
  }
}
