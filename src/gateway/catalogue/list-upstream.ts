import { listOf, valueOf } from '../../mcp/answer.ts'
import { collectAnswer, readAnswer, type Answer } from '../upstream/collect.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import type { Era } from '../../mcp/message.ts'
import { legacyVersions, modernVersions } from '../../mcp/revisions.ts'
import { gatewayInfo } from '../self.ts'
import type { Upstream } from '../upstream/upstream.ts'

const pagesMax = 50
const [modernVersion = ''] = modernVersions
const [legacyVersion = ''] = legacyVersions

export interface ListToolsOptions {
  readonly upstream: Upstream
  readonly era: Era
  readonly answerBytesMax: number
}

interface Caller {
  readonly version: string
  readonly meta: object | undefined
  readonly sessionId: string | undefined
}

/** All definitions of an upstream, listed on the gateway's own account: nobody's rights are in what it says. */
export async function listTools(
  options: ListToolsOptions,
): Promise<readonly Buffer[] | ExchangeFailure> {
  const caller = options.era === 'modern' ? modernCaller : await openSession(options)
  if ('failed' in caller) return caller
  try {
    return await listPages(options, caller)
  } finally {
    closeSession(options, caller)
  }
}

async function listPages(
  options: ListToolsOptions,
  caller: Caller,
): Promise<readonly Buffer[] | ExchangeFailure> {
  const definitions: Buffer[] = []
  let cursor: unknown
  for (let page = 0; page < pagesMax; page += 1) {
    const answer = await ask(options, caller, {
      id: page + 1,
      method: 'tools/list',
      params: cursor === undefined ? {} : { cursor },
    })
    if ('failed' in answer) return answer
    const body = readAnswer(answer)
    if (typeof body === 'string') return { failed: 'bad answer', detail: body }
    const spans = listOf(body, 'tools')
    if (spans === undefined) return { failed: 'bad answer', detail: 'answer has no tools' }
    for (const { start, end } of spans) definitions.push(body.octets.subarray(start, end))
    cursor = valueOf(body, 'nextCursor')
    if (typeof cursor !== 'string') return definitions
  }
  return { failed: 'bad answer', detail: `list has too many pages, want=..${pagesMax}` }
}

const modernCaller: Caller = {
  version: modernVersion,
  meta: {
    'io.modelcontextprotocol/protocolVersion': modernVersion,
    'io.modelcontextprotocol/clientInfo': gatewayInfo,
    'io.modelcontextprotocol/clientCapabilities': {},
  },
  sessionId: undefined,
}

async function openSession(options: ListToolsOptions): Promise<Caller | ExchangeFailure> {
  const opening: Caller = { version: legacyVersion, meta: undefined, sessionId: undefined }
  const answer = await ask(options, opening, {
    id: 0,
    method: 'initialize',
    params: { protocolVersion: legacyVersion, capabilities: {}, clientInfo: gatewayInfo },
  })
  if ('failed' in answer) return answer
  const body = readAnswer(answer)
  if (typeof body === 'string') return { failed: 'bad answer', detail: body }
  const version = valueOf(body, 'protocolVersion')
  const sessionId = answer.headers['mcp-session-id']
  const caller: Caller = {
    version: typeof version === 'string' ? version : legacyVersion,
    meta: undefined,
    sessionId: typeof sessionId === 'string' ? sessionId : undefined,
  }
  const told = await ask(options, caller, { method: 'notifications/initialized' })
  return 'failed' in told ? told : caller
}

/** A session that is left open would stay in the upstream's memory; whether it takes the DELETE does not matter. */
function closeSession({ upstream }: ListToolsOptions, caller: Caller): void {
  if (caller.sessionId === undefined) return
  const headers = headersOf(caller)
  upstream.send({ method: 'DELETE', headers, body: null }, ignoreAnswer)
}

const ignoreAnswer = {
  begun: () => {},
  head: () => {},
  data: () => true,
  end: () => {},
  failed: () => {},
}

function ask(
  { upstream, era, answerBytesMax }: ListToolsOptions,
  caller: Caller,
  call: { readonly id?: number; readonly method: string; readonly params?: object },
): Promise<Answer | ExchangeFailure> {
  const { meta } = caller
  const params = meta === undefined ? call.params : { ...call.params, _meta: meta }
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...call, params }))
  const headers = [...headersOf(caller), 'content-type', 'application/json']
  if (meta !== undefined) headers.push('mcp-method', call.method)
  const request = { headers, body }
  const { id, method } = call
  const asked = id === undefined ? undefined : { era, method, id: { value: id } }
  return collectAnswer({
    asked,
    upstream,
    request,
    answerBytesMax,
    streamSecondsMax: 60,
    repeatable: true,
  })
}

function headersOf(caller: Caller): string[] {
  const headers = ['accept', 'application/json, text/event-stream']
  headers.push('mcp-protocol-version', caller.version)
  if (caller.sessionId !== undefined) headers.push('mcp-session-id', caller.sessionId)
  return headers
}
