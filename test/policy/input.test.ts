import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatInput, inputOctetsDefault } from '../../src/policy/input.ts'
import { requirement } from '../requirements.ts'

function textOf(input: object): string {
  return formatInput(input)
}

function nested(depth: number): object {
  return Array.from({ length: depth - 1 }).reduce<object>((inner) => ({ inner }), {})
}

const refused: Readonly<Record<string, readonly [unknown, string]>> = {
  'an array': [[], 'input is of the wrong type, want=object got=array'],
  'a lone high surrogate': [{ a: ['\ud83d'] }, 'input has a string with a lone surrogate'],
  'a lone low surrogate': [{ a: 'x\ude00' }, 'input has a string with a lone surrogate'],
  'a lone surrogate in a name': [{ '\ud83d': 1 }, 'input has a string with a lone surrogate'],
  'not a number': [{ a: Number.NaN }, 'input has a number that is not finite'],
  infinity: [{ a: -Infinity }, 'input has a number that is not finite'],
  'a big integer': [{ a: 1n }, 'input has a value that JSON has not, got=bigint'],
  'a function': [{ toJSON: () => 1 }, 'input has a value that JSON has not, got=function'],
  'a symbol': [{ a: Symbol('a') }, 'input has a value that JSON has not, got=symbol'],
  'a hole in an array': [{ a: Array(1) }, 'input has a value that JSON has not, got=undefined'],
  'a date': [{ a: new Date(0) }, 'input has an object that is not plain'],
  'a map': [{ a: new Map() }, 'input has an object that is not plain'],
  'a buffer': [{ a: Buffer.from('{}') }, 'input has an object that is not plain'],
  'octets as the input itself': [Buffer.from('{}'), 'input has an object that is not plain'],
  'an object of a class': [{ a: new URL('https://a') }, 'input has an object that is not plain'],
  'an inherited member': [Object.create({ a: 1 }), 'input has an object that is not plain'],
  'too many levels': [nested(65), 'input is too deep, want=..64'],
  'far too many levels': [nested(5000), 'input is too deep, want=..64'],
}

for (const [name, [input, message]] of Object.entries(refused)) {
  test(`an input with ${name} is refused`, () => {
    requirement('policy.cannot-fail-open')
    assert.throws(() => formatInput(input as object), { code: 'policy/input', message })
  })
}

test('a circle is refused like any depth', () => {
  const circle: { self?: object } = {}
  circle.self = circle
  assert.throws(() => formatInput(circle), { code: 'policy/input' })
})

test('octets are counted, not characters', () => {
  const room = inputOctetsDefault - '{"a":""}'.length
  assert.equal(Buffer.byteLength(formatInput({ a: 'x'.repeat(room) })), inputOctetsDefault)
  assert.throws(() => formatInput({ a: 'x'.repeat(room + 1) }), {
    code: 'policy/input',
    message: 'input is too large, want=..262144 octets got=262145',
  })
  assert.throws(() => formatInput({ a: 'é'.repeat(room / 2 + 1) }), {
    message: 'input is too large, want=..262144 octets got=262146',
  })
})

test('the bound can be another', () => {
  assert.equal(formatInput({ a: 1 }, 7).length, 7)
  assert.throws(() => formatInput({ a: 1 }, 6), { code: 'policy/input' })
})

test('members that are undefined are left out, and names that objects are born with are kept', () => {
  assert.equal(textOf({ a: undefined, b: 1 }), '{"b":1}')
  const hostile = '{"__proto__":{"allow":true},"constructor":1,"toJSON":"x"}'
  assert.equal(textOf(JSON.parse(hostile) as object), hostile)
})

test('an object without a prototype is plain, and the deepest allowed level is allowed', () => {
  assert.equal(textOf(Object.create(null) as object), '{}')
  assert.doesNotThrow(() => formatInput(nested(64)))
})

test('every JSON object comes out as the JSON that went in', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (value) => {
      const input = JSON.parse(JSON.stringify(value)) as object
      assert.deepEqual(JSON.parse(textOf(input)), input)
    }),
  )
})

test('the buffer holds the text and nothing else, whatever its size', () => {
  for (const length of [0, 1, 100, 4000, 9000]) {
    const input = { a: 'é'.repeat(length) }
    assert.equal(formatInput(input), JSON.stringify(input))
  }
})
