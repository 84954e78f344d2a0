import { allowsTool } from '../../identity/ceiling.ts'
import type { Call } from '../call.ts'
import { refuseDecision } from './policy.ts'
import type { Means } from '../means.ts'
import type { Refusal } from '../refusal.ts'

/**
 * The certificate is a ceiling: what no scope of it covers is refused before policy is asked, whatever policy would say. A server of
 * which no scope speaks is outside it as a whole.
 */
export function checkCeiling(call: Call, means: Means): Refusal | undefined {
  const { peer, upstream, tool } = call
  if (peer === undefined || upstream === undefined) return undefined
  const { ceiling } = peer.identity
  const { server } = upstream.config
  const covered =
    tool === undefined
      ? ceiling.toolScopes.some((scope) => scope.server === server)
      : allowsTool(ceiling, server, tool)
  if (covered) return undefined
  return refuseDecision(call, means, {
    check: 'ceiling',
    reason: {
      code: 'outside-ceiling',
      message: 'the certificate has no scope for this tool',
      audience: 'agent',
    },
  })
}
