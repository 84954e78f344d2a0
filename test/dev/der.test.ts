import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  der,
  integer,
  objectIdentifier,
  readDer,
  readObjectIdentifier,
  readOneDer,
  sequence,
} from '../../dev/der.ts'

const malformed: Readonly<Record<string, string>> = {
  nothing: '',
  'a tag alone': '30',
  'less content than announced': '3002aa',
  'an indefinite length': '3080',
  'a length of five octets': '308500000000ff',
  'a long form where the short one fits': '30810161',
  'a length with a leading zero': '30820001aa',
  'a high tag number': '1f810100',
  'octets after the value': '050000',
}

for (const [what, hex] of Object.entries(malformed)) {
  test(`${what} is no DER value`, () => {
    assert.throws(() => readOneDer(Buffer.from(hex, 'hex')), RangeError)
  })
}

test('known values have their known octets', () => {
  assert.equal(integer(Buffer.of(0x80)).toString('hex'), '02020080')
  assert.equal(objectIdentifier('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302')
  assert.equal(objectIdentifier('2.5.29.17').toString('hex'), '0603551d11')
  assert.equal(der(4, Buffer.alloc(128)).subarray(0, 3).toString('hex'), '048180')
  assert.equal(der(4, Buffer.alloc(65_536)).subarray(0, 5).toString('hex'), '0483010000')
})

test('property: what is written is read again', () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 })
  fc.assert(
    fc.property(contents, (parts) => {
      const values = readDer(readOneDer(sequence(...parts.map((part) => der(4, part)))).content)
      assert.deepEqual(
        values.map(({ content }) => Buffer.from(content)),
        parts.map((part) => Buffer.from(part)),
      )
    }),
  )
})

test('property: object identifiers keep their arcs', () => {
  const arcs = fc.array(fc.nat(2 ** 31), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fc.constantFrom('0.1', '1.3', '2.5'), arcs, (root, rest) => {
      const dotted = [root, ...rest].join('.')
      assert.equal(readObjectIdentifier(readOneDer(objectIdentifier(dotted)).content), dotted)
    }),
  )
})

test('property: arbitrary octets are read or refused, nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
      try {
        readDer(Buffer.from(octets))
      } catch (error) {
        assert.ok(error instanceof RangeError)
      }
    }),
  )
})
