import assert from 'node:assert/strict'
import { request, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ResponseReader } from '../../../../src/gateway/upstream/http/response-reader.ts'
import { requirement } from '../../../requirements.ts'

interface Read {
  readonly status: number
  readonly body: string
}

/** What ours makes of it, the connection ending after it; undefined for what it does not take. */
function oursOf(octets: Buffer, cuts: readonly number[]): Read | undefined {
  let status = 0
  let body = ''
  let isOver = false
  const reader = new ResponseReader({
    head: (head) => (status = head.status),
    data: (piece) => (body += piece.toString('latin1')),
    end: () => (isOver = true),
  })
  const ends = [...cuts, octets.length].toSorted((a, b) => a - b)
  let from = 0
  for (const end of ends) {
    const piece = Buffer.from(octets.subarray(from, end))
    from = end
    if (!isOver && piece.length > 0 && reader.push(piece) !== undefined) return undefined
  }
  if (!isOver) reader.close()
  return isOver ? { status, body } : undefined
}

/** What the client of `node:http` makes of the same. */
function nodesOf(octets: Buffer): Promise<Read | undefined> {
  const socket = new Duplex({
    read() {},
    write: (_chunk, _encoding, done) => done(),
  })
  return new Promise((resolve) => {
    const asked = request({ method: 'POST', createConnection: () => socket })
    asked.on('error', () => resolve(undefined))
    asked.on('response', (response: IncomingMessage) => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (piece: string) => (body += piece))
      response.on('error', () => resolve(undefined))
      response.on('close', () =>
        resolve(response.complete ? { status: response.statusCode ?? 0, body } : undefined),
      )
    })
    asked.end()
    setImmediate(() => {
      socket.push(octets)
      socket.push(null)
    })
  })
}

const line = fc.oneof(
  { weight: 4, arbitrary: fc.constant('content-type: application/json') },
  fc.constantFrom(
    'content-length: 2',
    'content-length: 10',
    'Content-Length: 02',
    'content-length:2,2',
    'content-length: +2',
    'transfer-encoding: chunked',
    'Transfer-Encoding:\tChunked',
    'transfer-encoding: gzip, chunked',
    'transfer-encoding: identity',
    'connection: close',
    'connection: keep-alive, close',
    'connection: upgrade',
    'x:',
    ' folded: 1',
    'x : 1',
  ),
)
const chunk = fc.constantFrom(
  '2\r\n{}\r\n',
  '1\r\n{\r\n1\r\n}\r\n',
  '0a\r\n0123456789\r\n',
  '2;a=b\r\n{}\r\n',
  '2 \r\n{}\r\n',
)
const body = fc.oneof(
  fc.constantFrom('{}', '', '0123456789', '{}{}'),
  fc
    .tuple(
      fc.array(chunk, { maxLength: 4 }),
      fc.constantFrom('0\r\n\r\n', '00\r\n\r\n', '0\r\na: 1\r\n\r\n', ''),
    )
    .map(([chunks, last]) => chunks.join('') + last),
)
const status = fc.constantFrom(
  'HTTP/1.1 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 205 Reset Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.1 404 ',
  'HTTP/1.1 299 \u00ff',
)
const lineEnd = fc.oneof(
  { weight: 20, arbitrary: fc.constant('\r\n') },
  fc.constantFrom('\n', '\r', '\r\r\n'),
)

interface Mutation {
  readonly at: number
  readonly put: string
  readonly drop: number
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(200),
  put: fc.constantFrom('', '\r', '\n', '\0', ' ', '0', ',', ':', '\r\n', 'x'),
  drop: fc.nat(2),
})

const odd = fc.record({
  status,
  lines: fc.array(fc.tuple(line, lineEnd), { maxLength: 4 }),
  end: lineEnd,
  body,
})
/** As servers mean it. */
const plain = fc.record({
  status,
  lines: fc.constantFrom(
    [['content-length: 2', '\r\n']],
    [['transfer-encoding: chunked', '\r\n']],
    [
      ['x: 1', '\r\n'],
      ['connection: close', '\r\n'],
    ],
  ),
  end: fc.constant('\r\n'),
  body,
})

const answer = fc
  .tuple(fc.oneof(odd, plain), fc.array(mutation, { maxLength: 2 }))
  .map(([{ status: first, lines, end, body: rest }, mutations]) => {
    let text = `${first}\r\n${lines.flat().join('')}${end}${rest}`
    for (const { at, put, drop } of mutations) {
      text = text.slice(0, at) + put + text.slice(at + drop)
    }
    return Buffer.from(text, 'latin1')
  })

test('what this reader and that of node:http both take, they read alike, and ours however it is cut', async () => {
  requirement('gateway.upstream-answers-framed-one-way')
  let both = 0
  await fc.assert(
    fc.asyncProperty(answer, fc.array(fc.nat(200), { maxLength: 4 }), async (octets, cuts) => {
      const ours = oursOf(octets, [])
      const within = cuts.filter((cut) => cut < octets.length)
      assert.deepEqual(oursOf(octets, within), ours)
      const nodes = ours === undefined ? undefined : await nodesOf(octets)
      if (ours === undefined || nodes === undefined) return
      both += 1
      assert.deepEqual(ours, nodes)
    }),
    { seed: 20260728, numRuns: 4000 },
  )
  assert.ok(both > 200, `got=${both} that both take`)
})
