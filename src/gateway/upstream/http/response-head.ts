/** The head of an answer, as far as anybody asks. */
export interface ResponseHead {
  readonly status: number
  /** Those that are ever looked at, by lower-case name; the rest is for nobody, so nobody keeps it. */
  readonly headers: Readonly<Record<string, string>>
  /** How the body ends (RFC 9112 §6.3): after so many octets, by its last chunk, or with the connection. */
  readonly framing: number | 'chunked' | 'until close'
  /** Whether another request may follow on this connection. */
  readonly keeps: boolean
  /** The server says that it ends the connection. */
  readonly closes: boolean
  /** So long the server keeps a connection that is idle; Infinity where it does not say. */
  readonly idleMilliseconds: number
}

/** RFC 9112 §4. The phrase may be empty, the space before it may not be missing. */
const statusLine = /^HTTP\/1\.1 ([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*$/
/** RFC 9112 §5: no space before the colon; a folded line and one that ends in a bare LF are none. */
const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/
const linesMax = 128

/** Where two lines differ, two readers take two answers out of one. */
const single: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'mcp-session-id',
  'retry-after',
])
const listed: ReadonlySet<string> = new Set(['cache-control'])

/** Reads a head without the empty line that ends it, or says what is wrong with it. */
export function parseResponseHead(text: string): ResponseHead | string {
  const lines = text.split('\r\n')
  if (lines.length > linesMax) return `answer has too many headers, want=..${linesMax - 1}`
  const status = Number(statusLine.exec(lines[0] ?? '')?.[1] ?? 0)
  if (status === 0) return 'answer has no status line of HTTP/1.1'
  const headers: Record<string, string> = {}
  const hops: Hops = { keeps: true, closes: false, idleMilliseconds: Number.POSITIVE_INFINITY }
  for (let at = 1; at < lines.length; at += 1) {
    const parts = headerLine.exec(lines[at] ?? '')
    if (parts === null) return 'answer has a malformed header'
    const name = (parts[1] ?? '').toLowerCase()
    const wrong = takeHeader({ headers, hops }, name, (parts[2] ?? '').trimEnd())
    if (wrong !== undefined) return wrong
  }
  const framing = framingOf(status, hops)
  if (framing === undefined) return 'answer is framed in an unknown way'
  const { closes, idleMilliseconds } = hops
  const keeps = hops.keeps && framing !== 'until close'
  return { status, headers, framing, keeps, closes, idleMilliseconds }
}

/** What headers say of the connection and of framing. */
interface Hops {
  length?: string
  coding?: string
  keeps: boolean
  closes: boolean
  idleMilliseconds: number
}

function takeHeader(
  head: { readonly headers: Record<string, string>; readonly hops: Hops },
  name: string,
  value: string,
): string | undefined {
  const { headers, hops } = head
  switch (name) {
    case 'content-length':
      if (hops.length !== undefined) return 'answer has two lengths'
      hops.length = value
      return undefined
    case 'transfer-encoding':
      if (hops.coding !== undefined) return 'answer has two codings'
      hops.coding = value.toLowerCase()
      return undefined
    case 'connection':
      for (const option of value.toLowerCase().split(',')) {
        if (option.trim() !== 'keep-alive') hops.keeps = false
        if (option.trim() === 'close') hops.closes = true
      }
      return undefined
    case 'keep-alive': {
      const seconds = /(?:^|[,;\s])timeout=([0-9]{1,9})(?![0-9])/i.exec(value)?.[1]
      if (seconds !== undefined) hops.idleMilliseconds = Number(seconds) * 1000
      return undefined
    }
    default:
  }
  const known = headers[name]
  if (single.has(name)) {
    if (known !== undefined) return `answer says ${name} twice`
    headers[name] = value
  } else if (listed.has(name)) {
    headers[name] = known === undefined ? value : `${known}, ${value}`
  }
  return undefined
}

/** RFC 9112 §6.3, without what §6.1 and §6.2 call an error or an attack. */
function framingOf(
  status: number,
  { length, coding, closes }: Hops,
): ResponseHead['framing'] | undefined {
  if (coding !== undefined && (coding !== 'chunked' || length !== undefined)) return undefined
  if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) return undefined
  // It says what the body would be like (RFC 9110 §8.6).
  if (status === 304) return 0
  if (status < 200 || status === 204) {
    return coding === undefined && (length === undefined || Number(length) === 0) ? 0 : undefined
  }
  if (coding !== undefined) return 'chunked'
  if (length !== undefined) return Number(length)
  return closes ? 'until close' : undefined
}
