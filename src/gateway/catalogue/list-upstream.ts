import { valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { collectAnswer, readAnswer, type Answer } from '../upstream/collect.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import { listFormOf } from '../../mcp/lists.ts'
import type { Era } from '../../mcp/message.ts'
import { legacyVersions, modernVersions } from '../../mcp/revisions.ts'
import {
  closeLegacySession,
  openLegacySession,
  type LegacySession,
} from '../upstream/legacy-session.ts'
import type { Candidate } from './pages.ts'
import { gatewayInfo } from '../self.ts'
import { countedOctetsMin, type OctetRoom } from '../../shares.ts'
import { ownHeaders, ownModernMeta } from '../upstream/headers.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** What one listing may come to; what was read before is good all the same. */
const pagesMax = 1000
const definitionsMax = 10_000
const octetsMax = 32 * 1024 * 1024
const cursorCharactersMax = 4096

/** JSON-RPC 2.0 §5.1. */
const methodNotFound = -32601

const [modernVersion = ''] = modernVersions
const [legacyVersion = ''] = legacyVersions

export interface ListToolsOptions {
  readonly upstream: Upstream
  readonly era: Era
  readonly answerBytesMax: number
  /** What is read is taken of it. Whoever gave the room gives it back, when nobody needs what was listed. */
  readonly room?: OctetRoom
}

/** Of any list method. */
export interface ListOffersOptions extends ListToolsOptions {
  readonly method: string
}

interface Caller {
  readonly version: string
  readonly meta: object | undefined
  readonly session: LegacySession | undefined
}

/** What an upstream has listed. */
export interface Listed {
  readonly definitions: readonly Candidate[]
  /** Why these are not all. */
  readonly failure: ExchangeFailure | undefined
}

/** The tools of an upstream. */
export function listTools(options: ListToolsOptions): Promise<Listed> {
  return listOffers({ ...options, method: 'tools/list' })
}

/**
 * The definitions of an upstream, listed on the gateway's own account: nobody's rights are in what it says. The whole takes no longer
 * than one answer may.
 */
export async function listOffers(options: ListOffersOptions): Promise<Listed> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), options.upstream.timeoutMilliseconds)
  const asking = { ...options, signal: late.signal }
  const definitions: Candidate[] = []
  try {
    const caller = options.era === 'modern' ? modernCaller : await openSession(asking)
    if ('failed' in caller) return { definitions, failure: inTime(caller, late.signal) }
    const failure = await listPages(asking, caller, definitions)
    if (caller.session !== undefined) closeLegacySession(options, caller.session)
    return { definitions, failure: failure && inTime(failure, late.signal) }
  } finally {
    clearTimeout(timer)
  }
}

function inTime(failure: ExchangeFailure, { aborted }: AbortSignal): ExchangeFailure {
  return aborted ? { failed: 'time-out', detail: 'list took too long' } : failure
}

interface Asking extends ListOffersOptions {
  readonly signal: AbortSignal
}

/** Reads page after page into `definitions`; what comes back is why there may be more. */
async function listPages(
  asking: Asking,
  caller: Caller,
  definitions: Candidate[],
): Promise<ExchangeFailure | undefined> {
  const cursors = new Set<string>()
  let octets = 0
  let cursor: string | undefined
  for (let page = 0; page < pagesMax; page += 1) {
    const answer = await ask(asking, caller, {
      id: page + 1,
      method: asking.method,
      params: cursor === undefined ? {} : { cursor },
    })
    if ('failed' in answer) return answer
    const body = readAnswer(answer)
    if (typeof body === 'string') return bad(body)
    const elements = body.list?.elements
    if (typeof elements !== 'object') {
      return offersNone(asking, body)
        ? undefined
        : bad(`answer has no ${listFormOf(asking.method)?.member}`)
    }
    const full = takeSmall(asking, body.octets.length)
    if (full !== undefined) return full
    octets += body.octets.length
    if (octets > octetsMax) return bad(`list is too large, want=..${octetsMax} octets`)
    if (definitions.length + elements.length > definitionsMax) {
      return bad(`list has too many tools, want=..${definitionsMax}`)
    }
    for (const { start, end, values } of elements) {
      definitions.push({ octets: body.octets.subarray(start, end), values })
    }
    const next = valueOf(body, 'nextCursor')
    // An empty one is a cursor like any other (MCP 2026-07-28 pagination).
    if (typeof next !== 'string') return undefined
    if (next.length > cursorCharactersMax) return bad('cursor is too long')
    if (cursors.has(next)) return bad('cursor does not advance')
    cursors.add(next)
    cursor = next
  }
  return bad(`list has too many pages, want=..${pagesMax}`)
}

/** A server that does not know the method offers nothing of the kind; of tools each has a list, be it an empty one. */
function offersNone({ method }: Asking, { octets, result }: AnswerBody): boolean {
  if (method === 'tools/list' || result !== undefined) return false
  const { error } = JSON.parse(octets.toString('utf8')) as { error?: { code?: unknown } }
  return error?.code === methodNotFound
}

/** A page that is small takes no room while it is read, and a list may have many. */
function takeSmall({ room }: Asking, octets: number): ExchangeFailure | undefined {
  const full = octets < countedOctetsMin ? room?.take(octets) : undefined
  if (full === undefined) return undefined
  return {
    failed: 'no room',
    detail: `octets of catalogues: share of the ${full} is used up`,
    full,
  }
}

function bad(detail: string): ExchangeFailure {
  return { failed: 'bad answer', detail }
}

const modernCaller: Caller = {
  version: modernVersion,
  meta: ownModernMeta,
  session: undefined,
}

async function openSession({
  upstream,
  answerBytesMax,
  signal,
  room,
}: Asking): Promise<Caller | ExchangeFailure> {
  const hello = { capabilities: {}, clientInfo: gatewayInfo }
  const opening = { upstream, version: legacyVersion, hello, answerBytesMax, signal, room }
  const session = await openLegacySession(opening)
  return 'failed' in session ? session : { version: session.version, meta: undefined, session }
}

function ask(
  { upstream, era, answerBytesMax, signal, room }: Asking,
  caller: Caller,
  call: { readonly id: number; readonly method: string; readonly params: object },
): Promise<Answer | ExchangeFailure> {
  const { meta } = caller
  const params = meta === undefined ? call.params : { ...call.params, _meta: meta }
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...call, params }))
  const headers = headersOf(caller)
  if (meta !== undefined) headers.push('mcp-method', call.method)
  const request = { headers, body }
  const { id, method } = call
  const asked = { era, method, id: { value: id } }
  return collectAnswer({ asked, upstream, request, answerBytesMax, room, repeatable: true, signal })
}

function headersOf(caller: Caller): string[] {
  const headers = [...ownHeaders, 'mcp-protocol-version', caller.version]
  const id = caller.session?.id ?? null
  if (id !== null) headers.push('mcp-session-id', id)
  return headers
}
