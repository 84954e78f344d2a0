/** Why a request is denied: it can never be right, as it is. */
export type DenyReason =
  | 'RequestMalformed'
  | 'SubjectNotProved'
  | 'RequesterNotProved'
  | 'NamesNotProved'
  | 'UsagesNotAllowed'
  | 'KeyTypeNotAllowed'
  | 'LifetimeNotAllowed'

/** Why a request waits, where somebody should look at it. */
export type WaitReason = 'ClaimedByAnotherNode'

/** What proved one part of a request. */
export interface Proof {
  readonly field: string
  readonly value: string
  readonly by: string
}

export interface Denial {
  readonly kind: 'deny'
  readonly reason: DenyReason
  /** What was asked, what is proved, what to change. */
  readonly message: string
}

export type Verdict =
  | { readonly kind: 'approve'; readonly proofs: readonly Proof[] }
  | Denial
  /** It may yet be right. */
  | { readonly kind: 'wait'; readonly why: string; readonly reason?: WaitReason }
  /** It is for another approver. */
  | { readonly kind: 'leave'; readonly why: string }

export function deny(reason: DenyReason, message: string): Denial {
  return { kind: 'deny', reason, message }
}
