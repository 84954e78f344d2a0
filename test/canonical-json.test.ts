import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalJson } from '../src/canonical-json.ts'
import { character } from './support/character.ts'

const code = 'ledger/record'
const octets = (value: unknown): string => Buffer.from(canonicalJson(value, code)).toString('hex')

test('the example of RFC 8785 §3.2.2 gives the octets of §3.2.4', () => {
  const given: unknown = JSON.parse(String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`)
  const wanted = [
    '7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a',
    '5b3333333333333333332e333333333333332c31652b33302c342e352c302e3030322c31652d32375d',
    '2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c5c5c5c5c222f227d',
  ].join('')
  assert.equal(octets(given), wanted)
})

test('members stand in the order of RFC 8785 §3.2.3, by UTF-16 code units', () => {
  const given = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  }
  const values = [...canonicalJson(given, code).matchAll(/:"([^"]*)"/g)].map(([, value]) => value)
  assert.deepEqual(values, [
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ])
})

/** RFC 8785, appendix B: IEEE 754 as hex, and how it is written. */
const numbers: readonly (readonly [string, string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
]

for (const [ieee, wanted] of numbers) {
  test(`the number ${ieee} is written as ${wanted} (RFC 8785, appendix B)`, () => {
    assert.equal(canonicalJson(Buffer.from(ieee, 'hex').readDoubleBE(), code), wanted)
  })
}

for (const value of [NaN, Infinity, -Infinity]) {
  test(`${value} is no JSON and is refused`, () => {
    assert.throws(() => canonicalJson([value], code), {
      code,
      message: `number is not finite: got=${value}`,
    })
  })
}

for (const value of ['\udead', { '\ud800': 1 }, { a: ['\ude0a'] }]) {
  test(`half a surrogate pair is refused: ${JSON.stringify(value)}`, () => {
    assert.throws(() => canonicalJson(value, code), {
      code,
      message: /^text with half a surrogate pair: got="\\ud/,
    })
  })
}

test('names that look like integers stand among the others, not before them', () => {
  assert.equal(canonicalJson({ b: 1, '10': 2, '9': 3, '-': 4 }, code), '{"-":4,"10":2,"9":3,"b":1}')
})

test('a member that is undefined is left out, and one named __proto__ is not', () => {
  assert.equal(canonicalJson({ b: undefined, a: 1 }, code), '{"a":1}')
  assert.equal(canonicalJson(JSON.parse('{"__proto__":1,"A":2}'), code), '{"A":2,"__proto__":1}')
})

test('what is written says the same, and is written again octet for octet', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: character }), (value) => {
      const text = canonicalJson(value, code)
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
      assert.equal(canonicalJson(JSON.parse(text), code), text)
    }),
  )
})
