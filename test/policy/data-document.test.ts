import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseDataDocument } from '../../src/policy/data-document.ts'
import { requirement } from '../requirements.ts'

const refused: Readonly<Record<string, readonly [text: string, message: string]>> = {
  'no JSON': ['{"a":}', 'grants.json: is not JSON, line 1 column 6, want=a value'],
  'no JSON, on a later line': ['{\n"a" 1}', 'grants.json: is not JSON, line 2 column 5, want=:'],
  nothing: ['', 'grants.json: is not JSON, line 1 column 1, want=a value'],
  'a list': ['[]', 'grants.json: want=an object'],
  null: ['null', 'grants.json: want=an object'],
  'octets that are no UTF-8': ['{"a":"\ufffd"}', 'grants.json: is not UTF-8'],
  'a member twice': ['{"a":1,"b":2,"a":3}', 'grants.json: /a: is said twice'],
  'a member twice, once with an escape': [
    '{"ab":1,"\\u0061b":3}',
    'grants.json: /ab: is said twice',
  ],
  'a member twice, deep inside': [
    '{"a":[{"x":1},{"x":{"b":"a\\"b","c/d":[],"c/d":2}}]}',
    'grants.json: /a/1/x/c~1d: is said twice',
  ],
  'a member named __proto__': [
    '{"a":{"__proto__":{}}}',
    'grants.json: /a/__proto__: is no name for a member',
  ],
  'a depth of 65': [
    `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`,
    `grants.json: ${'/a'.repeat(64)}: want=a depth of at most 64`,
  ],
}

for (const [what, [text, message]] of Object.entries(refused)) {
  test(`a document that is ${what} is refused, by its file and the place`, () => {
    requirement('policy.data-checked')
    assert.throws(() => parseDataDocument(text, 'grants.json'), { code: 'policy/data', message })
  })
}

test('one name at two places is no member twice', () => {
  const text = '{"a":{"a":["a","a",{"a":"a"}]},"b":{"a":"{\\"a\\":1,\\"a\\":2}"}}'
  assert.deepEqual(parseDataDocument(text, 'x').value, JSON.parse(text))
})

test('whatever JSON writes is read as JSON reads it', () => {
  const document = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }))
  fc.assert(
    fc.property(document, (value) => {
      const text = JSON.stringify(value)
      fc.pre(!text.includes('\ufffd') && !text.includes('__proto__'))
      assert.deepEqual(parseDataDocument(text, 'x').value, JSON.parse(text))
    }),
  )
})

test('a member of any name that is said again is refused', () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue({ maxDepth: 3 }), (name, value) => {
      const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`
      fc.pre(!member.includes('\ufffd') && !member.includes('__proto__'))
      const text = `{"before":[${JSON.stringify(value)}],"in":{${member},"x y":0,${member}}}`
      if (name === 'x y') return
      assert.throws(() => parseDataDocument(text, 'x'), /is said twice/)
    }),
  )
})
