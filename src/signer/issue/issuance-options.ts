import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Issuer } from '../../pki/issue.ts'
import type { IssuancePolicy } from '../../policy/issuance-policy.ts'
import type { EvaluationProfile, Requester } from '../verdict/check.ts'
import type { ModeOf } from '../verdict/enforcement.ts'
import type { History } from './history.ts'
import type { IssuancePorts } from './ports.ts'

/** What it takes to say yes or no. */
export interface JudgingOptions {
  readonly profile: EvaluationProfile & { readonly cluster: string }
  readonly ledger: Pick<Ledger, 'append'>
  readonly issuancePolicy: IssuancePolicy
  readonly history: History
  readonly ports: IssuancePorts
  /** Whether the cluster let nobody but a kubelet make the request (docs/ISSUANCE.md). */
  readonly requester: (request: PodCertificateRequest) => Requester
  /** A request for the same key that was made before for another pod and is not answered yet; no other is known unless told. */
  readonly earlier?: (request: PodCertificateRequest) => string | undefined
  /** How strictly a namespace is held to what it may claim. */
  readonly modeOf: ModeOf
  readonly replica: string
  readonly now: () => number
  readonly randomBytes: (length: number) => Buffer
  readonly permission?: Permission
  readonly metrics: Metrics
  readonly log: Log
}

/** And to sign what is proved. */
export interface IssuanceOptions extends JudgingOptions {
  readonly issuer: Issuer
  /** Between two attempts to publish the same certificate. */
  readonly delay: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** What the API server says that the signer may do. */
export interface Permission {
  /** What is missing to answer any request, in words. */
  missing(): string | undefined
  /** A write was refused for want of a right: what was known of rights is old. */
  doubt(): void
}

/** What the request needs next. `again` without seconds leaves the pace to the queue's back-off. */
export type Outcome =
  | { readonly kind: 'done'; readonly as: 'issued' | 'approved' | 'denied' | 'settled' | 'gone' }
  | {
      readonly kind: 'again'
      readonly why: string
      readonly seconds?: number
      /** Time does not mend it: the people of the pod are told at once. */
      readonly grave?: boolean
    }

/** What was decided is kept until the ledger takes it; nothing new is signed for the request before. */
export const notRecorded: Outcome = { kind: 'again', why: 'result is not recorded yet', seconds: 5 }
