import { rewriteResult, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { askAnswer, askUpstream } from './ask.ts'
import type { Call } from '../call.ts'
import { visibleUpstreams } from '../permit/visible.ts'
import { fault } from './fault.ts'
import type { Means } from '../means.ts'
import { replyBody, replyResult } from '../door/reply.ts'
import { gatewayInfo, legacyVersions } from '../../mcp/revisions.ts'
import { sealSession, type UpstreamSession } from '../handle/session.ts'
import type { Refused } from '../table.ts'
import type { Upstream } from '../upstream/upstream.ts'

interface Opened {
  readonly answer: AnswerBody
  readonly session: UpstreamSession
}

/**
 * `initialize` at the door of one upstream: its own answer, with the sealed session for its session id, and without `instructions`:
 * they are for a model and speak of tools that the caller may not even see.
 */
export async function initializeOne(
  call: Call,
  means: Means,
  upstream: Upstream,
): Promise<Refused | undefined> {
  const opened = await openUpstream(call, means, upstream)
  if ('check' in opened) return opened
  const { answer, session } = opened
  if (answer.result === undefined) {
    replyBody(call, answer.octets)
    return undefined
  }
  const id = sealFor(call, means, session.version, { [upstream.config.server]: session })
  if (id === undefined) return fault(call, { failed: 'bad answer', detail: 'session id too long' })
  // What is not served here must not be offered here.
  const capabilities = answer.result.has('capabilities') && toolsOf(answer) ? '{"tools":{}}' : '{}'
  const kept = ['protocolVersion', 'serverInfo', '_meta']
  const body = rewriteResult(answer, kept, { capabilities })
  replyBody(call, body, { headers: { 'mcp-session-id': id } })
  return undefined
}

/** `initialize` at the door of all upstreams: each that the caller may see is opened; one that is down is left out. */
export async function initializeAll(call: Call, means: Means): Promise<Refused | undefined> {
  const { message } = call
  if (message === undefined) return undefined
  const visible = visibleUpstreams(call, means)
  const sessions: Record<string, UpstreamSession> = {}
  await Promise.all(
    visible.map(async (upstream) => {
      const session = await openAndConfirm(call, means, upstream)
      if (session !== undefined) sessions[upstream.config.server] = session
    }),
  )
  if (visible.length > 0 && Object.keys(sessions).length === 0) {
    return fault(call, { failed: 'unreachable', detail: 'no upstream has answered' })
  }
  const id = sealFor(call, means, message.version, sessions)
  if (id === undefined) return fault(call, { failed: 'bad answer', detail: 'session ids too long' })
  const result = {
    protocolVersion: message.version,
    capabilities: { tools: {} },
    serverInfo: gatewayInfo,
  }
  replyResult(call, result, { 'mcp-session-id': id })
  return undefined
}

function toolsOf(answer: AnswerBody): boolean {
  const capabilities = valueOf(answer, 'capabilities')
  return typeof capabilities === 'object' && capabilities !== null && 'tools' in capabilities
}

function sealFor(
  call: Call,
  means: Means,
  version: string,
  upstreams: Readonly<Record<string, UpstreamSession>>,
): string | undefined {
  const owner = call.peer?.owner
  if (owner === undefined) return undefined
  return sealSession(means.seal, { owner, door: call.door.name, version, upstreams })
}

/** Opens a session and says that it is open: between the gateway and an upstream, the gateway is the client. */
async function openAndConfirm(
  call: Call,
  means: Means,
  upstream: Upstream,
): Promise<UpstreamSession | undefined> {
  const opened = await openUpstream(call, means, upstream)
  const { server } = upstream.config
  if ('check' in opened || opened.answer.result === undefined) {
    const detail = 'check' in opened ? opened.refusal.detail : 'answer is an error'
    means.log.warn({ server, detail }, 'upstream is left out of a session')
    return undefined
  }
  const { session } = opened
  const told = await askUpstream(call, means, { upstream, body: initialized, session })
  if (!('failed' in told)) return session
  means.log.warn({ server, detail: told.detail }, 'upstream is left out of a session')
  return undefined
}

const initialized = Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}')

async function openUpstream(
  call: Call,
  means: Means,
  upstream: Upstream,
): Promise<Opened | Refused> {
  const { message } = call
  const body = message?.body ?? initialized
  const answer = await askAnswer(call, means, { upstream, body, session: undefined })
  if ('check' in answer) return answer
  const asked = message?.version ?? ''
  if (answer.result === undefined) return { answer, session: { id: null, version: asked } }
  const version = valueOf(answer, 'protocolVersion')
  if (typeof version !== 'string' || !legacyVersions.includes(version)) {
    return fault(call, { failed: 'bad answer', detail: 'protocol version is not served' })
  }
  const id = answer.headers['mcp-session-id']
  return { answer, session: { id: typeof id === 'string' ? id : null, version } }
}
