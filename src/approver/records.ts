import { cut } from '../errors.ts'
import {
  asRecorded,
  type CertificateSigningRequest,
} from '../kubernetes/certificate-signing-request.ts'
import type { NodeVerdict } from '../ledger/record.ts'
import type { Denial, Proof } from './verdict.ts'

/** What is written into the condition of a request, and into the ledger before. */
export interface Answer {
  readonly verdict: NodeVerdict['verdict']
  readonly reason: string
  readonly message: string
  readonly evidence: readonly Proof[]
  readonly node: NodeVerdict['node']
  readonly spkiSha256: string | undefined
}

const approvedReason = 'EvidenceProved'

/** A record has to fit a ledger entry of 65,535 octets, whatever a request says. */
const messageCharactersMax = 4096
const textCharactersMax = 320
const evidenceMax = 80
const usagesMax = 16

export function approval(
  proofs: readonly Proof[],
  parts: Pick<Answer, 'node' | 'spkiSha256'>,
): Answer {
  const told = proofs.map(({ field, value, by }) => `${field} ${value} by ${by}`)
  const message = cut(told.join('; '), messageCharactersMax)
  return { verdict: 'approved', reason: approvedReason, message, evidence: proofs, ...parts }
}

export function denial(
  { reason, message }: Denial,
  parts: Pick<Answer, 'node' | 'spkiSha256'>,
): Answer {
  const told = cut(message, messageCharactersMax)
  return { verdict: 'denied', reason, message: told, evidence: [], ...parts }
}

export function verdictRecord(
  request: CertificateSigningRequest,
  answer: Answer,
  head: Pick<NodeVerdict, 'time' | 'replica' | 'issuanceId' | 'outcome' | 'latencySeconds'>,
): NodeVerdict {
  const { spec } = request
  const { verdict, reason, message, evidence, node, spkiSha256 } = answer
  return {
    kind: 'node-verdict',
    ...head,
    request: asRecorded(request),
    verdict,
    reason,
    message,
    requester: {
      username: cut(spec.username, textCharactersMax),
      uid: cut(spec.uid, textCharactersMax),
    },
    node,
    usages: spec.usages.slice(0, usagesMax).map((each) => cut(each)),
    expirationSeconds: spec.expirationSeconds ?? 0,
    ...(spkiSha256 === undefined ? {} : { spkiSha256 }),
    evidence: evidence.slice(0, evidenceMax).map(({ field, value, by }) => ({
      field,
      value: cut(value, textCharactersMax),
      by: cut(by, textCharactersMax),
    })),
  }
}
