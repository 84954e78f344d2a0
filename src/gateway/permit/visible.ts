import type { Call } from '../call.ts'
import type { Means } from '../means.ts'
import type { Upstream } from '../upstream/upstream.ts'

/**
 * The upstreams that a caller sees behind the door of all: they speak its era, some scope of its certificate is theirs, and they were
 * there when its session was opened. In the order of the configuration.
 */
export function visibleUpstreams(call: Call, means: Means): readonly Upstream[] {
  const { message, session } = call
  if (message === undefined) return []
  return upstreamsOfCeiling(call, means).filter(({ config }) => {
    if (!config.eras.includes(message.era)) return false
    return session === undefined || Object.hasOwn(session.upstreams, config.server)
  })
}

/** Those of which some scope of the caller's certificate speaks, whatever their era. */
export function upstreamsOfCeiling({ peer }: Call, means: Means): readonly Upstream[] {
  if (peer === undefined) return []
  const servers = new Set(peer.identity.ceiling.toolScopes.map((scope) => scope.server))
  return [...means.upstreams.values()].filter(({ config }) => servers.has(config.server))
}
