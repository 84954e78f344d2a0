import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  statusToModern,
  translateAnswer,
  type Told,
} from '../../../src/gateway/translate/answer.ts'
import { membersOf } from '../../../src/mcp/spans.ts'
import { requirement } from '../../requirements.ts'

const modern: Told = { era: 'modern', method: 'tools/call', rawId: '"a"', name: 'x', wraps: false }
const legacy: Told = { ...modern, era: 'legacy' }

function translated(text: string, told: Told): string {
  const octets = Buffer.from(text)
  const result = membersOf(octets, { start: 0, end: octets.length })?.get('result')
  return translateAnswer(octets, result, told).toString()
}

const results: readonly (readonly [what: string, told: Told, from: string, to: string])[] = [
  ['nothing to a modern client', modern, '{}', '{"resultType":"complete"}'],
  [
    'its own type to a modern client',
    modern,
    '{"resultType":"complete","content":[ ]}',
    '{"content":[ ],"resultType":"complete"}',
  ],
  [
    'what is modern to a legacy client',
    legacy,
    '{"resultType":"complete","ttlMs":1,"content":[ ],"cacheScope":"public"}',
    '{"content":[ ]}',
  ],
  ['nothing but that', legacy, '{"resultType":"complete","ttlMs":1}', '{}'],
  [
    'an object to a legacy client',
    legacy,
    '{"structuredContent":{"a" : 1.50}}',
    '{"structuredContent":{"a" : 1.50}}',
  ],
  [
    'what is no object to a legacy client',
    legacy,
    '{"structuredContent":"x","content":[]}',
    '{"content":[],"structuredContent":{"result":"x"}}',
  ],
  [
    'an object of a tool that may give something else',
    { ...legacy, wraps: true },
    '{"structuredContent":{"result":1}}',
    '{"structuredContent":{"result":{"result":1}}}',
  ],
  [
    'the same to a modern client',
    { ...modern, wraps: true },
    '{"structuredContent":{"result":1}}',
    '{"structuredContent":{"result":1},"resultType":"complete"}',
  ],
]

for (const [what, told, from, to] of results) {
  test(`a result with ${what}`, () => {
    const text = `{"result":${from},"id":7,"jsonrpc":"2.0"}`
    assert.equal(translated(text, told), `{"jsonrpc":"2.0","id":"a","result":${to}}`)
  })
}

const read = { method: 'resources/read', name: 'file:///a' }
const errors: readonly (readonly [what: string, told: Told, from: string, to: string])[] = [
  [
    'a resource that a legacy server has not',
    { ...modern, ...read },
    '{"code":-32002,"message":"m"}',
    '{"code":-32602,"data":{"uri":"file:///a"},"message":"m"}',
  ],
  [
    'the same with data',
    { ...modern, ...read },
    '{"data":{"uri":"theirs"},"message":"m","code" : -32002 }',
    '{"data":{"uri":"file:///a"},"message":"m","code" : -32602 }',
  ],
  [
    'a resource that a modern server has not',
    { ...legacy, ...read },
    '{"code":-32602,"message":"m","data":{"uri":"file:///a"}}',
    '{"code":-32002,"message":"m","data":{"uri":"file:///a"}}',
  ],
  [
    'params that a modern server does not take',
    { ...legacy, ...read },
    '{"code":-32602,"message":"m"}',
    '{"code":-32602,"message":"m"}',
  ],
  ['a code of headers', legacy, '{"code":-32020,"message":"m"}', '{"code":-32602,"message":"m"}'],
  ['a code of versions', legacy, '{"code":-32022,"message":"m"}', '{"code":-32603,"message":"m"}'],
  [
    'a capability that is not carried',
    legacy,
    '{"code":-32021,"message":"m","data":{"requiredCapabilities":{"sampling":{},"<b>":{}}}}',
    '{"code":-32602,"message":"the tool server needs what is not carried from one era to the other: sampling","data":{"requiredCapabilities":{"sampling":{},"<b>":{}}}}',
  ],
  ['any other', modern, '{"code":-32000,"message":"m"}', '{"code":-32000,"message":"m"}'],
]

for (const [what, told, from, to] of errors) {
  test(`an error of ${what}`, () => {
    const text = `{"id":7,"error":${from},"jsonrpc":"2.0"}`
    assert.equal(translated(text, told), `{"jsonrpc":"2.0","id":"a","error":${to}}`)
  })
}

test('to a modern client a method that is not there is 404, and nothing else is', () => {
  const status = (code: number): number =>
    statusToModern(Buffer.from(`{"error":{"code":${code},"message":"m"}}`))
  assert.deepEqual([status(-32601), status(-32602)], [404, 200])
})

test('the octets of what a server gives are the same in either era', () => {
  requirement('gateway.eras-meet')
  const members = ['content', 'contents', 'messages', 'completion', '_meta', 'x-kept'] as const
  const spelled = fc
    .tuple(fc.json(), fc.constantFrom('', ' ', '\r\n'), fc.constantFrom('1e400', '"\\ud800"'))
    .map(([json, space, odd]) => `[${space}${json}${space},${odd}]`)
  const result = fc.uniqueArray(fc.tuple(fc.constantFrom(...members), spelled), {
    selector: ([name]) => name,
  })
  fc.assert(
    fc.property(result, fc.constantFrom(modern, legacy), (given, told) => {
      const own = told.era === 'legacy' ? '"resultType":"complete",' : ''
      const inner = given.map(([name, text]) => `"${name}":${text}`).join(',')
      const text = `{"jsonrpc":"2.0","id":7,"result":{${own}"ttlMs":1,${inner}${inner === '' ? '"z":1' : ''}}}`
      const there = translated(text, told)
      JSON.parse(there)
      assert.ok(there.includes(inner), there)
    }),
  )
})
