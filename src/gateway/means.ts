import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Authorizer } from '../policy/authorizer.ts'
import type { DecisionLog } from '../policy/decision-log.ts'
import type { TokenSigner } from '../token/sign.ts'
import type { Catalogue } from './catalogue/catalogue.ts'
import type { Era } from '../mcp/message.ts'
import type { Peers } from './caller/callers.ts'
import type { UnsentBounds } from './door/unsent.ts'
import type { Condition } from '../readiness.ts'
import type { Seal } from './handle/seal.ts'
import type { Upstream } from './upstream/upstream.ts'

export interface GatewayLimits extends UnsentBounds {
  /** Octets of one request body. */
  readonly bodyBytesMax: number
  /** Octets of one answer of an upstream. */
  readonly answerBytesMax: number
  readonly streamSecondsMax: number
  /** Connections to one upstream: so many calls of all callers together are open with it. */
  readonly upstreamConnectionsMax: number
  /** Calls of one SPIFFE ID that are open with one upstream: well below all of them, so that nobody keeps the others out. */
  readonly upstreamShareMax: number
  /** How long a call may wait for one of these places. */
  readonly upstreamWaitMilliseconds: number
  /** Open requests of one identity, over all of its connections. */
  readonly inFlightMax: number
  /** Open requests of one connection: HTTP/1.1 lets a caller send the next before the last is answered. */
  readonly connectionInFlightMax: number
  /** Open connections of one identity. */
  readonly identityConnectionsMax: number
  /** Connections on which nobody has been let in: some 45 KB each while they are in their handshake. */
  readonly strangersMax: number
  /** The longest time that a caller may keep a filtered list. */
  readonly listSecondsMax: number
}

export const defaultLimits: GatewayLimits = {
  bodyBytesMax: 256 * 1024,
  answerBytesMax: 8 * 1024 * 1024,
  streamSecondsMax: 3600,
  upstreamConnectionsMax: 128,
  upstreamShareMax: 32,
  upstreamWaitMilliseconds: 1000,
  inFlightMax: 256,
  connectionInFlightMax: 8,
  identityConnectionsMax: 64,
  strangersMax: 1024,
  listSecondsMax: 60,
  unsentBytesMax: 32 * 1024 * 1024,
  unsentSecondsMax: 30,
}

/** What the checks and the doors work with; made once, by `createGateway`. */
export interface Means {
  /** What still has to hold before anybody is served. */
  unmet(): readonly Condition[]
  readonly peers: Peers
  readonly hosts: ReadonlySet<string>
  readonly origins: ReadonlySet<string>
  readonly seal: Seal
  readonly upstreams: ReadonlyMap<string, Upstream>
  catalogueOf(upstream: Upstream, era: Era): Catalogue
  readonly tokens: TokenSigner
  readonly authorizer: Authorizer
  readonly decisionLog: DecisionLog
  readonly limits: GatewayLimits
  readonly now: () => number
  readonly newDecisionId: () => string
  readonly log: Log
  readonly metrics: Metrics
}
