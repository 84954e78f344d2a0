import type { SharePercents } from './shares.ts'

/** Of what all callers have together each has a share, and no more. */
export interface GatewayLimits extends SharePercents {
  /** Octets of one request body. */
  readonly bodyBytesMax: number
  /** Octets of one answer of an upstream. */
  readonly answerBytesMax: number
  readonly streamSecondsMax: number
  /** Connections to one upstream: so many calls of all callers together are open with it. */
  readonly upstreamConnectionsMax: number
  /** How long a call may wait for one of these places. */
  readonly upstreamWaitMilliseconds: number
  /** So long the door of all waits for what each of its upstreams has to say: what is there then is served, and the rest is named. */
  readonly federationWaitMilliseconds: number
  /** Open requests of all callers together. */
  readonly inFlightMax: number
  /** Those of one pod, over all of its connections. */
  readonly podInFlightMax: number
  /** Those of one connection: HTTP/1.1 lets a caller send the next before the last is answered. */
  readonly connectionInFlightMax: number
  /** Open connections of all callers together, some 45 KB each. */
  readonly connectionsMax: number
  /** Those of one pod. */
  readonly podConnectionsMax: number
  /** Octets of whole answers that wait for callers to read them, of all together. */
  readonly unsentBytesMax: number
  /** How long one answer may take to be read. */
  readonly unsentSecondsMax: number
  /** Connections on which nobody has been let in: some 45 KB each while they are in their handshake. */
  readonly strangersMax: number
  /** The longest time that a caller may keep a filtered list. */
  readonly listSecondsMax: number
}

const kibibyte = 1024
const mebibyte = 1024 * 1024

/** What may be configured, each from, to, and what holds without. Docs and chart have the same numbers, which their tests see to. */
export const limitRanges: Readonly<
  Record<keyof GatewayLimits, readonly [min: number, max: number, without: number]>
> = {
  bodyBytesMax: [kibibyte, 64 * mebibyte, 256 * kibibyte],
  answerBytesMax: [kibibyte, 256 * mebibyte, 8 * mebibyte],
  streamSecondsMax: [1, 86_400, 3600],
  upstreamConnectionsMax: [1, 10_000, 128],
  upstreamWaitMilliseconds: [0, 60_000, 1000],
  federationWaitMilliseconds: [10, 60_000, 5000],
  inFlightMax: [1, 100_000, 4096],
  podInFlightMax: [1, 10_000, 256],
  connectionInFlightMax: [1, 1000, 8],
  connectionsMax: [1, 100_000, 8192],
  podConnectionsMax: [1, 10_000, 64],
  strangersMax: [16, 100_000, 1024],
  listSecondsMax: [0, 86_400, 60],
  unsentBytesMax: [kibibyte, 16_384 * mebibyte, 128 * mebibyte],
  unsentSecondsMax: [1, 3600, 30],
  tenantSharePercent: [1, 100, 50],
  namespaceSharePercent: [1, 100, 40],
  identitySharePercent: [1, 100, 25],
}

export const limitNames = Object.keys(limitRanges) as readonly (keyof GatewayLimits)[]

export const defaultLimits: GatewayLimits = Object.fromEntries(
  limitNames.map((name) => [name, limitRanges[name][2]]),
) as Readonly<Record<keyof GatewayLimits, number>>

/** The first may not be larger than the second: it could never be reached, or what it permits would never pass. */
const ordered: readonly (readonly [keyof GatewayLimits, keyof GatewayLimits])[] = [
  ['connectionInFlightMax', 'podInFlightMax'],
  ['identitySharePercent', 'namespaceSharePercent'],
  ['namespaceSharePercent', 'tenantSharePercent'],
  ['answerBytesMax', 'unsentBytesMax'],
]

/** Limits that contradict each other: which, and what is wanted. */
export function limitContradictions(
  limits: GatewayLimits,
): readonly { readonly name: keyof GatewayLimits; readonly message: string }[] {
  return ordered
    .filter(([smaller, larger]) => limits[smaller] > limits[larger])
    .map(([name, larger]) => ({
      name,
      message: `want=at most limits.${larger}, ${limits[larger]} got=${limits[name]}`,
    }))
}
