import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { parseMessage, type RequestMessage } from '../../src/mcp/message.ts'
import { readingOf, type Reading } from '../../src/mcp/numbers.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import { headerList } from './vectors.ts'
import { requirement } from '../requirements.ts'

function read(text: string): Reading {
  // Neighbours that must not be read along.
  const octets = Buffer.from(`9${text}9`)
  return readingOf(octets, 1, octets.length - 1)
}

const digits309 = `1${'7'.repeat(308)}`
const readings: Readonly<Record<Reading, string>> = {
  plain:
    '0 1 -1 42 999999999999999 9007199254740991 -9007199254740991 0.1 1.5 -2.25 1e+21 1e-7 5e-324 1.7976931348623157e+308 0.30000000000000004',
  respelled: '1.0 1e2 1E+2 10e-1 -0 -0.0 0e5 0.10 1e21 100.00 2.5E-3 0.00000010 5.0e-324 0e-400',
  rounded: `9007199254740992 9007199254740993 -9007199254740993 1722470400000000000 123456789012345678901234567890 0.1000000000000000055 0.10000000000000001 9007199254740993.0 9007199254740992.5 4.9406564584124654e-324 ${digits309} -${digits309}`,
  lost: `1e400 -1e400 1e309 1e-400 -1e-400 1e999999999999 1e-999999999999 ${digits309}7 1e-330 0.${'1'.repeat(319)} ${'7'.repeat(100_000)}`,
}

suite('how parsers read a number', () => {
  for (const [reading, texts] of Object.entries(readings)) {
    for (const text of texts.split(' ')) {
      const shown = text.length > 40 ? `${text.slice(0, 40)}… (${text.length})` : text
      test(`${shown} is ${reading}`, () => {
        assert.equal(read(text), reading)
      })
    }
  }
})

const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,24})$/)
const numberText = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits,
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{1,22}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^[eE][+-]?[0-9]{1,3}$/)),
  )
  .map((parts) => parts.join(''))

/** The decimal as a fraction, by whole numbers alone. */
function fractionOf(text: string): readonly [bigint, bigint] {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text)
  assert.ok(match, text)
  const [, sign, whole = '', fraction = '', power = '0'] = match
  const exponent = Number(power) - fraction.length
  const coefficient = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n)
  const scale = 10n ** BigInt(Math.abs(exponent))
  return exponent < 0 ? [coefficient, scale] : [coefficient * scale, 1n]
}

function isSameDecimal(left: string, right: string): boolean {
  const [[a, b], [c, d]] = [fractionOf(left), fractionOf(right)]
  return a * d === c * b
}

test('a number is read alike exactly where the digits of its double are the same decimal, or it is a small integer', () => {
  requirement('gateway.numbers-as-written')
  fc.assert(
    fc.property(numberText, (text) => {
      const value = Number(text)
      const reading = read(text)
      if (!Number.isFinite(value)) return reading === 'lost'
      const isSame = isSameDecimal(String(value), text)
      if (value === 0 && !isSame) return reading === 'lost'
      const isLargeInteger = /^-?[0-9]+$/.test(text) && !Number.isSafeInteger(value)
      if (!isSame || isLargeInteger) return reading === 'rounded'
      return reading === (JSON.stringify(value) === text ? 'plain' : 'respelled')
    }),
    { numRuns: 3000 },
  )
})

const values = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    numberText,
    fc.constantFrom('true', 'null', '"9007199254740993"', '{}'),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(' ,')}]`),
    fc
      .array(tie('value'), { maxLength: 3 })
      .map((items) => `{${items.map((item, at) => `"n${at}" :${item}`).join(',')}}`),
  ),
})).value

function parse(args: string, more = ''): RequestMessage | undefined {
  const meta =
    '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":${meta},"name":"read","arguments":${args}${more}}}`
  const message = parseMessage(Buffer.from(body), headerList())
  if (isProblem(message)) {
    assert.match(message.message, /^a double does not hold the number at octet [0-9]+$/)
    return undefined
  }
  assert.equal(message.kind, 'request')
  return message
}

test('arguments are told as a reader of doubles has them, where that is not what their octets write', () => {
  requirement('gateway.numbers-as-written')
  let accepted = 0
  let rounded = 0
  fc.assert(
    fc.property(values, (value) => {
      const text = `{"a":${value}}`
      const message = parse(text)
      if (message === undefined) return
      accepted++
      const { start, end } = message.offsets.arguments ?? { start: 0, end: 0 }
      assert.equal(message.body.toString('utf8', start, end), text)
      assert.deepEqual(message.arguments, JSON.parse(text))
      // Strings hold no numbers.
      const numbersIn = (of: string): readonly string[] =>
        of.replace(/"[^"]*"/g, '').match(/-?[0-9][0-9.eE+-]*/g) ?? []
      const [sent, held] = [numbersIn(text), numbersIn(JSON.stringify(message.arguments))]
      const isLarge = sent.some((one) => /^-?[0-9]+$/.test(one) && !Number.isSafeInteger(+one))
      const isSame = sent.join(' ') === held.join(' ') && !isLarge
      assert.deepEqual(message.roundedArguments, isSame ? undefined : message.arguments)
      if (!isSame) rounded++
    }),
    { numRuns: 2000 },
  )
  assert.ok(accepted > 500 && rounded > 20, `accepted ${accepted}, rounded ${rounded}`)
})

test('only numbers in the arguments make them rounded', () => {
  const vendor = parse('{"n":1}', ',"vendor":[9007199254740993,1.0]')
  assert.ok(vendor)
  assert.equal(vendor.roundedArguments, undefined)
  assert.deepEqual(parse('{"n":1.0}')?.roundedArguments, { n: 1 })
  assert.deepEqual(parse('{"n":[1,9007199254740993,2]}')?.roundedArguments, {
    n: [1, 9007199254740992, 2],
  })
})
