import type {
  IssuanceApproval,
  IssuanceIntent,
  IssuanceRefusal,
  IssuanceResult,
} from '../../ledger/record.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { Prepared } from '../../pki/issue.ts'
import { cutToOctets } from '../verdict/condition.ts'
import { annotationKeys } from '../../identity/governance-key.ts'
import type { DenyVerdict, IssueVerdict, NamedFinding, Refusal } from '../verdict/verdict.ts'

/*
 * The governance record: requests vanish from the API server after a quarter of an hour, so what is not in here is forgotten.
 */

/** What every record of one issuance begins with. */
export interface RecordHead {
  readonly time: string
  readonly replica: string
  readonly issuanceId: string
}

/*
 * A record has to fit a ledger entry of 65,535 octets whatever a request says, so these are octets of JSON, where a control
 * character takes six. What is not cut is bounded where it is granted: names, ceiling, DNS names and paths.
 */
const valueOctetsMax = 6400
const evidenceOctetsMax = 10_240
const fieldOctetsMax = 256
const messageOctetsMax = 8192
const approvalOctetsMax = 4096
const fieldsMax = 16
const wouldDenyFieldsMax = 4

export function intentRecord(
  head: RecordHead,
  parts: {
    readonly verdict: IssueVerdict
    readonly prepared: Prepared
  },
): IssuanceIntent {
  const { verdict, prepared } = parts
  return {
    kind: 'issuance-intent',
    ...head,
    ...provedRecord(verdict),
    serialNumber: prepared.serialNumber,
    notBefore: prepared.notBefore.toISOString(),
    notAfter: prepared.notAfter.toISOString(),
    beginRefreshAt: prepared.beginRefreshAt.toISOString(),
    profileDigest: prepared.profileDigest,
  }
}

export function approvalRecord(
  head: RecordHead,
  parts: {
    readonly verdict: IssueVerdict
    readonly message: string
    readonly latencySeconds: number
  },
): IssuanceApproval {
  const { verdict, message, latencySeconds } = parts
  return {
    kind: 'issuance-approval',
    ...head,
    ...provedRecord(verdict),
    message: recordedMessage(message),
    outcome: 'unknown',
    latencySeconds,
  }
}

/** Of an approval, which has the room that a pod's paths take elsewhere. */
export function recordedMessage(message: string): string {
  return cut(message, approvalOctetsMax)
}

/** Who is to have a certificate, with what proved it. */
function provedRecord(
  verdict: IssueVerdict,
): Omit<IssuanceApproval, keyof RecordHead | 'kind' | 'message' | 'outcome' | 'latencySeconds'> {
  const { claims } = verdict
  const { spec } = claims.asked
  return {
    request: placeOf(claims.asked),
    namespace: verdict.namespace,
    serviceAccount: verdict.serviceAccount,
    pod: verdict.pod,
    node: verdict.node,
    requester: verdict.requester,
    keyType: claims.key.keyType,
    spkiSha256: claims.key.sha256,
    maxExpirationSeconds: spec.maxExpirationSeconds,
    lifetimeSeconds: verdict.lifetimeSeconds,
    annotations: governanceAnnotations(spec.unverifiedUserAnnotations),
    projectedPaths: [...verdict.projectedPaths],
    spiffeId: verdict.spiffeId.uri,
    ...(verdict.role === undefined ? {} : { role: verdict.role }),
    ...(verdict.tenant === undefined ? {} : { tenant: verdict.tenant }),
    ...(verdict.claim === undefined ? {} : { claim: verdict.claim }),
    models: [...verdict.ceiling.models],
    toolScopes: verdict.ceiling.toolScopes.map((scope) => scope.text),
    dnsNames: [...verdict.dnsNames],
    evidenceDigest: verdict.evidenceDigest,
    policyRevision: verdict.policy.revision,
    policyDigest: verdict.policy.digest,
    ...evidenceWithin(verdict),
  }
}

/** An intent has less room than a refusal. */
function wouldDenyOf({ reason, fields }: Refusal): NonNullable<IssuanceIntent['wouldDeny']> {
  return { reason, fields: refusedFields(fields, wouldDenyFieldsMax) }
}

function refusedFields(fields: Refusal['fields'], max: number): IssuanceRefusal['fields'] {
  return fields.slice(0, max).map(({ field, asked, proved }) => ({
    field: cut(field, fieldOctetsMax),
    asked: cut(asked, 512),
    proved: cut(proved, 512),
  }))
}

