import { isUtf8 } from 'node:buffer'
import { isJsonObject } from './envelope.ts'
import type { Span } from './levels.ts'
import type { JsonObject } from './scan.ts'
import { membersOf } from './spans.ts'

/**
 * What a bridge has to know of a message to pass its octets on. It judges nothing: a gateway reads by stricter rules, and refuses what two
 * readers could read differently.
 */
export interface Outline {
  readonly kind: 'request' | 'notification' | 'response'
  readonly octets: Buffer
  /** Undefined in a notification, and in an answer to what could not be read. */
  readonly id: string | number | undefined
  /** The id as the message writes it, so that no number changes. */
  readonly rawId: string | undefined
  /** Empty in a response. */
  readonly method: string
  /** `{}` where the message has none. */
  readonly params: JsonObject
  /** Of a response. */
  readonly result: JsonObject | undefined
  /** Of a response. */
  readonly error: JsonObject | undefined
  /** Where the members stand. */
  readonly members: ReadonlyMap<string, Span>
}

/** Undefined where the octets are no JSON-RPC 2.0 message in UTF-8, or name a member of it twice. */
export function outline(octets: Buffer): Outline | undefined {
  if (!isUtf8(octets)) return undefined
  let value: unknown
  try {
    value = JSON.parse(octets.toString('utf8'))
  } catch {
    return undefined
  }
  if (!isJsonObject(value) || value['jsonrpc'] !== '2.0') return undefined
  const start = octets.indexOf('{')
  const members = membersOf(octets, { start, end: octets.length })
  if (members === undefined) return undefined
  const { method, params, result, error, id } = value
  const kind = kindOf(value)
  if (kind === undefined) return undefined
  const span = members.get('id')
  const isId = (typeof id === 'string' || typeof id === 'number') && span !== undefined
  return {
    kind,
    octets,
    id: isId ? id : undefined,
    rawId: isId ? octets.toString('utf8', span.start, span.end) : undefined,
    method: typeof method === 'string' ? method : '',
    params: isJsonObject(params) ? params : {},
    result: isJsonObject(result) ? result : undefined,
    error: isJsonObject(error) ? error : undefined,
    members,
  }
}

function kindOf(value: JsonObject): Outline['kind'] | undefined {
  if (typeof value['method'] === 'string') return 'id' in value ? 'request' : 'notification'
  return 'result' in value || 'error' in value ? 'response' : undefined
}

const claim = 'io.modelcontextprotocol/protocolVersion'

/** The revision that the message itself claims; the messages of the legacy era claim none. */
export function claimedVersion({ params }: Outline): string | undefined {
  const meta = params['_meta']
  const version = isJsonObject(meta) ? meta[claim] : undefined
  return typeof version === 'string' ? version : undefined
}
