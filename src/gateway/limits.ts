/** What answers may wait in memory for callers that do not read them. */
export interface UnsentBounds {
  /** Octets of whole answers, of one identity. */
  readonly unsentBytesMax: number
  /** How long one answer may take to be read. */
  readonly unsentSecondsMax: number
}

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