/** What would be denied first, then what proved the rest: both share the room that a record has for reasons. */
function evidenceWithin({
  findings,
  wouldDeny: refusal,
}: IssueVerdict): Pick<IssuanceIntent, 'evidence' | 'wouldDeny'> {
  const wouldDeny = refusal === undefined ? {} : { wouldDeny: wouldDenyOf(refusal) }
  let octets = Buffer.byteLength(JSON.stringify(wouldDeny))
  const evidence = findings.map(evidenceOf).filter((each) => {
    octets += Buffer.byteLength(JSON.stringify(each))
    return octets <= evidenceOctetsMax
  })
  return { ...wouldDeny, evidence }
}

function evidenceOf(finding: NamedFinding): { check: string; field: string; reason: string } {
  const { check, field } = finding
  return { check, field: cut(field, fieldOctetsMax), reason: cut(reasonOf(finding), 512) }
}

function reasonOf(finding: NamedFinding): string {
  if (finding.kind === 'proved') return `${finding.value}: ${finding.by}`
  if (finding.kind === 'noted') return finding.note
  return finding.kind === 'refused' ? finding.proved : finding.why
}

function placeOf({ metadata, spec, stated }: PodCertificateRequest): IssuanceIntent['request'] {
  const { uid, namespace, name } = metadata
  const { signerName } = spec
  return { uid, namespace, name, signerName, ...(stated && { kind: 'CertificateSigningRequest' }) }
}

/** Milliseconds. */
export function createdAt({ metadata }: PodCertificateRequest): number {
  return metadata.creationTimestamp?.getTime() ?? 0
}

/** What became of an intent. */
export interface Conclusion {
  readonly outcome: 'published' | 'unpublished' | 'unknown'
  readonly detail: string
  readonly certificateSha256?: string
  readonly chainSha256?: string
  readonly apiStatus?: number | undefined
}

export function resultRecord(
  head: Omit<RecordHead, 'issuanceId'>,
  open: { readonly index: number; readonly intent: IssuanceIntent },
  parts: { readonly conclusion: Conclusion; readonly latencySeconds: number },
): IssuanceResult {
  const { outcome, detail, certificateSha256, chainSha256, apiStatus } = parts.conclusion
  return {
    kind: 'issuance-result',
    ...head,
    issuanceId: open.intent.issuanceId,
    request: open.intent.request,
    outcome,
    detail: cut(detail, messageOctetsMax),
    ...(certificateSha256 === undefined ? {} : { certificateSha256 }),
    ...(chainSha256 === undefined ? {} : { chainSha256 }),
    ...(apiStatus === undefined ? {} : { apiStatus }),
    latencySeconds: parts.latencySeconds,
    intentIndex: open.index,
  }
}

export function refusalRecord(
  head: RecordHead,
  asked: PodCertificateRequest,
  parts: { readonly verdict: DenyVerdict; readonly latencySeconds: number },
): IssuanceRefusal {
  const { verdict, latencySeconds } = parts
  const { pod, serviceAccount, node, unverifiedUserAnnotations } = asked.spec
  return {
    kind: 'issuance-refusal',
    ...head,
    request: placeOf(asked),
    reason: verdict.reason,
    message: cut(verdict.message, messageOctetsMax),
    fields: refusedFields(verdict.fields, fieldsMax),
    pod,
    serviceAccount,
    node,
    annotations: governanceAnnotations(unverifiedUserAnnotations),
    outcome: 'unknown',
    latencySeconds,
  }
}

/** Our own annotations as they were asked for; others are told by the refusal's message, and cut there. */
function governanceAnnotations(asked: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.values(annotationKeys).flatMap((key) => {
      const value = asked[key]
      return value === undefined ? [] : [[key, cut(value, valueOctetsMax)]]
    }),
  )
}

/** Cut so that its JSON has no more octets than that. */
function cut(text: string, octetsMax: number): string {
  const whole = cutToOctets(text.toWellFormed(), octetsMax)
  if (jsonOctets(whole) <= octetsMax) return whole
  let octets = Buffer.byteLength(ellipsis)
  let kept = ''
  for (const character of whole) {
    octets += jsonOctets(character)
    if (octets > octetsMax) break
    kept += character
  }
  return `${kept}${ellipsis}`
}

const ellipsis = '…'

function jsonOctets(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2
}
