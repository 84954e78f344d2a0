import { rewriteResult, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { replaceVersion } from '../../mcp/edits.ts'
import { legacyVersions } from '../../mcp/revisions.ts'
import { replyBody, replyResult, type Reply } from '../door/reply.ts'
import { isSessionId, sealSession, type Sealed, type UpstreamSession } from '../handle/session.ts'
import type { Permit } from '../permit/authorize.ts'
import { visibleUpstreams } from '../permit/ceiling.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { gatewayInfo } from '../self.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { askAnswer, tellUpstream } from './ask.ts'
import { fault } from './fault.ts'
import { gather, metaOfMissing } from './gather.ts'
import type { Parts } from './serve.ts'

interface Opened {
  readonly answer: AnswerBody
  readonly session: UpstreamSession
}

/**
 * `initialize` at the door of one upstream: its own answer, with the sealed session for its session id, and without `instructions`:
 * they are for a model and speak of tools that the caller may not even see.
 */
export async function initialize(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { upstream } = permit.call.target
  if (upstream === undefined) return undefined
  const opened = await openUpstream({ permit, reply, upstream }, parts)
  if (isRefused(opened)) return opened
  const { answer, session } = opened
  if (answer.result === undefined) {
    replyBody(reply, answer.octets)
    return undefined
  }
  const sealed = sealFor(permit, parts, session.version, { [upstream.config.server]: session })
  if (sealed === undefined || sealed.without.length > 0) return tooLong
  // What is not served here must not be offered here.
  const capabilities = answer.result.has('capabilities') && toolsOf(answer) ? '{"tools":{}}' : '{}'
  const kept = ['protocolVersion', 'serverInfo', '_meta']
  const body = rewriteResult(answer, kept, { capabilities })
  replyBody(reply, body, { headers: { 'mcp-session-id': sealed.id } })
  return undefined
}

/** `initialize` at the door of all upstreams: each that the caller may see is opened; one that is not there is left out. */
export async function initializeAll(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { message } = permit.call
  const visible = visibleUpstreams(permit.call, parts.upstreams)
  const { given, missing } = await gather(
    visible,
    (upstream, signal) => openAndConfirm({ permit, reply, upstream, signal }, parts),
    parts,
  )
  const sealed = sealFor(permit, parts, message.version, Object.fromEntries(given))
  if (sealed === undefined) return tooLong
  const result = {
    protocolVersion: message.version,
    capabilities: { tools: {} },
    serverInfo: gatewayInfo,
    ...meta([...missing, ...sealed.without]),
  }
  replyResult(reply, result, { 'mcp-session-id': sealed.id })
  return undefined
}

function meta(missing: readonly string[]): object {
  return missing.length === 0 ? {} : { _meta: metaOfMissing(missing) }
}

const tooLong = fault({ failed: 'bad answer', detail: 'session ids are too long' })

function toolsOf(answer: AnswerBody): boolean {
  const capabilities = valueOf(answer, 'capabilities')
  return typeof capabilities === 'object' && capabilities !== null && 'tools' in capabilities
}

function sealFor(
  { call }: Permit,
  { seal }: Parts,
  version: string,
  upstreams: Readonly<Record<string, UpstreamSession>>,
): Sealed | undefined {
  const { owner } = call.caller
  return sealSession(seal, { owner, door: call.arrived.door.name, version, upstreams })
}

interface Opening {
  readonly permit: Permit
  readonly reply: Reply
  readonly upstream: Upstream
  readonly signal?: AbortSignal
}

/** Opens a session and says that it is open: between the gateway and an upstream, the gateway is the client. */
async function openAndConfirm(
  opening: Opening,
  parts: Parts,
): Promise<readonly [server: string, session: UpstreamSession] | Refused> {
  const opened = await openUpstream(opening, parts)
  if (isRefused(opened)) return opened
  if (opened.answer.result === undefined) {
    return fault({ failed: 'bad answer', detail: 'answer is an error' })
  }
  const { session } = opened
  const failed = await tellUpstream({ ...opening, body: initialized, session }, parts)
  return failed === undefined ? [opening.upstream.config.server, session] : fault(failed)
}

const initialized = Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}')

async function openUpstream(opening: Opening, parts: Parts): Promise<Opened | Refused> {
  const { message } = opening.permit.call
  const { body, offsets, params, version: offered } = message
  const asked = params['protocolVersion'] === offered
  const opener = asked ? body : replaceVersion(body, offsets, offered)
  const answer = await askAnswer({ ...opening, body: opener, session: undefined }, parts)
  if (isRefused(answer)) return answer
  if (answer.result === undefined) return { answer, session: { id: null, version: offered } }
  const version = valueOf(answer, 'protocolVersion')
  if (typeof version !== 'string' || !legacyVersions.includes(version)) {
    return fault({ failed: 'bad answer', detail: 'protocol version is not served' })
  }
  const id = answer.headers['mcp-session-id'] ?? null
  if (id !== null && !isSessionId(id)) {
    return fault({ failed: 'bad answer', detail: 'session id is too long, or none that may be' })
  }
  return { answer, session: { id, version } }
}
