import type { CaCertificate } from '../../pki/ca-certificate.ts'

/**
 * On the published bundle: when each anchor that came later than the first was added, `<SHA-256>=<RFC 3339>` by spaces. It is written with
 * the anchors, in one request, so that a signer that starts anew, or another replica, waits as long as the one that wrote it.
 */
export const anchorsSinceAnnotation = 'countersign.dev/anchors-since'

/** 256 anchors take 22 KiB. */
const charactersMax = 32 * 1024

/** What was added longer ago is known to every reader, and is said no more. */
const saidMilliseconds = 86_400_000 * 2

/** How long readers have had each anchor: what nobody says the time of was there before anybody counted. */
export interface AnchorAges {
  /** Looks at a published bundle. Of an anchor that was seen before, its first time counts, by a clock that does not jump. */
  see(anchors: readonly CaCertificate[], annotation: string | undefined): void
  /** What a bundle of these anchors, made of the published ones, has to say. Empty where nobody has published any before. */
  annotationOf(
    anchors: readonly CaCertificate[],
    published: readonly CaCertificate[],
    annotation: string | undefined,
  ): string
  /** Milliseconds since an anchor was first seen published; Infinity when that was before anybody counted. */
  ageOf(sha256: string): number
}

/** For how long somebody has seen each anchor with their own eyes, at every look: no clock of others counts, and none that jumps. */
export interface SeenAnchors {
  look(anchors: readonly CaCertificate[]): void
  /** Undefined when it was not there at the last look. */
  secondsOf(sha256: string): number | undefined
}

export function createSeenAnchors(steadyNow: () => number): SeenAnchors {
  let since = new Map<string, number>()
  return {
    look(anchors) {
      const at = steadyNow()
      since = new Map(anchors.map(({ sha256 }) => [sha256, since.get(sha256) ?? at]))
    },
    secondsOf(sha256) {
      const at = since.get(sha256)
      return at === undefined ? undefined : (steadyNow() - at) / 1000
    },
  }
}

export function createAnchorAges(clocks: {
  /** The wall clock, by which replicas and restarts agree. */
  readonly now: () => number
  /** A clock that only goes forward. */
  readonly steadyNow: () => number
}): AnchorAges {
  const { now, steadyNow } = clocks
  let since = new Map<string, number>()
  return {
    see(anchors, annotation) {
      const said = parseTimes(annotation)
      const seen = new Map<string, number>()
      for (const { sha256 } of anchors) {
        const at = said.get(sha256)
        // A time that is still to come is of a clock ahead of ours: counted from now, no longer than any other.
        const first = at === undefined ? -Infinity : steadyNow() - Math.max(0, now() - at)
        seen.set(sha256, since.get(sha256) ?? first)
      }
      since = seen
    },
    annotationOf(anchors, published, annotation) {
      // Of what somebody has emptied readers lose what they had.
      if (published.length === 0 && annotation === undefined) return ''
      const said = parseTimes(annotation)
      const known = new Set(published.map(({ sha256 }) => sha256))
      return anchors
        .map(({ sha256 }) => [sha256, known.has(sha256) ? said.get(sha256) : now()] as const)
        .filter(([, at]) => at !== undefined && now() - at < saidMilliseconds)
        .map(([sha256, at]) => `${sha256}=${new Date(at ?? 0).toISOString()}`)
        .join(' ')
    },
    ageOf: (sha256) => steadyNow() - (since.get(sha256) ?? steadyNow()),
  }
}

/** What is malformed says nothing: the anchors stand in the bundle all the same. */
function parseTimes(text = ''): ReadonlyMap<string, number> {
  const times = new Map<string, number>()
  for (const entry of text.slice(0, charactersMax).split(' ')) {
    const [, sha256, at = ''] = /^([0-9a-f]{64})=([0-9TZ:.-]{20,24})$/.exec(entry) ?? []
    const time = Date.parse(at)
    if (sha256 !== undefined && !Number.isNaN(time)) times.set(sha256, time)
  }
  return times
}

/** Milliseconds since 1970 as they were at the start, counted on without the jumps of the wall clock. */
export function systemSteadyNow(): number {
  return performance.timeOrigin + performance.now()
}
