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

/**
 * Tool servers that cannot be told apart, or could never be trusted. One SPIFFE ID behind two names would let either answer for the
 * other: connections prove the SPIFFE ID and nothing else. The trust bundle has the anchors of one trust domain (SPIFFE-ID §3).
 */
export function upstreamConflicts(
  upstreams: readonly NamedUpstream[],
  trustDomain: TrustDomain,
): readonly UpstreamConflict[] {
  return upstreams.flatMap(({ server, spiffeId }, index) => {
    const before = upstreams.slice(0, index)
    const conflicts: UpstreamConflict[] = []
    if (before.some((other) => other.server === server)) {
      conflicts.push({
        index,
        field: 'server',
        message: `want=each server named once got=${server}`,
      })
    }
    const twin = before.find((other) => other.spiffeId.uri === spiffeId.uri)
    if (twin !== undefined && twin.server !== server) {
      const message = `want=a SPIFFE ID for each server got=${spiffeId.uri} of ${twin.server} and ${server}`
      conflicts.push({ index, field: 'spiffeId', message })
    }
    if (spiffeId.trustDomain !== trustDomain) {
      const message = `want=the trust domain ${trustDomain} got=${spiffeId.trustDomain} of ${server}`
      conflicts.push({ index, field: 'spiffeId', message })
    }
    return conflicts
  })
}
