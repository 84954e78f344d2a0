import { isJsonObject } from './envelope.ts'
import { handleNamed } from './handle-names.ts'
import { scanAsk, type JsonObject } from './scan.ts'

/**
 * What a server asks of its client: a request of its own in the legacy eras, a member of `inputRequests` since MCP 2026-07-28. Only
 * what is decided on stands here, none of what a person or a model is told.
 */
export type Ask =
  | { readonly method: 'elicitation/create'; readonly mode: 'form' }
  /** `host`: where its page is, with the port where that is not 443. */
  | { readonly method: 'elicitation/create'; readonly mode: 'url'; readonly host: string }
  /** `tools`: the model may be given tools. */
  | { readonly method: 'sampling/createMessage'; readonly tools: boolean }
  | { readonly method: 'roots/list' }

/** The methods whose answer may ask for input first (MCP 2026-07-28, multi round-trip requests). */
const methodsOfInput: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

export function mayNeedInput(method: string): boolean {
  return methodsOfInput.has(method)
}

/** A form is read by a person; samples may hold pictures, and answers are bounded where they come in. */
const elicitationOctetsMax = 65_536
const limits = { depthMax: 64, membersMax: 10_000 }

/** Reads one ask, from the octets of its object. A sentence says why it is none that two clients would read alike. */
export function parseAsk(octets: Buffer): Ask | string {
  const scanned = scanAsk(octets, limits)
  if ('rule' in scanned) return `what is asked is not read: ${scanned.message}`
  const { method, params = {} } = scanned.value
  if (!isJsonObject(params)) return 'params of what is asked is no object'
  // Its client has no task of the server's.
  if (handleNamed(params) !== undefined) return 'what is asked is asked of a task'
  // A task would outlive the call that it belongs to (MCP 2025-11-25 tasks).
  if (Object.hasOwn(params, 'task')) return 'what is asked is asked as a task'
  if (method === 'roots/list') return { method }
  if (method === 'sampling/createMessage') {
    const tools = Object.hasOwn(params, 'tools') || Object.hasOwn(params, 'toolChoice')
    return { method, tools }
  }
  if (method !== 'elicitation/create') return 'what is asked is asked of no client'
  return octets.length > elicitationOctetsMax
    ? `what is asked is too long, want=..${elicitationOctetsMax}`
    : parseElicitation(params)
}

/** MCP 2026-07-28 and 2025-11-25 elicitation. A client may look at the mode or at what is there: both have to say the same. */
function parseElicitation(params: JsonObject): Ask | string {
  const { mode = 'form', message, requestedSchema, url } = params
  const method = 'elicitation/create'
  if (typeof message !== 'string') return 'message of an elicitation is no text'
  if (mode === 'form') {
    if (url !== undefined) return 'a form has a url'
    return isJsonObject(requestedSchema) ? { method, mode } : 'a form has no schema'
  }
  if (mode !== 'url') return 'mode of an elicitation is neither form nor url'
  if (requestedSchema !== undefined) return 'a page has a schema'
  const host = typeof url === 'string' ? pageHost(url) : undefined
  return host === undefined ? 'url of an elicitation is no plain https URL' : { method, mode, host }
}

/** Of one error: each is decided on, and shown to a person. */
const pagesMax = 8
const pageMembers: ReadonlySet<string> = new Set(['mode', 'elicitationId', 'url', 'message'])
const elicitationIdCharactersMax = 256

/** A page, under the id by which its server says that it is done. */
export interface Page {
  readonly ask: Ask
  readonly elicitationId: string
  readonly url: string
  /** What a person is told of it. */
  readonly message: string
}

export function isElicitationId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= elicitationIdCharactersMax
}

/**
 * Reads the pages that an error asks its client to open before it asks again (MCP 2025-11-25 elicitation, URL elicitation required
 * error). A sentence says why they are none.
 */
export function parsePages(data: unknown): readonly Page[] | string {
  const { elicitations, ...others } = isJsonObject(data) ? data : {}
  if (!Array.isArray(elicitations) || Object.keys(others).length > 0) {
    return 'an error that asks for input has no elicitations, or more than those'
  }
  if (elicitations.length === 0 || elicitations.length > pagesMax) {
    return `an error asks for other than 1 to ${pagesMax} pages`
  }
  const pages: Page[] = []
  for (const each of elicitations as readonly unknown[]) {
    const page = isJsonObject(each) ? parsePage(each) : 'a page is no object'
    if (typeof page === 'string') return page
    pages.push(page)
  }
  return pages
}

function parsePage(page: JsonObject): Page | string {
  const { mode, elicitationId, url, message } = page
  if (Object.keys(page).some((name) => !pageMembers.has(name))) return 'a page has other members'
  if (mode !== 'url' || !isElicitationId(elicitationId)) return 'a page has no mode or no id'
  if (typeof message !== 'string' || typeof url !== 'string') return 'a page has no text or no url'
  if (message.length > elicitationOctetsMax) return 'what is asked is too long'
  const ask = parseElicitation(page)
  return typeof ask === 'string' ? ask : { ask, elicitationId, url, message }
}

const urlCharactersMax = 2048

/** Name, port, and the rest in the characters of RFC 3986: no user, no escape in the name, nothing that some reader drops or turns. */
const pageUrl =
  /^https:\/\/([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([1-9][0-9]{0,4}))?(?:[/?#][\w.~:/?#[\]@!$&'()*+,;=%-]*)?$/i

/** The host of a page; undefined where a reader of URLs might go elsewhere (WHATWG URL; RFC 3986 §7.6, odd spellings of addresses). */
function pageHost(url: string): string | undefined {
  if (url.length > urlCharactersMax) return undefined
  const [, name, port] = pageUrl.exec(url) ?? []
  if (name === undefined) return undefined
  const host = name.toLowerCase()
  const there = port === undefined || port === '443' ? host : `${host}:${port}`
  return URL.parse(url)?.host === there ? there : undefined
}
