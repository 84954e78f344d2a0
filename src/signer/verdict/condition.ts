import type { DenyVerdict, IssueVerdict, Refusal } from './verdict.ts'

/*
 * The one door outwards: what a request's status says. Kubelet repeats the message of a Denied in the pod's FailedMount event,
 * so it is written for whoever has to mend the pod, the service account or the namespace.
 */

/** The API server's bound on a condition's message, in octets of UTF-8. */
export const messageOctetsMax = 32_768

/** What is written of a CertificateSigningRequest has no bound of its own; this one is read by people. */
export const judgementOctetsMax = 4096

/** So many fields of a refusal are told in full; nobody reads the seventeenth. */
const fieldsMax = 16

/** What was asked, what is proved, what to change: a sentence a field. */
export function refusalMessage(refusal: Refusal): string {
  const told = refusal.fields.slice(0, fieldsMax).map(({ field, asked, proved, change }) => {
    return `${field}: asked ${asked}; proved ${proved}; to change: ${change}`
  })
  const untold = refusal.fields.length - told.length
  if (untold > 0) told.push(`and ${untold} more`)
  return cutToOctets(told.join('. '), messageOctetsMax)
}

/** What goes into a merge patch of the status; uid and resourceVersion go beside it, so that it fits no other state. */
export interface StatusPatch {
  readonly conditions: readonly [Condition]
  readonly certificateChain?: string
  readonly notBefore?: string
  readonly beginRefreshAt?: string
  readonly notAfter?: string
}

export interface Condition {
  readonly type: 'Issued' | 'Denied'
  readonly status: 'True'
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: string
}

/** What the status says of a certificate. */
export interface PublishedCertificate {
  readonly chainPem: string
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly beginRefreshAt: Date
}

/** The same certificate at the same time gives the same octets, which the API server takes twice. */
export function issuedStatus(issued: PublishedCertificate, now: Date): StatusPatch {
  return {
    conditions: [
      {
        type: 'Issued',
        status: 'True',
        reason: 'Issued',
        message: `certificate ${issued.serialNumber} until ${wholeSeconds(issued.notAfter)}`,
        lastTransitionTime: wholeSeconds(now),
      },
    ],
    certificateChain: issued.chainPem,
    notBefore: wholeSeconds(issued.notBefore),
    beginRefreshAt: wholeSeconds(issued.beginRefreshAt),
    notAfter: wholeSeconds(issued.notAfter),
  }
}

/** Denied is final for the pod: only a proven violation may come here, which the type of the verdict stands for. */
export function deniedStatus(verdict: DenyVerdict, now: Date): StatusPatch {
  const { reason, message } = verdict
  const lastTransitionTime = wholeSeconds(now)
  return {
    conditions: [{ type: 'Denied', status: 'True', reason, message, lastTransitionTime }],
  }
}

/** For whoever reads the approval: who it is for, and what proved that. */
export function approvalMessage(verdict: IssueVerdict): string {
  const { spiffeId, pod, namespace, node, policy, findings } = verdict
  const proofs = findings.flatMap((finding) =>
    finding.kind === 'proved' ? [`${finding.field}=${finding.value} by ${finding.by}`] : [],
  )
  const { issued } = verdict.claims.asked.stated ?? {}
  const what = issued === undefined ? 'pod' : 'IssuedCertificate'
  const who = `${spiffeId.uri} for ${what} ${namespace.name}/${pod.name} on ${node.name}`
  const told = `${who}, policy revision ${policy.revision}: ${proofs.join('; ')}`
  return cutToOctets(told, judgementOctetsMax)
}

/** The API server compares the times of status and certificate to the second, and refuses a fraction. */
export function wholeSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

/** Cuts at a character of UTF-8, never inside one. */
export function cutToOctets(text: string, octetsMax: number): string {
  const octets = Buffer.from(text, 'utf8')
  if (octets.length <= octetsMax) return text
  let end = octetsMax - 3
  while (end > 0 && ((octets[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return `${octets.subarray(0, end).toString('utf8')}…`
}
