import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'

/** What two tool servers must not share, of one as it is configured. */
export interface NamedUpstream {
  readonly server: string
  readonly spiffeId: SpiffeId
}

/** What is wrong with one tool server beside the others. */
export interface UpstreamConflict {
  /** Its place in the list. */
  readonly index: number
  readonly field: 'server' | 'spiffeId'
  readonly message: string
}

/** Tool servers that were looked at one after the other; each look costs the same, however many there are. */
export interface KnownUpstreams {
  /** What is wrong with this one beside those that were added. */
  conflictsOf(upstream: NamedUpstream): readonly Omit<UpstreamConflict, 'index'>[]
  add(upstream: NamedUpstream): void
}

/**
 * Tool servers that cannot be told apart, or could never be trusted. One SPIFFE ID behind two names would let either answer for the
 * other: connections prove the SPIFFE ID and nothing else. The trust bundle has the anchors of one trust domain (SPIFFE-ID §3).
 */
export function createKnownUpstreams(trustDomain: TrustDomain): KnownUpstreams {
  const servers = new Set<string>()
  /** The first server of each SPIFFE ID. */
  const owners = new Map<string, string>()
  return {
    conflictsOf({ server, spiffeId }) {
      const conflicts: Omit<UpstreamConflict, 'index'>[] = []
      if (servers.has(server)) {
        const message = `want=each server named once got=${server}`
        conflicts.push({ field: 'server', message })
      }
      const twin = owners.get(spiffeId.uri)
      if (twin !== undefined && twin !== server) {
        const message = `want=a SPIFFE ID for each server got=${spiffeId.uri} of ${twin} and ${server}`
        conflicts.push({ field: 'spiffeId', message })
      }
      if (spiffeId.trustDomain !== trustDomain) {
        const message = `want=the trust domain ${trustDomain} got=${spiffeId.trustDomain} of ${server}`
        conflicts.push({ field: 'spiffeId', message })
      }
      return conflicts
    },
    add({ server, spiffeId }) {
      servers.add(server)
      if (!owners.has(spiffeId.uri)) owners.set(spiffeId.uri, server)
    },
  }
}

export function upstreamConflicts(
  upstreams: readonly NamedUpstream[],
  trustDomain: TrustDomain,
): readonly UpstreamConflict[] {
  const known = createKnownUpstreams(trustDomain)
  return upstreams.flatMap((upstream, index) => {
    const conflicts = known.conflictsOf(upstream)
    known.add(upstream)
    return conflicts.map((conflict) => ({ index, ...conflict }))
  })
}
