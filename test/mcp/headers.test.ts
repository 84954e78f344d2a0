import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { decodeHeaderValue } from '../../src/mcp/header-value.ts'
import { stripped } from '../../src/mcp/headers.ts'
import { parseMessage } from '../../src/mcp/message.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import { character } from '../support/character.ts'
import { headerList, readVectors } from './vectors.ts'
import { requirement } from '../requirements.ts'

interface HeaderVector {
  readonly case: string
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body: { readonly id?: number }
  /** null: accepted */
  readonly status: number | null
  readonly code: number | null
  readonly message?: string
  readonly data?: object
  readonly era?: string
  readonly version?: string
  readonly kind?: string
  readonly name?: string
  readonly sessionId?: string
}

const accepted = ['era', 'version', 'kind', 'name', 'sessionId'] as const

suite('the headers of test/vectors/mcp', () => {
  for (const vector of readVectors<HeaderVector>('headers.ndjson')) {
    test(`${vector.case}: ${vector.code ?? 'accepted'}`, () => {
      requirement('gateway.headers-agree')
      const body = Buffer.from(JSON.stringify(vector.body))
      const message = parseMessage(body, headerList(vector.headers))
      if (!isProblem(message)) {
        assert.equal(null, vector.code, 'accepted')
        const found = message as unknown as Record<string, unknown>
        for (const field of accepted) {
          if (vector[field] !== undefined) assert.equal(found[field], vector[field])
        }
        return
      }
      assert.deepEqual(
        [message.code, message.status],
        [vector.code, vector.status],
        message.message,
      )
      if (vector.message !== undefined) assert.equal(message.message, vector.message)
      if (vector.data !== undefined) assert.deepEqual(message.data, vector.data)
    })
  }
})

const call = Buffer.from(
  JSON.stringify({
    jsonrpc: '2.0',
    id: 'seven',
    method: 'tools/call',
    params: {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
      },
      name: 'read',
    },
  }),
)

const mirrored = ['Mcp-Method', 'Mcp-Name', 'MCP-Protocol-Version', 'mcp-session-id']

suite('headers that come twice', () => {
  for (const name of [...mirrored, 'Content-Type', 'Content-Encoding']) {
    test(`a second ${name} is refused, even an equal one`, () => {
      const list = headerList({ 'mcp-session-id': 's', 'content-encoding': 'identity' })
      const at = list.findIndex((one) => one.toLowerCase() === name.toLowerCase())
      const problem = parseMessage(call, [...list, name.toUpperCase(), list[at + 1] ?? ''])
      assert.deepEqual(problem, {
        status: 400,
        code: name.toLowerCase().startsWith('mcp-') ? -32020 : -32600,
        message: `header ${name.toLowerCase()} more than once`,
        rawId: '"seven"',
      })
    })
  }

  test('accept may come in several lines, which are one list', () => {
    const lines = ['Accept', 'text/event-stream', 'ACCEPT', 'application/json;q=0.1']
    const message = parseMessage(call, [...headerList({ Accept: null }), ...lines])
    assert.ok(!isProblem(message))
    const lacking = parseMessage(call, [...headerList({ Accept: null }), ...lines.slice(0, 2)])
    assert.ok(isProblem(lacking))
    assert.equal(lacking.status, 406)
  })

  test('a second header that is not read is left alone', () => {
    assert.ok(!isProblem(parseMessage(call, [...headerList(), 'X-Any', '1', 'X-Any', '2'])))
  })
})

test('a refusal answers the id of the request', () => {
  const problem = parseMessage(call, headerList({ 'Mcp-Name': 'other' }))
  assert.ok(isProblem(problem))
  assert.equal(problem.rawId, '"seven"')
})

test('a refusal quotes at most eighty characters of a header', () => {
  const problem = parseMessage(call, headerList({ 'Mcp-Name': 'x'.repeat(5000) }))
  assert.ok(isProblem(problem))
  assert.ok(problem.message.length < 200, problem.message)
})

test('a body over the limit is refused before it is read', () => {
  const problem = parseMessage(call, headerList(), { bodyBytesMax: 10 })
  assert.deepEqual(problem, {
    status: 413,
    code: -32600,
    message: `body too large, want=..10 got=${call.length}`,
  })
})

