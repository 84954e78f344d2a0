import { applyEdits, removeMembers, type Edit } from '../../mcp/edits.ts'
import { skipSpace } from '../../mcp/lex.ts'
import type { Span } from '../../mcp/levels.ts'
import { modernVersions } from '../../mcp/revisions.ts'
import { membersOf } from '../../mcp/spans.ts'

/*
 * A request in the form of the other era. The envelope alone is another one: `_meta` and, to a legacy server, the id. Every other octet
 * is the caller's. The text has been judged before, so it is one JSON-RPC request.
 */

/** The names of `_meta` that belong to an envelope; what a client of the other era puts there means nothing of the kind. */
const reserved = 'io.modelcontextprotocol/'

const [modernVersion = ''] = modernVersions

/** What a legacy client has said of itself when it opened its session, in every request of the modern era. */
export function requestToModern(
  body: Buffer,
  {
    clientInfo,
    capabilities,
    id,
    level,
  }: {
    readonly clientInfo: object
    readonly capabilities: object
    /** In the place of the client's own. */
    readonly id?: number | undefined
    /** Of the messages that the client wants to be told. */
    readonly level?: string | undefined
  },
): Buffer {
  const own: Readonly<Record<string, unknown>> = {
    [`${reserved}protocolVersion`]: modernVersion,
    [`${reserved}clientInfo`]: clientInfo,
    [`${reserved}clientCapabilities`]: capabilities,
    ...(level === undefined ? {} : { [`${reserved}logLevel`]: level }),
  }
  const members = Object.entries(own).map(([name, value]) => memberText(name, value))
  const { whole, params } = partsOf(body)
  const span = id === undefined ? undefined : whole.get('id')
  const edits = span === undefined ? [] : [{ ...span, text: String(id) }]
  return applyEdits(body, [...edits, metaEdit(body, { whole, params, own: members })])
}

/**
 * Without what a session says once for all of its requests. In a session no two open requests have one id (MCP 2025-11-25 base
 * protocol), and clients that share one know nothing of each other, so the id is ours.
 */
export function requestToLegacy(body: Buffer, id: number): Buffer {
  const { whole, params } = partsOf(body)
  const span = whole.get('id')
  const edits = span === undefined ? [] : [{ ...span, text: String(id) }]
  const answered =
    params === undefined ? [] : removeMembers(body, params, (name) => name === 'inputResponses')
  return applyEdits(body, [...edits, ...answered, metaEdit(body, { whole, params, own: [] })])
}

type Members = ReadonlyMap<string, Span>

function partsOf(body: Buffer): { readonly whole: Members; readonly params: Span | undefined } {
  const start = skipSpace(body, 0)
  const whole = membersOf(body, { start, end: body.length })
  if (whole === undefined) throw new TypeError('a request is an object')
  return { whole, params: whole.get('params') }
}

/** Gives `params._meta` these members, and leaves it those of its own that no envelope reserves. */
function metaEdit(
  body: Buffer,
  {
    whole,
    params,
    own,
  }: {
    readonly whole: Members
    readonly params: Span | undefined
    readonly own: readonly string[]
  },
): Edit {
  if (params === undefined) {
    const end = Math.max(...[...whole.values()].map((span) => span.end))
    return { start: end, end, text: `,"params":{"_meta":{${own.join(',')}}}` }
  }
  const members = membersOf(body, params) ?? new Map<string, Span>()
  const meta = members.get('_meta')
  if (meta === undefined) {
    const start = params.start + 1
    const comma = members.size === 0 ? '' : ','
    return { start, end: start, text: `"_meta":{${own.join(',')}}${comma}` }
  }
  const kept = [...(membersOf(body, meta) ?? [])]
    .filter(([name]) => !name.startsWith(reserved))
    .map(([name, { start, end }]) => `${JSON.stringify(name)}:${body.toString('utf8', start, end)}`)
  return { ...meta, text: `{${[...own, ...kept].join(',')}}` }
}

function memberText(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}
