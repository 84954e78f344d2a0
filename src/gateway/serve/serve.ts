import type { Bag } from '../../bag.ts'
import type { Log } from '../../log.ts'
import type { TokenSigner } from '../../token/sign.ts'
import type { Approvals } from '../approval/approvals.ts'
import type { Call } from '../call.ts'
import type { Caller } from '../caller/caller.ts'
import type { Judgement } from '../caller/judge.ts'
import type { Catalogues } from '../catalogue/catalogues.ts'
import type { Quarantine } from '../catalogue/pins.ts'
import type { Reply } from '../door/reply.ts'
import type { Seal } from '../handle/seal.ts'
import type { GatewayLimits } from '../limits.ts'
import type { Permit } from '../permit/authorize.ts'
import type { Decisions } from '../permit/policy.ts'
import type { Refused } from '../refusal.ts'
import type { Running } from './running.ts'
import type { Soon } from '../soon.ts'
import type { Turns } from '../turns.ts'
import type { Asks } from './asks.ts'
import type { Ears } from './ears.ts'
import type { Levels } from './levels.ts'
import type { OwnTasks } from './own-tasks.ts'
import type { Pages } from './pages.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { SessionStreams } from './session-streams.ts'
import type { Talks } from './talks.ts'
import type { Absences } from '../upstream/absences.ts'
import type { Listenings } from '../upstream/listenings.ts'
import type { HeldSessions } from '../upstream/held-sessions.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** What serving works with; made once, by `createGateway`. */
export interface Parts {
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly absences: Absences
  readonly sessions: HeldSessions
  readonly catalogueOf: Catalogues
  /** As `authorize`, of what is told unasked: nothing is counted, and nothing waits for an approval. */
  readonly authorizeTold: (call: Call) => Soon<Permit | Refused>
  readonly quarantineOf: Quarantine
  readonly decisions: Decisions
  readonly listenings: Listenings
  /** Ends one open stream of changes each, in order. */
  readonly listens: Bag<() => void>
  /** What legacy clients may cancel here. */
  readonly running: Running
  /** In which what takes long is done. */
  readonly turns: Turns
  readonly seal: Seal
  readonly asks: Asks
  readonly talks: Talks
  readonly ears: Ears
  readonly levels: Levels
  readonly subscriptions: Subscriptions
  readonly pages: Pages
  /** Whether what a client answers comes to the process that waits for it: with several workers it comes to any. */
  readonly isOnlyWorker: boolean
  readonly streams: SessionStreams
  readonly ownTasks: OwnTasks
  /** Whether a call may be made: of one that goes on with another, too. */
  readonly authorize: (call: Call) => Soon<Permit | Refused>
  /** Whether a caller still is who it was, for what had to wait. */
  readonly judge: (caller: Caller) => Judgement
  readonly tokens: TokenSigner
  /** Undefined: no call can wait for an approval. */
  readonly approvals: Approvals | undefined
  readonly limits: GatewayLimits
  readonly now: () => number
  readonly log: Log
}

/** Does what a permitted call asks for. A refusal here is of the exchange with an upstream, or of its answer. */
export type Serve = (permit: Permit, reply: Reply, parts: Parts) => Soon<Refused | undefined>
