import type { Binding } from './ticket.ts'

/** A call that waits for an approval. */
export interface ApprovalRequest {
  readonly binding: Binding
  readonly nonce: string
  /** The rules of policy that want it. */
  readonly rules: readonly string[]
  /** As policy is told of them. */
  readonly subject: string
  readonly resource: string
  /** What an approver is shown of the arguments: JSON, and pointers to what is not in it and to what stands there by digest. */
  readonly shown: {
    readonly text: string
    readonly masked: readonly string[]
    readonly shortened: readonly string[]
  }
  /** The first names of what the caller answers to the tool server with this call; undefined: it answers nothing. */
  readonly inputKeys: readonly string[] | undefined
  /** Milliseconds since the epoch. */
  readonly askedAt: number
  readonly deadline: number
  /** The ticket that was approved, where this is of what goes on with its call. */
  readonly first?: string | undefined
  /** How often its call was put off for pages to be opened, and made anew. */
  readonly pageRounds?: number | undefined
}

/** What somebody has said of it. */
export interface Verdict {
  readonly approved: boolean
  /** SPIFFE ID. */
  readonly by: string
  /** The certificate, DER in base64, which says all that policy is told: it may be revoked before the approval is used. */
  readonly certificate: string
  /** The CAs between it and its anchor, by their issuance ids: one of them may be revoked, too. */
  readonly above: readonly string[]
  readonly decisionId: string
}

export interface Approval {
  readonly ticket: string
  readonly request: ApprovalRequest
  readonly verdict: Verdict | undefined
}

/** No approval is good for longer. */
export const approvalSecondsMax = 86_400
