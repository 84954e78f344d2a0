import { randomUUID } from 'node:crypto'
import { rewriteResult, valueOf } from '../../mcp/answer.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import { applyEdits, type Edit } from '../../mcp/edits.ts'
import { modernVersions } from '../../mcp/revisions.ts'
import { membersOf } from '../../mcp/spans.ts'
import type { Call } from '../call.ts'
import { replyBody, replyResult, type Reply } from '../door/reply.ts'
import { helloOf, sealSession, type Sealed, type Session } from '../handle/session.ts'
import type { Permit } from '../permit/authorize.ts'
import { visibleUpstreams } from '../permit/ceiling.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
import { gatewayInfo } from '../self.ts'
import {
  changesIn,
  closeLegacySession,
  sessionIn,
  sessionOfAnswer,
  type LegacySession,
} from '../upstream/legacy-session.ts'
import { askAnswer, type Asking } from './ask.ts'
import {
  capabilitiesAcross,
  capabilitiesOf,
  capabilitiesOfAll,
  tasksOf,
  tasksOfAll,
} from './capabilities.ts'
import { crossingOfInitialize } from './crossing.ts'
import { fault } from './fault.ts'
import { gather, metaOfMissing } from './gather.ts'
import { openFor } from './in-session.ts'
import type { Parts } from './serve.ts'

/**
 * `initialize` at the door of one upstream: its own answer, with the sealed session for its session id, and without `instructions`:
 * they are for a model and speak of tools that the caller may not even see.
 */
export async function initialize(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { target, message } = permit.call
  const { upstream } = target
  if (upstream === undefined) return undefined
  const begun = begin(permit)
  if (isAcross(message.era, upstream.config)) return initializeModern(permit, reply, parts)
  let opened: LegacySession | undefined
  const refusal = await initializeLegacy({ permit, reply, upstream, begun }, parts, (headers) => {
    opened = sessionIn(headers, { version: begun.version, upstream })
  })
  // Nobody is told its id, and the gateway is about to forget it.
  if (refusal !== undefined && opened !== undefined) closeLegacySession({ upstream }, opened)
  return refusal
}

interface Initializing extends Pick<Asking, 'permit' | 'reply' | 'upstream'> {
  readonly begun: Begun
}

async function initializeLegacy(
  { permit, reply, upstream, begun }: Initializing,
  parts: Parts,
  headers: Asking['headers'],
): Promise<Refused | undefined> {
  const body = openerOf(permit.call.message, begun)
  const answer = await askAnswer(
    { permit, reply, upstream, body, session: undefined, headers },
    parts,
  )
  if (isRefused(answer)) return answer
  if (answer.result === undefined) {
    replyBody(reply, answer.octets)
    return undefined
  }
  const session = sessionOfAnswer(answer, answer, upstream)
  if ('failed' in session) return fault(session)
  const { server } = upstream.config
  const sealed = seal(permit, parts, { ...begun, version: session.version }, { [server]: session })
  if (sealed === undefined || sealed.without.length > 0) return tooLong
  const said = valueOf(answer, 'capabilities')
  const offered = { ...capabilitiesOf(said, 'legacy'), ...tasksOf(said, session.version) }
  const capabilities = JSON.stringify(offered)
  const kept = ['protocolVersion', 'serverInfo', '_meta']
  const told = rewriteResult(answer, kept, { capabilities })
  replyBody(reply, told, { headers: { 'mcp-session-id': sealed.id } })
  return undefined
}

