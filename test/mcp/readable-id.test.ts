import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { parseMessage } from '../../src/mcp/message.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import { readableId } from '../../src/mcp/readable-id.ts'
import { headerList } from './vectors.ts'
import { requirement } from '../requirements.ts'

/** Bodies that are refused, each with the id that its refusal has. */
const refused: readonly [string, string, string | undefined][] = [
  ['a number id', '{"jsonrpc":"2.0","id":7,"method":"m"}', '7'],
  ['an id of the largest size', '{"id":-9007199254740991,"method":"m"}', '-9007199254740991'],
  ['a text with escapes', '{"id":"\\u0041\\/b","method":"m"}', '"\\u0041\\/b"'],
  ['an id after all the rest', '{"method":"m","params":{"a":[{"id":1}]},"id":2 }', '2'],
  ['a member twice', '{"id":1,"method":"m","params":{"a":1,"a":2}}', '1'],
  ['the method twice', '{"id":1,"method":"m","method":"n"}', '1'],
  ['a member in another case', '{"id":1,"method":"m","Params":{}}', '1'],
  ['nesting too deep', `{"id":1,"method":"m","params":${'['.repeat(99)}${']'.repeat(99)}}`, '1'],
  ['a number without a value', '{"id":1,"method":"m","params":{"ttl":1e400}}', '1'],
  ['half a surrogate pair', '{"id":1,"method":"m","params":{"a":"\\ud800"}}', '1'],
  ['too many members', `{"id":1,"method":"m","params":{"a":[${'0,'.repeat(10_000)}0]}}`, '1'],
  [
    'more values than that by far',
    `{"id":1,"method":"m","params":${'['.repeat(100_001)}`,
    undefined,
  ],
  ['a method that is no text', '{"id":1,"method":7}', '1'],

  ['no id', '{"jsonrpc":"2.0","method":"m"}', undefined],
  ['the id null', '{"id":null,"method":"m"}', undefined],
  ['a fraction', '{"id":1.0,"method":"m"}', undefined],
  ['an exponent', '{"id":1e3,"method":"m"}', undefined],
  ['a negative zero', '{"id":-0,"method":"m"}', undefined],
  ['an id that a double does not hold', '{"id":9007199254740993,"method":"m"}', undefined],
  ['an id that is an object', '{"id":{},"method":"m"}', undefined],
  ['two ids', '{"id":1,"id":2,"method":"m"}', undefined],
  ['two equal ids', '{"id":1,"id":1,"method":"m"}', undefined],
  ['an id in another case', '{"ID":1,"method":"m"}', undefined],
  ['an id beside one in another case', '{"id":1,"method":"m","\\u0130d":2}', undefined],
  ['an id below', '{"method":"m","params":{"id":1}}', undefined],
  ['an answer', '{"jsonrpc":"2.0","id":1,"result":null}', undefined],
  ['neither a call nor an answer', '{"jsonrpc":"2.0","id":1}', undefined],
  ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"m"}]', undefined],
  ['a text that ends early', '{"jsonrpc":"2.0","id":1,"method":"m"', undefined],
  ['a text that goes on', '{"jsonrpc":"2.0","id":1,"method":"m"}}', undefined],
  ['no JSON after the id', '{"id":1,"method":m}', undefined],
]

suite('a refusal has the id of its request', () => {
  for (const [what, body, id] of refused) {
    test(`${what}: ${id ?? 'none'}`, () => {
      requirement('gateway.refusals-have-ids')
      const problem = parseMessage(Buffer.from(body), headerList())
      assert.ok(isProblem(problem))
      assert.equal(problem.rawId, id)
    })
  }

  const call = '{"jsonrpc":"2.0","id":"seven","method":"tools/list"}'
  const headers: readonly [number, Readonly<Record<string, string | null>>][] = [
    [406, { Accept: 'application/json' }],
    [415, { 'Content-Type': 'text/plain' }],
    [415, { 'Content-Encoding': 'gzip' }],
    [400, { 'Mcp-Method': null }],
    [400, { 'mcp-method': 'tools/list' }],
  ]
  for (const [status, changes] of headers) {
    test(`whose headers are ${JSON.stringify(changes)}`, () => {
      const problem = parseMessage(Buffer.from(call), headerList(changes))
      assert.ok(isProblem(problem))
      assert.deepEqual([problem.status, problem.rawId], [status, '"seven"'])
    })
  }

  test('unless its octets are no text', () => {
    const octets = Buffer.concat([Buffer.from('{"id":1,"method":"'), Buffer.of(0xff)])
    assert.equal(readableId(Buffer.concat([octets, Buffer.from('"}')])), undefined)
  })
})

const names = fc.constantFrom('id', 'method', 'ID', 'result', '\\u0069d', 'ıd', 'x', '__proto__')
const values = fc.constantFrom('1', '"a"', 'null', '1.0', '{"id":2}', '[1,{}]', 'tru', '', '"')
const member = fc.tuple(names, values)
const call = fc.constantFrom<[string, string]>(['id', '7'], ['method', '"m"'])
const members = fc.array(fc.oneof({ weight: 2, arbitrary: call }, member), { maxLength: 4 })
const ends = fc.constantFrom('}', '}', '}', '', '}}', ' }\n', ',}')

test('an id that is read is the one that a parser finds, in a call', () => {
  requirement('gateway.refusals-have-ids')
  let found = 0
  fc.assert(
    fc.property(members, ends, (list, end) => {
      const text = `{${list.map(([name, value]) => `"${name}":${value}`).join(',')}${end}`
      const id = readableId(Buffer.from(text))
      if (id === undefined) return
      found++
      const parsed = JSON.parse(text) as Record<string, unknown>
      assert.deepEqual(parsed['id'], JSON.parse(id))
      assert.ok('method' in parsed)
      const others = list.filter(([name]) => /^(?:id|ID|\\u0069d|ıd)$/.test(name))
      assert.equal(others.length, 1)
    }),
    { numRuns: 3000 },
  )
  assert.ok(found > 20, `found ${found}`)
})

test('names that are no id are not normalized without end', (t) => {
  requirement('gateway.linear-time')
  const { mock } = t.mock.method(String.prototype, 'normalize')
  const bodyOf = (count: number, units: number): Buffer => {
    const names = Array.from({ length: count }, (_, at) => `"${'\ufdfa'.repeat(units)}${at}":0`)
    return Buffer.from(`{"id":1,"method":"m",${names.join(',')}}`)
  }
  assert.equal(readableId(bodyOf(2000, 33)), '1')
  assert.equal(mock.callCount(), 0)
  assert.equal(readableId(bodyOf(100, 20)), '1')
  assert.ok(mock.callCount() > 0)
  mock.resetCalls()
  assert.equal(readableId(bodyOf(2000, 20)), undefined)
  assert.ok(mock.callCount() < 1000, `got=${mock.callCount()}`)
})
