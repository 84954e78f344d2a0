import type { AddressedNode } from '../kubernetes/node-addresses.ts'
import type { ClaimingNode } from './claiming-nodes.ts'

/** What the cluster says at one moment. */
export interface NodeEvidence {
  /** The Node, read for this request; undefined where there is none. */
  readonly node: AddressedNode | undefined
  /** All nodes, as they are followed. */
  readonly others: readonly ClaimingNode[]
  /** Of nodes that are there and cannot be read; an empty one is of one whose name cannot be read either. */
  readonly unreadable: ReadonlySet<string>
  /** Where pods reach the API server; undefined where that is not known. */
  readonly apiServer: readonly string[] | undefined
  /** Of a requester that is a service account. */
  readonly account: AccountEvidence | undefined
}

export interface AccountEvidence {
  /** Of the service account; undefined where there is none. */
  readonly uid: string | undefined
  /** Of the pod that the token names; undefined where it names none, or where there is none. */
  readonly pod:
    | { readonly uid: string; readonly serviceAccountName: string; readonly isOver: boolean }
    | undefined
}