/** `initialize` at the door of a modern server, which has no sessions: what it says of itself when it is asked. */
async function initializeModern(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { target, message } = permit.call
  const { upstream } = target
  if (upstream === undefined) return undefined
  const begun = begin(permit)
  const crossing = crossingOfInitialize(permit, begun.hello)
  const asking = { permit, reply, upstream, body: message.body, session: undefined, crossing }
  const answer = await askAnswer(asking, parts)
  if (isRefused(answer)) return answer
  if (answer.result === undefined) {
    replyBody(reply, answer.octets)
    return undefined
  }
  const versions = valueOf(answer, 'supportedVersions')
  if (!Array.isArray(versions) || !modernVersions.some((each) => versions.includes(each))) {
    return fault({ failed: 'bad answer', detail: 'protocol version is not served' })
  }
  const sealed = seal(permit, parts, begun, {})
  if (sealed === undefined) return tooLong
  const capabilities = valueOf(answer, 'capabilities')
  const told = valueOf(answer, '_meta')
  const meta = isJsonObject(told) ? told : undefined
  const said = meta?.[serverInfoName]
  const serverInfo = isJsonObject(said) ? said : { name: upstream.config.server, version: '' }
  // Of several workers another one may have the stream of the session.
  const offered = changesIn(capabilities).filter(
    (each) => parts.isOnlyWorker || each !== 'resources.subscribe',
  )
  const names = isJsonObject(capabilities) ? Object.keys(capabilities) : []
  const result = {
    protocolVersion: begun.version,
    capabilities: {
      ...capabilitiesAcross(names, offered),
      // The level that is set once for a session is named in each of its requests.
      ...(names.includes('logging') ? { logging: {} } : {}),
    },
    serverInfo,
  }
  replyResult(reply, result, { 'mcp-session-id': sealed.id })
  return undefined
}

const serverInfoName = 'io.modelcontextprotocol/serverInfo'

/** The client's own words, with the version that is served and with no more of its capabilities than is carried. */
function openerOf(
  { body, offsets, params, version }: Call['message'],
  { hello }: Pick<Session, 'hello'>,
): Buffer {
  const edits: Edit[] = []
  if (offsets.protocolVersion !== undefined && params['protocolVersion'] !== version) {
    edits.push({ ...offsets.protocolVersion, text: JSON.stringify(version) })
  }
  const members = offsets.params && membersOf(body, offsets.params)
  const capabilities = members?.get('capabilities')
  if (capabilities !== undefined) {
    edits.push({ ...capabilities, text: JSON.stringify(hello.capabilities) })
  }
  return edits.length === 0 ? body : applyEdits(body, edits)
}

/** `initialize` at the door of all upstreams: each that the caller may see is opened; one that is not there is opened when it is. */
export async function initializeAll(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const begun = begin(permit)
  const { version } = begun
  const { given, missing } = await gather(
    // A modern one has no sessions.
    visibleUpstreams(permit.call, parts.upstreams).filter(
      ({ config }) => !isAcross('legacy', config),
    ),
    async (upstream) => {
      const opened = await openFor({ permit, parts, upstream }, begun)
      if ('failed' in opened) return fault(opened)
      const { said: _, ...own } = opened
      return [upstream.config.server, own] as const
    },
    parts,
  )
  const sealed = seal(permit, parts, begun, Object.fromEntries(given))
  if (sealed === undefined) return tooLong
  const result = {
    protocolVersion: version,
    capabilities: { ...capabilitiesOfAll('legacy'), ...tasksOfAll(version) },
    serverInfo: gatewayInfo,
    ...meta(missing),
  }
  replyResult(reply, result, { 'mcp-session-id': sealed.id })
  return undefined
}

function meta(missing: readonly string[]): object {
  return missing.length === 0 ? {} : { _meta: metaOfMissing(missing) }
}

const tooLong = fault({ failed: 'bad answer', detail: 'session ids are too long' })

type Begun = Pick<Session, 'key' | 'version' | 'hello'>

/** A session that is about to be opened: what it will be known by, and what its client says of itself. */
function begin({ call }: Permit): Begun {
  const { version, params } = call.message
  return { key: randomUUID(), version, hello: helloOf(params, gatewayInfo, version) }
}

/** The session as its caller will carry it, and held as long as there is room: what does not fit is held alone. */
function seal(
  { call }: Permit,
  parts: Parts,
  begun: Begun,
  upstreams: Readonly<Record<string, LegacySession>>,
): Sealed | undefined {
  const { owner, account } = call.caller
  const { name: door } = call.arrived.door
  const sealed = sealSession(parts.seal, { ...begun, owner, door, upstreams })
  for (const [server, session] of Object.entries(upstreams)) {
    if (sealed?.without.includes(server) === false) {
      parts.sessions.hold({ owner, account, key: begun.key, server, session })
    }
  }
  return sealed
}
