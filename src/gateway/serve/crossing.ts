import { mayNeedInput } from '../../mcp/ask.ts'
import { applyEdits, type Edit } from '../../mcp/edits.ts'
import { encodeHeaderValue } from '../../mcp/header-value.ts'
import type { Era, NotificationMessage, RequestMessage } from '../../mcp/message.ts'
import { formatParamHeaders } from '../../mcp/param-headers.ts'
import { modernVersions } from '../../mcp/revisions.ts'
import type { ClientCapabilities } from '../handle/client-capabilities.ts'
import type { Permit } from '../permit/authorize.ts'
import type { Listed } from '../permit/list.ts'
import { badRequest, refused, type Refused } from '../refusal.ts'
import { eraThere, isAcross } from '../translate/era.ts'
import { requestToLegacy, requestToModern } from '../translate/request.ts'
import { toolAcross } from '../translate/tool.ts'
import { statusToModern, type Told } from '../translate/answer.ts'
import type { Asked } from '../upstream/judge-answer.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Parts } from './serve.ts'

/** A request that goes to a server of the other era: how it is asked there, and to whom the answer is told here. */
export interface Crossing {
  /** What the server's answer has to be to. */
  readonly asked: Asked
  readonly body: Buffer
  /** What the headers of the request say there. */
  readonly version: string | undefined
  readonly headers: readonly string[]
  readonly told: Told
  /** The level of messages that a modern client's request names. */
  readonly level: unknown
}

const [modernVersion = ''] = modernVersions

/** Undefined where the server speaks the caller's era: nothing is translated there. */
export function crossingOf(
  permit: Permit,
  upstream: Upstream,
  { body, parts }: { readonly body: Buffer; readonly parts: Parts },
): Crossing | undefined {
  const { message, session } = permit.call
  const era = eraThere(message.era, upstream.config)
  if (era === message.era || message.kind !== 'request') return undefined
  const told = toldOf(permit, message)
  const { method } = message
  const meta = (message.params['_meta'] ?? {}) as Readonly<Record<string, unknown>>
  const level = meta['io.modelcontextprotocol/logLevel']
  if (era === 'legacy') {
    const id = parts.sessions.nextId()
    const asked = { era, method, id: { value: id }, ...mayOpenPages(method) }
    const there = requestToLegacy(body, id)
    return { asked, body: there, version: undefined, headers: [], told, level }
  }
  // What goes on with a call has an id of its own (MCP 2026-07-28, multi round-trip requests).
  const id = permit.call.rounds === undefined ? undefined : parts.sessions.nextId()
  return {
    asked: { era, method, id: id === undefined ? message.id : { value: id } },
    body: requestToModern(body, {
      id,
      level: session && parts.levels.of(session.key),
      clientInfo: session?.hello.clientInfo ?? {},
      capabilities: whyUnasked(parts) === undefined ? offered(session?.hello.capabilities) : {},
    }),
    version: modernVersion,
    headers: ['mcp-method', method],
    told,
    level: undefined,
  }
}

function mayOpenPages(method: string): Pick<Asked, 'mayOpenPages'> {
  return mayNeedInput(method) ? { mayOpenPages: true } : {}
}

/** What a legacy client does for servers, as a modern one says it: of its roots it does not tell when they change. */
function offered(capabilities: ClientCapabilities = {}): ClientCapabilities {
  return capabilities.roots === undefined ? capabilities : { ...capabilities, roots: {} }
}

/** Why a server may ask nothing of a client of the other era, if so: it is not told then what that client does. */
export function whyUnasked({ isOnlyWorker }: Pick<Parts, 'isOnlyWorker'>): string | undefined {
  return isOnlyWorker ? undefined : 'requests to its client, which several workers do not carry'
}

/** `server/discover` in the place of the `initialize` that is asked for. */
export function crossingOfInitialize(
  permit: Permit,
  { clientInfo }: { readonly clientInfo: object },
): Crossing | undefined {
  const { message } = permit.call
  if (message.kind !== 'request') return undefined
  const method = 'server/discover'
  const era: Era = 'modern'
  const body = Buffer.from(`{"jsonrpc":"2.0","id":${message.id.raw},"method":"${method}"}`)
  return {
    asked: { era, method, id: message.id },
    body: requestToModern(body, { clientInfo, capabilities: {} }),
    version: modernVersion,
    headers: ['mcp-method', method],
    told: toldOf(permit, message),
    level: undefined,
  }
}

export function toldOf({ definition }: Permit, message: RequestMessage): Told {
  const { era, method, id, name = '' } = message
  const wraps =
    definition !== undefined &&
    era === 'legacy' &&
    toolAcross(definition).outputForLegacy !== undefined
  return { era, method, rawId: id.raw, name, wraps }
}

/** As much as clients and proxies let a head be. */
const paramOctetsMax = 8192

/** The headers in which a modern server has arguments repeated (MCP 2026-07-28 transports, custom headers). */
export function paramHeadersOf({ call, definition }: Permit): readonly string[] | Refused {
  const declared = definition?.paramHeaders ?? []
  if ('code' in declared || declared.length === 0) return []
  const headers = formatParamHeaders(declared, call.message.arguments).flatMap(([header, text]) => [
    header,
    encodeHeaderValue(text),
  ])
  const octets = headers.reduce((sum, text) => sum + text.length, 0)
  if (octets <= paramOctetsMax) return headers
  const what = `arguments are too long for the headers of this tool, want=..${paramOctetsMax}`
  return refused('definition', badRequest(400, what))
}

/** The revision that a request names there. */
export function versionThere({
  message,
  session,
  crossing,
}: {
  readonly message: Pick<RequestMessage | NotificationMessage, 'version'>
  readonly session: { readonly version: string } | undefined
  readonly crossing: Crossing | undefined
}): string {
  return crossing?.version ?? session?.version ?? message.version
}

/** The HTTP status of an error that was translated; `octets` as its caller is told. */
export function statusAcross(octets: Buffer, { told }: Crossing): number {
  return told.era === 'modern' ? statusToModern(octets) : 200
}

/** An item of a list as its caller is told of it: under this name where it has another one here, and in the form of the caller's era. */
export function itemOctets(
  { method, era }: Pick<RequestMessage | NotificationMessage, 'method' | 'era'>,
  { upstream, item }: Listed,
  name?: string,
): Buffer {
  const edits: Edit[] = []
  if (name !== undefined) edits.push({ ...item.nameSpan(), text: JSON.stringify(name) })
  if (method === 'tools/list' && era === 'legacy' && isAcross(era, upstream.config)) {
    const { outputForLegacy } = toolAcross(item)
    if (outputForLegacy !== undefined) edits.push(outputForLegacy)
  }
  return edits.length === 0 ? item.octets : applyEdits(item.octets, edits)
}

/** What is not carried to a client of the other era. */
export const taskAcross = 'a task, which is not carried to the other era'
