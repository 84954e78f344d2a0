import { valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import { legacyVersions } from '../../mcp/revisions.ts'
import { legacyTasksVersion, runsToolsAsTasks } from '../../mcp/task.ts'
import { collectAnswer, readAnswer, type Answer, type CollectOptions } from './collect.ts'
import { deliver, type Delivery } from './deliver.ts'
import type { ExchangeFailure } from './exchange.ts'
import { ownHeaders } from './headers.ts'
import type { Account, OctetRoom } from '../../shares.ts'
import type { Upstream, UpstreamRequest } from './upstream.ts'

/** A session with an upstream. */
export interface LegacySession {
  /** The upstream's own id; null where it gave none. */
  readonly id: string | null
  readonly version: string
  /** Of the server that gave it. Under the same name there may be another one later, which is not told of it. */
  readonly spiffeId: string
  /** The server runs calls of its tools as tasks. */
  readonly tasks?: true
  /** What the server has said of itself to the gateway, where that is told to those who use the session. */
  readonly said?: Said
}

export interface Said {
  /** By their names. */
  readonly capabilities: readonly string[]
  /** The changes that it tells of, such as `tools.listChanged`. */
  readonly changes: readonly string[]
  /** As JSON; undefined where it is too long to be kept. */
  readonly serverInfo: string | undefined
}

/** What a client says of itself when it opens a session. */
export interface Hello {
  readonly capabilities: object
  readonly clientInfo: object
}

interface Party {
  readonly upstream: Upstream
  /** Whose share of the upstream is used; none on the gateway's own account. */
  readonly account?: Account | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Opening extends Party {
  readonly version: string
  readonly hello: Hello
  readonly answerBytesMax: number
  /** Where the octets of its answers are taken of. */
  readonly room?: OctetRoom | undefined
}

/** Opens a session and says that it is open: between the gateway and an upstream, the gateway is the client. */
export async function openLegacySession(
  opening: Opening,
): Promise<LegacySession | ExchangeFailure> {
  const { upstream, version } = opening
  let begun: LegacySession | undefined
  const opened = await open(opening, (headers) => {
    begun = sessionIn(headers, { version, upstream })
  })
  if (!('failure' in opened)) return opened
  // Nobody knows its id but the gateway, which is about to forget it.
  const unused = opened.session ?? begun
  if (unused !== undefined) closeLegacySession({ upstream }, unused)
  return opened.failure
}

/** What an answer to `initialize` opens, whatever else it says: undefined where its server has no sessions. */
export function sessionIn(
  { 'mcp-session-id': id }: Answer['headers'],
  { version, upstream }: Pick<Opening, 'version' | 'upstream'>,
): LegacySession | undefined {
  const spiffeId = upstream.config.spiffeId.uri
  return id === undefined || !isSessionId(id) ? undefined : { id, version, spiffeId }
}

interface NotOpened {
  readonly failure: ExchangeFailure
  /** As far as it was opened. */
  readonly session?: LegacySession
}

async function open(
  opening: Opening,
  headers: CollectOptions['headers'],
): Promise<LegacySession | NotOpened> {
  const { version, hello } = opening
  const params = { protocolVersion: version, ...hello }
  const answer = await collectAnswer({
    ...partyOf(opening),
    asked: { era: 'legacy', method: 'initialize', id: { value: 1 } },
    request: sessionRequest(
      undefined,
      Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })),
    ),
    answerBytesMax: opening.answerBytesMax,
    room: opening.room,
    // One request may open many.
    countedOctetsMin: 0,
    repeatable: true,
    headers,
  })
  if ('failed' in answer) return { failure: answer }
  const body = readAnswer(answer)
  if (typeof body === 'string') return { failure: bad(body) }
  const session = sessionOfAnswer(body, answer, opening.upstream)
  if ('failed' in session) return { failure: session }
  const failure = await deliver({
    ...partyOf(opening),
    request: sessionRequest(session, initialized),
  })
  return failure === undefined ? { ...session, said: saidIn(body) } : { failure, session }
}

/** What is kept of it for as long as a session lasts. */
const saidMost = { capabilities: 32, characters: 4096 }

