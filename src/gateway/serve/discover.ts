import { rewriteResult, valueOf } from '../../mcp/answer.ts'
import { legacyVersions, modernVersions } from '../../mcp/revisions.ts'
import { replyBody, replyResult, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { timeToLive } from '../permit/list.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { gatewayInfo } from '../self.ts'
import { askAnswer } from './ask.ts'
import { capabilitiesAcross, capabilitiesOf, capabilitiesOfAll } from './capabilities.ts'
import { sharedSession } from './in-session.ts'
import { isAcross } from '../translate/era.ts'
import type { Parts } from './serve.ts'

const allVersions: readonly string[] = [...modernVersions, ...legacyVersions]

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
  if (isAcross(message.era, upstream.config)) return discoverLegacy(permit, reply, parts)
  const asking = { permit, reply, upstream, body: message.body, session: undefined }
  const answer = await askAnswer(asking, parts)
  if (isRefused(answer)) return answer
  if (answer.result === undefined) {
    replyBody(reply, answer.octets, { status: answer.status })
    return undefined
  }
  const said = valueOf(answer, 'supportedVersions')
  const spoken: readonly unknown[] = Array.isArray(said) ? said : []
  const supported = [...modernVersions.filter((each) => spoken.includes(each)), ...legacyVersions]
  const body = rewriteResult(answer, ['resultType', '_meta'], {
    supportedVersions: JSON.stringify(supported),
    capabilities: JSON.stringify(capabilitiesOf(valueOf(answer, 'capabilities'), 'modern')),
    ttlMs: String(timeToLive(caller, valueOf(answer, 'ttlMs'), lifetimeNow(parts))),
    cacheScope: '"private"',
  })
  replyBody(reply, body)
  return undefined
}

/** `server/discover` at the door of a legacy server: what it says of itself when a session with it is opened. */
async function discoverLegacy(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { upstream } = permit.call.target
  if (upstream === undefined) return undefined
  const session = await sharedSession({ permit, parts, upstream })
  if (isRefused(session)) return session
  const { capabilities = [], changes, serverInfo } = session.said ?? {}
  const result = {
    resultType: 'complete',
    supportedVersions: allVersions,
    capabilities: capabilitiesAcross(capabilities, changes),
    ttlMs: 0,
    cacheScope: 'private',
    ...(serverInfo === undefined
      ? {}
      : { _meta: { 'io.modelcontextprotocol/serverInfo': JSON.parse(serverInfo) as unknown } }),
  }
  replyResult(reply, result)
  return undefined
}

/** `server/discover` at the door of all upstreams. */
export function discoverAll({ call }: Permit, reply: Reply, parts: Parts): undefined {
  const { caller } = call
  replyResult(reply, {
    resultType: 'complete',
    supportedVersions: allVersions,
    capabilities: capabilitiesOfAll('modern'),
    ttlMs: timeToLive(caller, Number.POSITIVE_INFINITY, lifetimeNow(parts)),
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': gatewayInfo },
  })
}

function lifetimeNow({ now, limits }: Parts): Parameters<typeof timeToLive>[2] {
  return { now: now(), listSecondsMax: limits.listSecondsMax, ageMilliseconds: 0 }
}
