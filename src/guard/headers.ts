import type { VerifiedCaller } from '../toolserver/caller.ts'

/** The header that tells the server inside who calls, as JSON. */
const callerHeader = 'countersign-caller'

/**
 * What passes in, by name. A list of what is known and no list of what is dangerous: credentials and identities have no closed list, and
 * servers read `Countersign_Caller` as the same name (CGI, RFC 3875 §4.1.18). What a body is framed by is written anew.
 */
const passedIn: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'content-type',
  'last-event-id',
  'user-agent',
  'traceparent',
  'tracestate',
  'baggage',
])

/** The protocol's own, of this revision and the next. An underscore would be another spelling of a hyphen. */
const ofProtocol = /^mcp-[a-z0-9-]+$/

/** Name and value of each header that passes. */
export function headersPassed(raw: readonly string[]): [name: string, value: string][] {
  const headers: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]?.toLowerCase() ?? ''
    if (!passedIn.has(name) && !ofProtocol.test(name)) continue
    headers.push([name, raw[index + 1] ?? ''])
  }
  return headers
}

/** The headers of the request inside. */
export function headersInside(
  raw: readonly string[],
  { caller, body }: { readonly caller: VerifiedCaller; readonly body: Buffer | undefined },
): Record<string, string | string[]> {
  const headers = new Map<string, string[]>()
  for (const [name, value] of headersPassed(raw)) {
    headers.set(name, [...(headers.get(name) ?? []), value])
  }
  return {
    ...Object.fromEntries([...headers].map(([name, values]) => [name, oneOrMore(values)])),
    ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    [callerHeader]: formatCaller(caller),
  }
}

function oneOrMore(values: string[]): string | string[] {
  const [first = ''] = values
  return values.length === 1 ? first : values
}

/** JSON in ASCII, which is what a header can hold whatever reads it. */
function formatCaller(caller: VerifiedCaller): string {
  return JSON.stringify(caller).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Of one connection, so none of the other's business (RFC 9110 §7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** The headers of the answer outside: name, value, name, value. */
export function headersOutside(raw: readonly string[]): string[] {
  const named = new Set(hopByHop)
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (raw[index]?.toLowerCase() !== 'connection') continue
    for (const option of (raw[index + 1] ?? '').split(',')) named.add(option.trim().toLowerCase())
  }
  const headers: string[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (!named.has(name.toLowerCase())) headers.push(name, raw[index + 1] ?? '')
  }
  return headers
}
