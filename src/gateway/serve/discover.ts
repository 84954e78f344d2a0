import { rewriteResult, valueOf } from '../../mcp/answer.ts'
import { versionsOf } from '../../mcp/revisions.ts'
import { replyBody, replyResult, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { upstreamsOfCeiling } from '../permit/ceiling.ts'
import { timeToLive } from '../permit/list.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { gatewayInfo } from '../self.ts'
import { askAnswer } from './ask.ts'
import { capabilitiesOf, capabilitiesOfAll } from './capabilities.ts'
import type { Parts } from './serve.ts'

/**
 * `server/discover` at the door of one upstream: its answer, less what is not served through here. Its `instructions` are for a model
 * and speak of tools that the caller may not even see, so they are not served.
 */
export async function discover(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { message, target, caller } = permit.call
  const { upstream } = target
  if (upstream === undefined) return undefined
  const asking = { permit, reply, upstream, body: message.body, session: undefined }
  const answer = await askAnswer(asking, parts)
  if (isRefused(answer)) return answer
  if (answer.result === undefined) {
    replyBody(reply, answer.octets, { status: answer.status })
    return undefined
  }
  const said = valueOf(answer, 'supportedVersions')
  const spoken: readonly unknown[] = Array.isArray(said) ? said : []
  const supported = versionsOf(upstream.config.eras).filter((version) => spoken.includes(version))
  const body = rewriteResult(answer, ['resultType', '_meta'], {
    supportedVersions: JSON.stringify(supported),
    capabilities: JSON.stringify(capabilitiesOf(valueOf(answer, 'capabilities'), 'modern')),
    ttlMs: String(timeToLive(caller, valueOf(answer, 'ttlMs'), lifetimeNow(parts))),
    cacheScope: '"private"',
  })
  replyBody(reply, body)
  return undefined
}

/** `server/discover` at the door of all upstreams: the versions that some upstream of the caller's ceiling speaks. */
export function discoverAll({ call }: Permit, reply: Reply, parts: Parts): undefined {
  const { caller } = call
  const eras = upstreamsOfCeiling(caller, parts.upstreams).flatMap(({ config }) => config.eras)
  replyResult(reply, {
    resultType: 'complete',
    supportedVersions: versionsOf(eras),
    capabilities: capabilitiesOfAll('modern'),
    ttlMs: timeToLive(caller, Number.POSITIVE_INFINITY, lifetimeNow(parts)),
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': gatewayInfo },
  })
}

function lifetimeNow({ now, limits }: Parts): Parameters<typeof timeToLive>[2] {
  return { now: now(), listSecondsMax: limits.listSecondsMax, ageMilliseconds: 0 }
}
