import type { SharePercents } from '../shares.ts'

/** Of what all callers have together each has a share, and no more. */
export interface GatewayLimits extends SharePercents {
  /** Octets of one request body. */
  readonly bodyBytesMax: number
  /** Octets of the bodies of all callers' open requests. */
  readonly bodiesBytesMax: number
  /** Octets of one answer of an upstream. */
  readonly answerBytesMax: number
  readonly streamSecondsMax: number
  /** Requests of tool servers that wait for their callers' answers, of all callers together. */
  readonly asksMax: number
  /** How long one of them may wait: often for a person. */
  readonly askSecondsMax: number
  /** Connections to one upstream: so many calls of all callers together are open with it. */
  readonly upstreamConnectionsMax: number
  /** Streams of changes and of sessions that are open with one upstream, for all callers together: beside its calls. */
  readonly upstreamStreamsMax: number
  /** So often at least something is said on a stream of changes or of a session: what lies between may take a silent one for dead. */
  readonly streamKeepAliveSeconds: number
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
  /** Octets of large answers that are read from tool servers, or wait for callers to read them, of all together. */
  readonly unsentBytesMax: number
  /** How long one answer may take to be read. */
  readonly unsentSecondsMax: number
  /** Connections on which nobody has been let in: some 45 KB each while they are in their handshake. */
  readonly strangersMax: number
  /** Handshakes under way at a time: some millisecond each, for which everybody else of the same process waits. */
  readonly handshakesMax: number
  /** Windows of limits of policy that are counted at a time, some 300 octets each. */
  readonly limitWindowsMax: number
  /** Identities of which something is kept for policy at a time, up to some four kilobytes each. */
  readonly historyIdentitiesMax: number
  /** The longest time that a caller may keep a filtered list. */
  readonly listSecondsMax: number
}

const kibibyte = 1024
const mebibyte = 1024 * 1024

/** Whether a limit is of one thing alone, or counts for all that a gateway serves: of that each worker has its part. */
type Counted = 'alone' | 'together'

/** What may be configured, each from, to, and what holds without. Docs and chart have the same numbers, which their tests see to. */
export const limitRanges: Readonly<
  Record<keyof GatewayLimits, readonly [min: number, max: number, without: number, Counted]>
> = {
  // As much as the SDKs of tool servers read. Two of the largest fit into the decision log's memory, and that into its smallest file.
  bodyBytesMax: [kibibyte, 6 * mebibyte, 4 * mebibyte, 'alone'],
  bodiesBytesMax: [kibibyte, 16_384 * mebibyte, 128 * mebibyte, 'together'],
  answerBytesMax: [kibibyte, 256 * mebibyte, 8 * mebibyte, 'alone'],
  streamSecondsMax: [1, 86_400, 3600, 'alone'],
  asksMax: [1, 100_000, 4096, 'together'],
  askSecondsMax: [1, 86_400, 300, 'alone'],
  upstreamConnectionsMax: [1, 10_000, 128, 'together'],
  upstreamStreamsMax: [1, 100_000, 1024, 'together'],
  streamKeepAliveSeconds: [1, 3600, 15, 'alone'],
  upstreamWaitMilliseconds: [0, 60_000, 1000, 'alone'],
  federationWaitMilliseconds: [10, 60_000, 5000, 'alone'],
  inFlightMax: [1, 100_000, 4096, 'together'],
  podInFlightMax: [1, 10_000, 256, 'together'],
  connectionInFlightMax: [1, 1000, 8, 'alone'],
  connectionsMax: [1, 100_000, 8192, 'together'],
  podConnectionsMax: [1, 10_000, 64, 'together'],
  strangersMax: [16, 100_000, 1024, 'together'],
  handshakesMax: [1, 10_000, 64, 'alone'],
  limitWindowsMax: [16, 1_000_000, 16_384, 'together'],
  // One process keeps those of all workers.
  historyIdentitiesMax: [16, 1_000_000, 16_384, 'alone'],
  listSecondsMax: [0, 86_400, 60, 'alone'],
  unsentBytesMax: [kibibyte, 16_384 * mebibyte, 128 * mebibyte, 'together'],
  unsentSecondsMax: [1, 3600, 30, 'alone'],
  tenantSharePercent: [1, 100, 50, 'alone'],
  namespaceSharePercent: [1, 100, 40, 'alone'],
  identitySharePercent: [1, 100, 25, 'alone'],
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
  ['bodyBytesMax', 'bodiesBytesMax'],
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

/** Those that a tool server may have of its own, each no more than the gateway's. */
export const serverLimitNames = ['answerBytesMax', 'upstreamConnectionsMax'] as const

export type ServerLimits = {
  readonly [Name in (typeof serverLimitNames)[number]]?: number | undefined
}

/** What holds for one tool server: whatever it says of itself, no more than for any. */
export function limitsOfServer(limits: GatewayLimits, own: ServerLimits = {}): GatewayLimits {
  const narrowed = serverLimitNames.map((name) => [
    name,
    Math.min(limits[name], own[name] ?? limits[name]),
  ])
  return { ...limits, ...Object.fromEntries(narrowed) }
}

/** Where both are said in one place: those that could never be reached. */
export function serverLimitContradictions(
  own: ServerLimits,
  limits: GatewayLimits,
): ReturnType<typeof limitContradictions> {
  return serverLimitNames.flatMap((name) => {
    const got = own[name] ?? 0
    const message = `want=at most limits.${name}, ${limits[name]} got=${got}`
    return got > limits[name] ? [{ name, message }] : []
  })
}

/** What one of several workers has of the limits of a tool server. */
export function serverLimitsOfWorker(own: ServerLimits, workers: number): ServerLimits {
  const parts = serverLimitNames.flatMap((name) => {
    const limit = own[name]
    return limit === undefined ? [] : [[name, partOf(name, limit, workers)]]
  })
  return Object.fromEntries(parts)
}

function partOf(name: keyof GatewayLimits, limit: number, workers: number): number {
  return limitRanges[name][3] === 'together' ? Math.max(1, Math.floor(limit / workers)) : limit
}

/**
 * The limits of one of several workers: its part of what is counted for all of them, and no less than one thing that is counted needs,
 * or nothing of its size would pass at all.
 */
export function limitsOfWorker(limits: GatewayLimits, workers: number): GatewayLimits {
  const parts = Object.fromEntries(
    limitNames.map((name) => [name, partOf(name, limits[name], workers)]),
  ) as Record<keyof GatewayLimits, number>
  for (const [smaller, larger] of ordered) parts[larger] = Math.max(parts[larger], parts[smaller])
  return parts
}
