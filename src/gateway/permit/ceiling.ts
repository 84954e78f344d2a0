import { allowsTool } from '../../identity/ceiling.ts'
import type { Reason } from '../../policy/decision.ts'
import type { Call, OfferKind, Target } from '../call.ts'
import { servesOffer, servesTool, type Upstream } from '../upstream/upstream.ts'

/**
 * The certificate is a ceiling: what no scope of it covers is refused before policy is asked, whatever policy would say. A server of
 * which no scope speaks is outside it as a whole.
 */
export function isWithinCeiling({ caller, target }: Pick<Call, 'caller' | 'target'>): boolean {
  const { upstream } = target
  if (upstream === undefined) return true
  const { ceiling } = caller.identity
  const { server } = upstream.config
  return target.kind === 'tool'
    ? allowsTool(ceiling, server, target.tool)
    : ceiling.toolScopes.some((scope) => scope.server === server)
}

/** The scopes of a tool server are a ceiling as well: of its tools, and of what else it offers. */
export function isServed(target: Target): boolean {
  if (target.kind === 'server') return true
  const { config } = target.upstream
  return target.kind === 'tool'
    ? servesTool(config, target.tool)
    : servesOffer(config, target.kind, target.name)
}

/** Told of what is not served. */
export function outsideServerScopes(kind: 'tool' | OfferKind): Reason {
  const what = kind === 'resource_template' ? 'template' : kind
  const message = `no scope of the tool server has this ${what}`
  return { code: 'outside-server-scopes', message, audience: 'agent' }
}

export const outsideCeiling: Reason = {
  code: 'outside-ceiling',
  message: 'the certificate has no scope for this tool',
  audience: 'agent',
}

/**
 * The upstreams that a caller sees behind the door of all: some scope of its certificate is theirs, whatever their era. In the order of
 * the configuration.
 */
export function visibleUpstreams(
  { caller: { identity } }: Pick<Call, 'caller'>,
  upstreams: ReadonlyMap<string, Upstream>,
): readonly Upstream[] {
  const servers = new Set(identity.ceiling.toolScopes.map((scope) => scope.server))
  return [...upstreams.values()].filter(({ config }) => servers.has(config.server))
}
