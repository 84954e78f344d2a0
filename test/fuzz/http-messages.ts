/** Requests of HTTP/1.1 that are nearly right, and what a connection of them looks like. */
import { modern } from '../gateway/world/client.ts'
import type { Random } from './random.ts'

/** A request in parts, each of which may be anything. */
interface Parts {
  line: string
  headers: string[]
  body: string
  lineEnd: string
}

/** A call that is right in every part; its argument is what it is known by. */
function rightCall(mark: string): Parts {
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: { mark } })
  const named = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return {
    line: 'POST /mcp/files HTTP/1.1',
    headers: [
      'host: gateway.test',
      'content-type: application/json',
      'accept: application/json, text/event-stream',
      ...named,
      `content-length: ${Buffer.byteLength(body)}`,
    ],
    body,
    lineEnd: '\r\n',
  }
}

function textOf({ line, headers, body, lineEnd }: Parts): string {
  return [line, ...headers, '', body].join(lineEnd)
}

type Change = (parts: Parts, random: Random) => void

const lines = [
  'POST /mcp/files HTTP/1.0',
  'POST /mcp/files HTTP/1.2',
  'POST /mcp/files HTTP/2.0',
  'POST /mcp/files http/1.1',
  'POST /mcp/files',
  'POST  /mcp/files HTTP/1.1',
  'POST\t/mcp/files\tHTTP/1.1',
  ' POST /mcp/files HTTP/1.1',
  'post /mcp/files HTTP/1.1',
  'GET /mcp/files HTTP/1.1',
  'PUT /mcp/files HTTP/1.1',
  'HEAD /mcp/files HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'CONNECT files:443 HTTP/1.1',
  'TRACE /mcp/files HTTP/1.1',
  'PRI * HTTP/2.0',
  'POST https://gateway.test/mcp/files HTTP/1.1',
  'POST //mcp/files HTTP/1.1',
  'POST /mcp/./files HTTP/1.1',
  'POST /mcp/%66iles HTTP/1.1',
  'POST /mcp/files? HTTP/1.1',
  'POST /mcp/files#x HTTP/1.1',
  'POST /mcp/files HTTP/1.1 HTTP/1.1',
  'POST /mcp/files\0 HTTP/1.1',
  'POST /mcp/files\x0bx HTTP/1.1',
  'POST * HTTP/1.1',
  '',
]

const lengths = [
  '+5',
  '-1',
  '0',
  '00',
  '0x10',
  '1e2',
  '5, 5',
  '5,6',
  ' ',
  '',
  '4294967297',
  '18446744073709551617',
  '9'.repeat(400),
  '5 5',
  '5\t',
  '٥',
]

const codings = [
  'chunked',
  'Chunked',
  ' chunked',
  'chunked ',
  '\tchunked',
  'chunked, chunked',
  'chunked, identity',
  'identity, chunked',
  'identity',
  'gzip, chunked',
  'xchunked',
  'chunked\x0b',
  'chunked;q=1',
  '"chunked"',
  '',
]

const oddHeaders = [
  'transfer-encoding : chunked',
  'content-length : 3',
  ' content-length: 3',
  'x: y\r\n content-length: 3',
  'x: y\r\n\ttransfer-encoding: chunked',
  'x: \0',
  'x: a\rb',
  'x: a\nb: c',
  'no colon',
  ': no name',
  'x',
  'x\0: y',
  'ñ: y',
  'x: ñ',
  'host: other.test',
  'host: gateway.test',
  'expect: 100-continue',
  'expect: 200-ok',
  'upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABk',
  'connection: close',
  'connection: keep-alive, content-length',
  'connection: mcp-name',
  'trailer: content-length',
  'content-encoding: gzip',
  'mcp-name: delete',
  'mcp-method: tools/list',
  'mcp-session-id: x',
  'txn-token: x',
  'authorization: Bearer x',
  'keep-alive: timeout=99999999999',
]

/** A body in chunks, some of them odd. */
function chunked(body: string, random: Random): string {
  const at = random.below(body.length)
  const pieces = random.oneIn(3) ? [body] : [body.slice(0, at), body.slice(at)]
  const end = random.oneIn(6) ? '\n' : '\r\n'
  const size = (length: number): string => {
    const digits = length.toString(16)
    return random.pick([
      digits,
      digits,
      digits,
      digits.toUpperCase(),
      `0${digits}`,
      `${digits};x=y`,
      `${digits};x="\n"`,
      ` ${digits}`,
      `${digits} `,
      `+${digits}`,
      `0x${digits}`,
      `${'0'.repeat(20)}${digits}`,
      `f${digits}`,
      '',
      '-1',
      'ffffffffffffffff',
    ])
  }
  const chunks = pieces.map((piece) => `${size(piece.length)}${end}${piece}${end}`)
  const last = random.pick(['0\r\n\r\n', '0\r\n\r\n', '0\r\n\r\n', '0\r\n', '', '0\n\n'])
  const trailed = '0\r\ncontent-length: 5\r\nhost: other.test\r\n\r\n'
  return `${chunks.join('')}${random.oneIn(8) ? trailed : last}`
}

