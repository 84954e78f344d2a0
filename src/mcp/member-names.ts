/** The objects whose members mean something to the protocol; `arguments` means something to the policy. */
export type Place =
  | 'message'
  | 'params'
  | 'meta'
  | 'arguments'
  | 'ref'
  | 'argument'
  | 'context'
  | 'result'
  | 'error'
  | 'tool'
  | 'offer'
  | 'ask'
  | 'asked'

/** The places whose names the protocol gives. */
export type NamedPlace = Exclude<Place, 'arguments'>

const prefix = 'io.modelcontextprotocol/'

// JSON-RPC 2.0 §4 and §5; MCP 2026-07-28, 2025-11-25 and 2025-06-18 schema: every request and notification of a client, and the
// results of what the gateway serves.
const known: Readonly<Record<NamedPlace, readonly string[]>> = {
  message: ['jsonrpc', 'id', 'method', 'params', 'result', 'error'],
  params: words(
    '_meta name arguments uri cursor ref argument context level inputResponses requestState',
    'taskId task notifications protocolVersion capabilities clientInfo',
    'requestId reason progressToken progress total message',
  ),
  meta: [
    ...words('progressToken traceparent tracestate baggage'),
    ...words('protocolVersion clientInfo clientCapabilities logLevel').map((n) => prefix + n),
    ...words('subscriptionId serverInfo related-task').map((name) => prefix + name),
  ],
  // Of `completion/complete`: what is completed, which argument of it, and what is known of the others.
  ref: words('type name uri title'),
  argument: words('name value'),
  context: words('arguments'),
  result: words(
    '_meta resultType inputRequests requestState content structuredContent isError',
    'contents messages description completion',
    'tools resources resourceTemplates prompts nextCursor ttlMs cacheScope',
    'protocolVersion supportedVersions capabilities serverInfo instructions',
  ),
  error: words('code message data'),
  // A prompt, a resource or a template.
  offer: words(
    'name title description uri uriTemplate mimeType size arguments annotations icons _meta',
  ),
  tool: words('name title description inputSchema outputSchema annotations execution icons _meta'),
  // What a server asks of a client, and the params of it.
  ask: words('jsonrpc id method params'),
  asked: words(
    '_meta task mode message requestedSchema url elicitationId',
    'messages modelPreferences systemPrompt includeContext temperature maxTokens stopSequences',
    'metadata tools toolChoice',
  ),
}

/**
 * The most UTF-16 units of a name beyond ASCII that is compared with others: normalizing sorts the marks of one letter, which takes
 * time that is quadratic in their number (Unicode Standard Annex #15).
 */
export const comparedUnitsMax = 256

/** And of all such names of one message: a unit that is normalized costs as much as a hundred that are read. */
export const comparedTotalMax = 65_536

const plain = /^[\x21-\x7e]*$/

const exact = setsOf((name) => name)
const folded = setsOf(looksLike)

function setsOf(spelling: (name: string) => string): Readonly<Record<NamedPlace, Set<string>>> {
  const set = (place: NamedPlace): Set<string> => new Set(known[place].map(spelling))
  return {
    message: set('message'),
    params: set('params'),
    meta: set('meta'),
    ref: set('ref'),
    argument: set('argument'),
    context: set('context'),
    result: set('result'),
    error: set('error'),
    tool: set('tool'),
    offer: set('offer'),
    ask: set('ask'),
    asked: set('asked'),
  }
}

/** Whether a name is compared at no more cost than it is read. */
export function isPlainName(name: string): boolean {
  return plain.test(name)
}

/** Whether the protocol gives this very name a meaning in this place. */
export function isKnownMember(place: NamedPlace, name: string): boolean {
  return exact[place].has(name)
}

/** Whether some parser takes the name, which is not a known one, for a known one. */
export function isVariantOfKnownMember(place: NamedPlace, name: string): boolean {
  return folded[place].has(looksLike(name))
}

/**
 * One text for all names that a parser ignoring case takes for the same one. NFKC covers U+017F and U+212A, which Go's
 * encoding/json folds into `s` and `k` (CVE-2026-27896); upper case first covers U+0131, which Java folds into `i`.
 */
export function foldCase(name: string): string {
  if (plain.test(name)) return name.toLowerCase()
  return name.normalize('NFKC').toUpperCase().toLowerCase()
}

/** As foldCase, and without what a reader does not see: marks, white space, control and format characters. */
export function looksLike(name: string): string {
  if (plain.test(name)) return name.toLowerCase()
  return foldCase(name.normalize('NFKD'))
    .normalize('NFKD')
    .replace(/[\p{M}\p{C}\s]/gu, '')
}

function words(...lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split(' '))
}
