import { isDeepStrictEqual } from 'node:util'
import type {
  DenyReason,
  FieldRefusal,
  IssueVerdict,
  Refusal,
  Verdict,
} from '../verdict/verdict.ts'
import { askedOfPod } from './asked-of-pod.ts'
import { judgePod, type Judge } from './judge.ts'
import { indexSnapshot, nameOf, type Snapshot } from './snapshot.ts'

/** What a certificate says of its pod. */
export interface CertificateContent {
  readonly spiffeId: string
  readonly role: string | undefined
  readonly tenant: string | undefined
  readonly models: readonly string[]
  readonly toolScopes: readonly string[]
  readonly dnsNames: readonly string[]
  readonly lifetimeSeconds: number
}

export function contentOf(verdict: IssueVerdict): CertificateContent {
  const { spiffeId, role, tenant, ceiling, dnsNames, lifetimeSeconds } = verdict
  return {
    spiffeId: spiffeId.uri,
    role,
    tenant,
    models: ceiling.models,
    toolScopes: ceiling.toolScopes.map((scope) => scope.text),
    dnsNames,
    lifetimeSeconds,
  }
}

/** What the signer says, without the evidence: of thousands of pods nobody keeps that. */
export type Said =
  | {
      readonly verdict: 'issue'
      readonly certificate: CertificateContent
      readonly wouldDeny?: Refusal
    }
  | { readonly verdict: 'wait'; readonly why: string }
  | {
      readonly verdict: 'deny'
      readonly reason: DenyReason
      readonly fields: readonly FieldRefusal[]
    }

function saidOf(verdict: Verdict): Said {
  if (verdict.kind === 'issue') {
    const { wouldDeny } = verdict
    const certificate = contentOf(verdict)
    return { verdict: 'issue', certificate, ...(wouldDeny === undefined ? {} : { wouldDeny }) }
  }
  if (verdict.kind === 'wait') return { verdict: 'wait', why: verdict.why }
  return { verdict: 'deny', reason: verdict.reason, fields: verdict.fields }
}

/** What becomes of one certificate of a running pod at its next refresh. */
export interface Previewed {
  /** `<namespace>/<name>`. */
  readonly pod: string
  readonly volume: string
  readonly before: Said
  readonly after: Said
  /**
   * `refused` and `waiting` are what a running pod gets none by; `other` is a certificate that says something else, `warned` one that is
   * issued only because its namespace is not enforced.
   */
  readonly change: 'none' | 'refused' | 'waiting' | 'issued' | 'other' | 'warned'
}

/** What each running pod's certificates would become: one row a `podCertificate` source of this signer, in the order of the names. */
export function previewPods(
  before: { readonly snapshot: Snapshot; readonly judge: Judge },
  after: { readonly snapshot: Snapshot; readonly judge: Judge },
  signerName: string,
): readonly Previewed[] {
  const index = indexSnapshot(before.snapshot)
  const indexAfter = indexSnapshot(after.snapshot)
  return before.snapshot.pods
    .filter(({ phase }) => phase === 'Running')
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .flatMap((pod) =>
      askedOfPod(pod, index, signerName).map((asked) => {
        const now = saidOf(judgePod(asked, index, before.judge))
        const then = saidOf(judgePod(asked, indexAfter, after.judge))
        const change = changeOf(now, then)
        return { pod: nameOf(pod), volume: asked.volume, before: now, after: then, change }
      }),
    )
}

const kinds = { issue: 'issued', deny: 'refused', wait: 'waiting' } as const

function changeOf(before: Said, after: Said): Previewed['change'] {
  if (before.verdict !== after.verdict) return kinds[after.verdict]
  if (before.verdict !== 'issue' || after.verdict !== 'issue') return 'none'
  if (after.wouldDeny !== undefined && !isDeepStrictEqual(before.wouldDeny, after.wouldDeny)) {
    return 'warned'
  }
  return isDeepStrictEqual(before.certificate, after.certificate) ? 'none' : 'other'
}

/** Whether a running pod that would get a certificate now would get none. */
export function isLost({ before, after }: Previewed): boolean {
  return before.verdict === 'issue' && after.verdict !== 'issue'
}
