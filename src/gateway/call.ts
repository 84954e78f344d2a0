import type { NotificationMessage, RequestMessage } from '../mcp/message.ts'
import type { ArgumentsText } from '../policy/asked.ts'
import type { Approval } from './approval/approval.ts'
import type { Caller } from './caller/caller.ts'
import type { Arrived } from './door/arrived.ts'
import type { Session } from './handle/session.ts'
import type { StayPart } from './stay.ts'
import type { CallTrace } from './trace/tracer.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What a call is about. */
export type Target =
  /** A server as a whole; none where it is the gateway itself, at the door of all. */
  | { readonly kind: 'server'; readonly upstream: Upstream | undefined }
  /** A tool, by its name as the upstream knows it. */
  | { readonly kind: 'tool'; readonly upstream: Upstream; readonly tool: string }
  /** Something else that a server offers, by its name or URI there, or by the text of its template. */
  | { readonly kind: OfferKind; readonly upstream: Upstream; readonly name: string }

/** What a server offers beside its tools. */
export type OfferKind = 'prompt' | 'resource' | 'resource_template'

/** What a method is about. A reference names a prompt or a template. */
export type About = 'server' | 'tool' | 'prompt' | 'resource' | 'reference' | 'task'

/** One message of one caller to one target: who says what to whom. Nothing of it is permitted yet. */
export interface Call {
  readonly arrived: Arrived
  readonly caller: Caller
  /** At whose end what the call has taken is given back. */
  readonly stay: StayPart
  readonly message: RequestMessage | NotificationMessage
  /** Of legacy messages other than `initialize`. */
  readonly session: Session | undefined
  readonly target: Target
  /** Its span, where it is traced. */
  readonly trace: CallTrace | undefined
  /** `params.arguments` by its octets, with the one digest of them. */
  readonly arguments: ArgumentsText | undefined
  /** What its tool server said when it asked for input, as JSON: a retry brings it back, sealed for the caller. */
  readonly requestState?: string | undefined
  /** What goes on with an approved call: its approval, or the ticket under which that is kept. */
  readonly approved?: string | Approval | undefined
  /** How often its server has wanted more of a legacy client before. */
  readonly rounds?: number
  /** How often its legacy server has wanted pages opened before it is called. */
  readonly pageRounds?: number | undefined
  /** The call that goes on with this one, where that is open at its server, and how often it has gone on before. */
  readonly suspended?: { readonly number: number; readonly round: number }
  /** Of the task that it shows, as its tool server knows it; the target is the tool whose call the task was. */
  readonly taskId?: string
  /** Of the same: milliseconds since the epoch, from which on it is of no use. */
  readonly taskUntil?: number
}
