/** One approval as it is kept: what it says is sealed, so that who writes where it is kept decides nothing. */
export interface KeptApproval {
  readonly name: string
  readonly sealed: string
  /** RFC 3339: after it nobody needs it. Believed for tidying alone. */
  readonly deadline: string
  /** Tells it from what has been there before, and from what it is changed into. */
  readonly version: { readonly uid: string; readonly resourceVersion: string }
}

/**
 * Where approvals are kept, for all workers and replicas: each of these does all of it or nothing, and of several who do it at a time one
 * succeeds. Rejects where it cannot be known.
 */
export interface ApprovalStore {
  read(name: string): Promise<KeptApproval | undefined>
  /** False: there is one of that name. */
  create(approval: Omit<KeptApproval, 'version'>): Promise<boolean>
  /** False: it is not that one any more. */
  replace(kept: KeptApproval, sealed: string): Promise<boolean>
  /** False: it is not that one any more. Only whoever is told true has taken it away. */
  remove(kept: KeptApproval): Promise<boolean>
  list(): Promise<readonly KeptApproval[]>
}