test('a body with more members than the limit is refused', () => {
  const problem = parseMessage(call, headerList(), { membersMax: 5 })
  assert.ok(isProblem(problem))
  assert.equal(problem.message, 'too many members and elements, want=..5')
})

suite('what is spoken where the message came to', () => {
  const initialize = Buffer.from(
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}',
  )
  const opening = headerList({ 'MCP-Protocol-Version': null, 'Mcp-Method': null, 'Mcp-Name': null })

  test('a modern client learns the legacy revisions where there is nothing else', () => {
    const problem = parseMessage(call, headerList(), { versions: ['2025-11-25'] })
    assert.ok(isProblem(problem))
    assert.equal(problem.code, -32022)
    assert.deepEqual(problem.data, { supported: ['2025-11-25'], requested: '2026-07-28' })
  })

  test('a client that opens a session learns what else is spoken where none can be opened', () => {
    const problem = parseMessage(initialize, opening, { versions: ['2026-07-28'] })
    assert.ok(isProblem(problem))
    assert.deepEqual([problem.status, problem.code], [400, -32022])
    assert.deepEqual(problem.data, { supported: ['2026-07-28'], requested: '2025-03-26' })
  })

  test('what is offered is the newest of these, whatever their order', () => {
    const versions = ['2025-06-18', '2026-07-28', '2025-11-25']
    const message = parseMessage(initialize, opening, { versions })
    assert.ok(!isProblem(message))
    assert.equal(message.version, '2025-11-25')
    const only = parseMessage(initialize, opening, { versions: ['2025-06-18'] })
    assert.ok(!isProblem(only))
    assert.equal(only.version, '2025-06-18')
  })
})

test('a header of nothing but blanks is stripped in linear time', () => {
  assert.equal(stripped(`${' \t'.repeat(100_000)}x${' '.repeat(100_000)}`), 'x')
  assert.equal(stripped(' \t '), '')
})

const values = fc.oneof(
  fc.constantFrom('tools/call', 'read', 'delete', '2026-07-28', '2025-11-25', 'application/json'),
  fc.constantFrom('*/*', 'application/json, text/event-stream', 'gzip', 'identity', '', ' read '),
  fc.constantFrom('=?base64?cmVhZA==?=', '=?base64?cmVhZA?=', 'application/json; charset=utf-16'),
  fc.string({ unit: character, maxLength: 12 }),
)
const names = [...mirrored, 'Accept', 'Content-Type', 'Content-Encoding', 'X-Other']
const line = fc.tuple(fc.constantFrom(...names, ...names.map((name) => name.toLowerCase())), values)
const usual = fc
  .constantFrom(headerList(), headerList({ 'mcp-session-id': 's' }), headerList({ Accept: '*/*' }))
  .map((list) => [...list])
const lines = fc
  .tuple(usual, fc.array(line, { maxLength: 3 }), fc.nat(14))
  .map(([list, more, drop]) => {
    if (drop % 2 === 0) list.splice(drop, 2)
    return [...list, ...more.flat()]
  })

test('whatever headers come, a request that is taken has one line of each that say what its body says', () => {
  requirement('gateway.headers-agree')
  let taken = 0
  fc.assert(
    fc.property(lines, (list) => {
      const message = parseMessage(call, list)
      if (isProblem(message)) return
      taken++
      const found = (name: string): string[] =>
        list.filter((_, at) => at % 2 === 1 && list[at - 1]?.toLowerCase() === name)
      assert.equal(message.era, 'modern')
      assert.deepEqual(found('mcp-protocol-version').map(stripped), ['2026-07-28'])
      assert.deepEqual(found('mcp-method').map(stripped), ['tools/call'])
      const read = found('mcp-name').map((value) => decodeHeaderValue(stripped(value)))
      assert.deepEqual(read, ['read'])
      assert.equal(found('content-type').length, 1)
      assert.ok(found('mcp-session-id').length <= 1)
      assert.ok(found('content-encoding').every((value) => /^\s*identity\s*$/i.test(value)))
    }),
    { numRuns: 3000 },
  )
  assert.ok(taken > 100, `taken ${taken}`)
})