function insert(parts: Parts, header: string, random: Random): void {
  parts.headers.splice(random.below(parts.headers.length + 1), 0, header)
}

const changes: readonly Change[] = [
  (parts, random) => {
    parts.line = random.pick(lines)
  },
  (parts) => {
    parts.line = `POST /mcp/files${'/x'.repeat(20_000)} HTTP/1.1`
  },
  (parts, random) => insert(parts, `content-length: ${random.pick(lengths)}`, random),
  (parts, random) => {
    const length = Buffer.byteLength(parts.body) + random.below(9) - 4
    parts.headers = parts.headers.filter((header) => !header.startsWith('content-length'))
    insert(parts, `content-length: ${random.oneIn(3) ? random.pick(lengths) : length}`, random)
  },
  (parts, random) => insert(parts, random.pick(parts.headers), random),
  (parts, random) => void parts.headers.splice(random.below(parts.headers.length), 1),
  (parts, random) => insert(parts, random.pick(oddHeaders), random),
  (parts, random) => insert(parts, `transfer-encoding: ${random.pick(codings)}`, random),
  (parts, random) => {
    const keeps = random.oneIn(3)
    parts.headers = parts.headers.filter((header) => keeps || !header.startsWith('content-length'))
    const coding = random.oneIn(3) ? random.pick(codings) : 'chunked'
    insert(parts, `transfer-encoding: ${coding}`, random)
    parts.body = chunked(parts.body, random)
  },
  (parts, random) =>
    insert(parts, `x-large: ${'y'.repeat(random.pick([100, 9_000, 40_000]))}`, random),
  (parts, random) => {
    for (let count = random.pick([50, 3_000]); count > 0; count -= 1) parts.headers.push('x: y')
  },
  (parts, random) => {
    parts.lineEnd = random.pick(['\n', '\r', '\n\r', '\r\n\r\n', '\r\r\n'])
  },
  (parts, random) => {
    parts.body += textOf(rightCall(`inside-${random.below(1e9)}`))
  },
  (parts, random) => {
    parts.body = parts.body.slice(0, random.below(parts.body.length))
  },
  (parts, random) => {
    parts.body = random.pick(['', ' ', '{}', '[]', 'null', '\0', '0\r\n\r\n', '"x"'])
  },
]

/** Of the octets themselves: one is changed, left out, or put in again and again. */
function disturb(octets: Buffer, random: Random): Buffer<ArrayBuffer> {
  if (octets.length === 0) return Buffer.alloc(0)
  const at = random.below(octets.length)
  const before = octets.subarray(0, at)
  const odd = random.pick([0, 9, 10, 11, 13, 32, 44, 58, 127, 128, 255])
  switch (random.below(4)) {
    case 0:
      return Buffer.concat([before, Buffer.from([odd]), octets.subarray(at + 1)])
    case 1:
      return Buffer.concat([before, octets.subarray(at + 1 + random.below(20))])
    case 2:
      return Buffer.concat([before, Buffer.alloc(1 + random.below(3), odd), octets.subarray(at)])
    default:
      return Buffer.from(before)
  }
}

/** What one connection sends: one request or some, of which each may be changed in up to three ways. */
export function fuzzedConversation(mark: string, random: Random): readonly Buffer[] {
  const count = random.oneIn(3) ? 2 + random.below(3) : 1
  const texts = Array.from({ length: count }, (_, index) => {
    const parts = rightCall(`${mark}-${index}`)
    const times = random.oneIn(6) ? 0 : 1 + random.below(3)
    for (let time = 0; time < times; time += 1) random.pick(changes)(parts, random)
    return textOf(parts)
  })
  let octets = Buffer.from(texts.join(''), random.oneIn(2) ? 'utf8' : 'latin1')
  if (random.oneIn(4)) octets = disturb(octets, random)
  const pieces: Buffer[] = []
  const most = random.pick([octets.length, 1 + random.below(1_000), 65_536])
  for (let from = 0; from < octets.length; from += most) {
    pieces.push(octets.subarray(from, from + most))
  }
  return pieces
}
