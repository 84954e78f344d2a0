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

/** What a modern client brings back to the server that has asked (MCP 2026-07-28, multi round-trip requests). */
const inputMembers: ReadonlySet<string> = new Set(['inputResponses', 'requestState'])

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
  const parts = partsOf(body)
  return applyEdits(body, [...idEdits(parts, id), metaEdit(body, parts, members)])
}

/**
 * Without what a session says once for all of its requests. In a session no two open requests have one id (MCP 2025-11-25 base
 * protocol), and clients that share one know nothing of each other, so the id is ours.
 */
export function requestToLegacy(body: Buffer, id: number): Buffer {
  const parts = partsOf(body)
  const { params, members } = parts
  const isBroughtBack = (name: string): boolean => inputMembers.has(name)
  const broughtBack =
    params !== undefined && [...inputMembers].some((name) => members.has(name))
      ? removeMembers(body, params, isBroughtBack)
      : []
  return applyEdits(body, [...idEdits(parts, id), ...broughtBack, metaEdit(body, parts, [])])
}

/** Where the members of a request stand, and those of its `params`. */
interface PartsOf {
  readonly whole: ReadonlyMap<string, Span>
  readonly params: Span | undefined
  readonly members: ReadonlyMap<string, Span>
}

function partsOf(body: Buffer): PartsOf {
  const start = skipSpace(body, 0)
  const whole = membersOf(body, { start, end: body.length })
  if (whole === undefined) throw new TypeError('a request is an object')
  const params = whole.get('params')
  const members = (params && membersOf(body, params)) ?? new Map<string, Span>()
  return { whole, params, members }
}

function idEdits({ whole }: PartsOf, id: number | undefined): readonly Edit[] {
  const span = id === undefined ? undefined : whole.get('id')
  return span === undefined ? [] : [{ ...span, text: String(id) }]
}

/** Gives `params._meta` these members, and leaves it those of its own that no envelope reserves. */
function metaEdit(body: Buffer, { whole, params, members }: PartsOf, own: readonly string[]): Edit {
  if (params === undefined) {
    const end = Math.max(...[...whole.values()].map((span) => span.end))
    return { start: end, end, text: `,"params":{"_meta":{${own.join(',')}}}` }
  }
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
