import { rewriteResult, valueOf } from '../../mcp/answer.ts'
import { askAnswer } from './ask.ts'
import type { Call } from '../call.ts'
import { upstreamsOfCeiling } from '../permit/visible.ts'
import { timeToLive } from '../permit/list.ts'
import type { Means } from '../means.ts'
import { replyBody, replyResult } from '../door/reply.ts'
import { gatewayInfo, versionsOf } from '../../mcp/revisions.ts'
import type { Refused } from '../table.ts'
import type { Upstream } from '../upstream/upstream.ts'

/**
 * `server/discover` at the door of one upstream: its answer, less what is not served through here. Its `instructions` are for a model
 * and speak of tools that the caller may not even see, so they are not served.
 */
export async function discoverOne(
  call: Call,
  means: Means,
  upstream: Upstream,
): Promise<Refused | undefined> {
  const { message } = call
  if (message === undefined) return undefined
  const question = { upstream, body: message.body, session: undefined }
  const answer = await askAnswer(call, means, question)
  if ('check' in answer) return answer
  if (answer.result === undefined) {
    replyBody(call, answer.octets, { status: answer.status })
    return undefined
  }
  const said = valueOf(answer, 'supportedVersions')
  const spoken: readonly unknown[] = Array.isArray(said) ? said : []
  const supported = versionsOf(upstream.config.eras).filter((version) => spoken.includes(version))
  const body = rewriteResult(answer, ['resultType', '_meta'], {
    supportedVersions: JSON.stringify(supported),
    capabilities: '{"tools":{}}',
    ttlMs: String(timeToLive(call, means, valueOf(answer, 'ttlMs'))),
    cacheScope: '"private"',
  })
  replyBody(call, body)
  return undefined
}

/** `server/discover` at the door of all upstreams: the versions that some upstream of the caller's ceiling speaks. */
export function discoverAll(call: Call, means: Means): undefined {
  const eras = upstreamsOfCeiling(call, means).flatMap((upstream) => upstream.config.eras)
  replyResult(call, {
    resultType: 'complete',
    supportedVersions: versionsOf(eras),
    capabilities: { tools: {} },
    ttlMs: timeToLive(call, means, Number.POSITIVE_INFINITY),
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': gatewayInfo },
  })
}