function saidIn(body: AnswerBody): Said {
  const capabilities = valueOf(body, 'capabilities')
  const names = isJsonObject(capabilities) ? Object.keys(capabilities) : []
  const serverInfo = valueOf(body, 'serverInfo')
  const changes = changesIn(capabilities)
  const info = isJsonObject(serverInfo) ? JSON.stringify(serverInfo) : undefined
  return {
    capabilities: names.slice(0, saidMost.capabilities).map((name) => name.slice(0, 64)),
    changes,
    serverInfo: info === undefined || info.length > saidMost.characters ? undefined : info,
  }
}

const changing = [
  ['tools', 'listChanged'],
  ['prompts', 'listChanged'],
  ['resources', 'listChanged'],
  ['resources', 'subscribe'],
] as const

/** The changes that a server says it tells of. */
export function changesIn(capabilities: unknown): readonly string[] {
  if (!isJsonObject(capabilities)) return []
  const told = changing.filter(([name, member]) => {
    const own = capabilities[name]
    return isJsonObject(own) && own[member] === true
  })
  return told.map((each) => each.join('.'))
}

const initialized = Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}')

/** The session that an answer to `initialize` opens. */
export function sessionOfAnswer(
  body: AnswerBody,
  { headers }: Pick<Answer, 'headers'>,
  { config }: Pick<Upstream, 'config'>,
): LegacySession | ExchangeFailure {
  if (body.result === undefined) return bad('answer is an error')
  const version = valueOf(body, 'protocolVersion')
  if (typeof version !== 'string' || !legacyVersions.includes(version)) {
    return bad('protocol version is not served')
  }
  const id = headers['mcp-session-id'] ?? null
  if (id !== null && !isSessionId(id)) {
    return bad('session id is too long, or none that may be')
  }
  const hasTasks = version === legacyTasksVersion && runsToolsAsTasks(valueOf(body, 'capabilities'))
  const own = { id, version, spiffeId: config.spiffeId.uri }
  return hasTasks ? { ...own, tasks: true } : own
}

export type OwnSession = LegacySession & { readonly id: string }

/** Whether it is of one caller alone. Without an id of its own, all callers are one to the server. */
export function isOwn(session: LegacySession): session is OwnSession {
  return typeof session.id === 'string'
}

/** Longer ids would make a header that clients and proxies cut. */
const idCharactersMax = 256

/** MCP 2025-11-25 transports, session management: visible ASCII. */
export function isSessionId(id: string): boolean {
  return id.length <= idCharactersMax && /^[\x21-\x7e]+$/.test(id)
}

/**
 * Ends a session, and waits for nothing: one that is left open stays in its server's memory. Whether it takes the DELETE is its own affair, and so
 * is what it makes of the `last` that is said in it.
 */
export function closeLegacySession(
  party: Party,
  session: LegacySession,
  last: readonly Buffer[] = [],
): void {
  if (session.id === null) return
  const request = { method: 'DELETE', ...sessionRequest(session, null) } as const
  const send = async (): Promise<void> => {
    for (const body of last) {
      await deliver({ ...partyOf(party), request: sessionRequest(session, body) })
    }
    await deliver({ ...partyOf(party), request })
  }
  if (party.account === undefined) party.upstream.endings.take(send, 0)
  else void send()
}

/** Whether this answer says that the session is over (MCP 2025-11-25 transports, session management). */
export function isSessionLost(
  session: LegacySession | undefined,
  { status }: { readonly status: number },
): boolean {
  return status === 404 && typeof session?.id === 'string'
}

function partyOf({ upstream, account, signal }: Party): Pick<Delivery, keyof Party> {
  return { upstream, signal, ...(account === undefined ? {} : { account }) }
}

/** A request in a session, or one that opens it. */
export function sessionRequest(
  session: LegacySession | undefined,
  body: Buffer | null,
): Pick<UpstreamRequest, 'headers' | 'body'> {
  const headers = [...ownHeaders]
  if (session !== undefined) headers.push('mcp-protocol-version', session.version)
  if (typeof session?.id === 'string') headers.push('mcp-session-id', session.id)
  return { headers, body }
}

function bad(detail: string): ExchangeFailure {
  return { failed: 'bad answer', detail }
}
