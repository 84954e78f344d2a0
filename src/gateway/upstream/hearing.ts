import type { Change, ChangeFilter } from '../../mcp/changes.ts'
import type { Account, OctetRoom } from '../../shares.ts'
import type { ExchangeFailure } from './exchange.ts'
import type { Upstream } from './upstream.ts'

/** How a subscription ends. */
export type Ending =
  /** As the upstream says, in order. */
  | { readonly kind: 'complete' }
  /** It has refused, under this status. */
  | {
      readonly kind: 'error'
      readonly status: number
      readonly code: number
      readonly message: string
    }
  | { readonly kind: 'failed'; readonly failure: ExchangeFailure }

/** Is told what an upstream says, after `listen` has returned or before. */
export interface Listener {
  /** Before all else, where what is asked takes more than one request: the upstream has answered the first. */
  opened?(): void
  /** First, and once: what the upstream tells of, of what was asked for. */
  acknowledged(filter: ChangeFilter): void
  changed(change: Change): void
  /** What is told of a task, by the upstream's own id, and as it writes it. */
  task?(taskId: string, octets: Buffer): void
  /** Whether what is told is taken; if not, this is called as soon as it is. */
  isRead?(resume: () => void): boolean
  /** Last, and once; not to one that has left. */
  ended(ending: Ending): void
}

/** For whom a legacy server is asked to tell of a resource: one that wants to know is told so with each request. */
export interface InNameOf {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  /** The token that says so of this resource; undefined: nobody is spoken for any more. */
  readonly tokenFor: (uri: string) => Promise<string | undefined>
}

/** What is asked of one upstream. */
export interface Hearing {
  readonly upstream: Upstream
  /** Of whoever is the first to ask for it: what it takes to begin is asked on that share. */
  readonly account: Account
  readonly filter: ChangeFilter
  /** Of whoever asks, where it is asked in somebody's name. */
  readonly inNameOf?: InNameOf | undefined
  /** Of one message of the upstream. */
  readonly octetsMax: number
  /** Where they are taken of while they are read; none where many listen. */
  readonly room?: OctetRoom
}

/** Longer than any caller may listen: a subscription ends with the last of them. */
export const lifeSecondsMax = 86_400
