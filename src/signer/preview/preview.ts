import { isDeepStrictEqual } from 'node:util'
import type { IssueVerdict, Verdict } from '../verdict/verdict.ts'
import { askedOfPod } from './asked-of-pod.ts'
import { judgePod, type Judge, type Judged } from './judge.ts'
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

/** What becomes of one certificate of a running pod at its next refresh. */
export interface Previewed {
  /** `<namespace>/<name>`. */
  readonly pod: string
  readonly volume: string
  readonly before: Judged
  readonly after: Judged
  /** `refused` and `waiting` are what a running pod loses its certificate by; `other` is a certificate that says something else. */
  readonly change: 'none' | 'refused' | 'waiting' | 'issued' | 'other'
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
        const now = judgePod(asked, index, before.judge)
        const then = judgePod(asked, indexAfter, after.judge)
        const change = changeOf(now.verdict, then.verdict)
        return { pod: nameOf(pod), volume: asked.volume, before: now, after: then, change }
      }),
    )
}

const kinds = { issue: 'issued', deny: 'refused', wait: 'waiting' } as const

function changeOf(before: Verdict, after: Verdict): Previewed['change'] {
  if (before.kind !== after.kind) return kinds[after.kind]
  if (before.kind !== 'issue' || after.kind !== 'issue') return 'none'
  return isDeepStrictEqual(contentOf(before), contentOf(after)) ? 'none' : 'other'
}
