import { takesEvents } from '../../mcp/form.ts'
import { quoted } from '../../errors.ts'
import type { Arrived } from '../door/arrived.ts'
import { openPlace, type Place } from '../handle/place.ts'
import { sessionOfId, type Session } from '../handle/session.ts'
import { badRequest, isRefused, refused, type Refused } from '../refusal.ts'
import type { Parts } from './serve.ts'

/** A request whose rest is asked for: what it was, to be decided on again, and from where on. */
export interface ComesBack {
  readonly body: Buffer
  /** The headers that it had to have, as they would be now. */
  readonly rawHeaders: readonly string[]
  readonly from: Place
}

/** The session that somebody shows who has no message in it. */
export function shownSession(
  { request, door }: Arrived,
  owner: string,
  opening: Parameters<typeof sessionOfId>[1],
): ShownSession | Refused {
  const sessionId = headerOf(request, 'mcp-session-id') ?? ''
  const version = headerOf(request, 'mcp-protocol-version')
  const session = sessionOfId({ sessionId, version, owner, door: door.name }, opening)
  return isRefused(session) ? session : { session, sessionId }
}

interface ShownSession {
  readonly session: Session
  readonly sessionId: string
}

/** Several lines of one name come joined, which names nothing that is served. */
function headerOf({ headers }: Arrived['request'], name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** 406 unless the client takes what comes of a stream. */
export function refuseForm({ headers: { accept = '' } }: Arrived['request']): Refused | undefined {
  if (takesEvents(accept)) return undefined
  const message = `accept lacks a type: want="text/event-stream" got=${quoted(accept)}`
  return refused('era', badRequest(406, message))
}

/** The request of a place that a client shows in `Last-Event-ID` (MCP 2025-11-25 transports, resumability and redelivery). */
export function comeBack(
  { request }: Arrived,
  { session, sessionId }: ShownSession,
  { seal, now }: Pick<Parts, 'seal' | 'now'>,
): ComesBack | Refused {
  const shown = headerOf(request, 'last-event-id') ?? ''
  const { owner, key, version } = session
  const from = openPlace(seal, { owner, key, now: now() }, shown)
  if (from === undefined) return unknownPlace
  const form = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream']
  const rawHeaders = [...form, 'mcp-protocol-version', version, 'mcp-session-id', sessionId]
  return { body: Buffer.from(from.body), rawHeaders, from }
}

const unknownPlace = refused(
  'session',
  badRequest(400, 'last-event-id is of no stream of this session'),
)
