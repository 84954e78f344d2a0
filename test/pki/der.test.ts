import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DerReader, readDer, tags } from '../../src/pki/der-read.ts'
import { asciiElement, DerWriter, element } from '../../src/pki/der-write.ts'
import { formatObjectIdentifier, parseObjectIdentifier } from '../../src/pki/oid.ts'
import { formatPem, parsePem } from '../../src/pki/pem.ts'
import { hex, oid, tlv } from '../support/craft-certificate.ts'
import { requirement } from '../requirements.ts'

const broken: readonly (readonly [
  title: string,
  octets: string,
  read: (reader: DerReader) => unknown,
  message: string,
])[] = [
  ['a missing element', '', (r) => r.enter(0x30, 'x'), 'x is missing, want=30'],
  ['a tag without length', '30', (r) => r.enter(0x30, 'x'), 'x is truncated'],
  ['a length without its octets', '3082', (r) => r.enter(0x30, 'x'), 'x is truncated'],
  [
    'a long length for a short one',
    '04817f',
    (r) => r.content(4, 'x'),
    'x has a length that is not minimal',
  ],
  ['a padded length', '0482000100', (r) => r.content(4, 'x'), 'x has a length that is not minimal'],
  ['a content that ends early', '040201', (r) => r.content(4, 'x'), 'x is truncated'],
  ['an empty boolean', '0100', (r) => r.optionalTrue('x'), 'x is a boolean other than FF'],
  [
    'a boolean of two octets',
    '0102ffff',
    (r) => r.optionalTrue('x'),
    'x is a boolean other than FF',
  ],
  ['a padded negative integer', '0202ff80', (r) => r.integer('x'), 'x is not a minimal integer'],
  [
    'a negative small integer',
    '0201ff',
    (r) => r.smallInteger(2, 'x'),
    'x is not an integer of 0..127',
  ],
  [
    'an empty object identifier',
    '0600',
    (r) => r.objectIdentifier('x'),
    'x is not a whole object identifier',
  ],
  [
    'an unfinished arc',
    '06022a86',
    (r) => r.objectIdentifier('x'),
    'x is not a whole object identifier',
  ],
  [
    'a padded arc',
    '06032a8001',
    (r) => r.objectIdentifier('x'),
    'x has an arc that is not minimal',
  ],
  ['an empty bit string', '0300', (r) => r.bits('x'), 'x is not whole octets of bits'],
  ['unused bits in a key', '030204f0', (r) => r.bits('x'), 'x is not whole octets of bits'],
  [
    'nine unused bits',
    '03020900',
    (r) => r.namedBits('x'),
    'x is not a minimal string of 1..16 named bits',
  ],
  [
    'an unused bit that is set',
    '030207c0',
    (r) => r.namedBits('x'),
    'x is not a minimal string of 1..16 named bits',
  ],
  [
    'seventeen named bits',
    '03040700ff80',
    (r) => r.namedBits('x'),
    'x is not a minimal string of 1..16 named bits',
  ],
  ['text beyond ASCII', '0c01ff', (r) => r.ascii(0x0c, 'x'), 'x is not ASCII'],
]
for (const [title, octets, read, message] of broken) {
  test(`the reader refuses ${title}`, () => {
    requirement('pki.der-strict')
    assert.throws(() => read(new DerReader(hex(octets))), { code: 'pki/der', message })
  })
}

test('the reader never reads past the element that it was given', () => {
  const inner = new DerReader(hex('3003040101 04020203')).enter(0x30, 'x')
  assert.deepEqual(inner.content(4, 'x'), hex('01'))
  assert.equal(inner.nextTag, -1)
  assert.throws(() => inner.content(4, 'y'), { message: 'y is missing, want=04' })
})

test('a structure over its bound is refused before it is read', () => {
  const bounds = { code: 'pki/svid', what: 'thing', octetsMax: 3 } as const
  assert.throws(() => readDer(Buffer.alloc(4), bounds, () => assert.fail('was read')), {
    code: 'pki/svid',
    message: 'thing is too large, want=..3 got=4',
  })
})

test('a Uint8Array is read where it lies in its buffer', () => {
  const whole = new Uint8Array(hex('ffff04010aff'))
  const view = whole.subarray(2, 5)
  const bounds = { code: 'pki/der', what: 'x', octetsMax: 9 } as const
  assert.deepEqual(
    readDer(view, bounds, (reader) => reader.content(4, 'x')),
    hex('0a'),
  )
})

test('what the writer wraps, a writer from front to back writes alike, at every length', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 4000]) {
    const content = Buffer.alloc(length, 0x61)
    assert.deepEqual(element(4, content), tlv(4, content), `${length}`)
    assert.deepEqual(asciiElement(0x0c, content.toString()), tlv(0x0c, content), `${length}`)
  }
})

test('a writer has room for so much and no more, and can be cleared', () => {
  const writer = new DerWriter(4)
  writer.raw(hex('010203'))
  assert.throws(() => writer.raw(hex('0102')), {
    message: 'structure to write is too large, want=..4 octets',
  })
  writer.clear()
  writer.octet(7)
  assert.deepEqual(writer.take(), hex('07'))
  assert.throws(() => new DerWriter(9).ascii(0x0c, 'é'), { message: 'text to write is not ASCII' })
  for (const text of ['zz', '1', '010203', '']) {
    assert.throws(
      () => new DerWriter(9).hexOctets(text, 2),
      /^CountersignError: text to write is not/,
    )
  }
})

test('every second from 1950 to 2200 is written as it is read', () => {
  const seconds = fc.integer({ min: -631_152_000, max: 7_258_118_399 })
  fc.assert(
    fc.property(seconds, (second) => {
      const writer = new DerWriter(32)
      writer.time(new Date(second * 1000))
      const reader = new DerReader(writer.take())
      assert.equal(reader.time('time'), second * 1000)
      reader.finish('time')
    }),
  )
})

test('any octets are read as some element or refused by their code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (octets) => {
      const reader = new DerReader(Buffer.from(octets))
      try {
        const content = reader.content(reader.nextTag, 'x')
        assert.ok(content.length < octets.length)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'pki/der')
      }
    }),
  )
})

test('object identifiers are read and written alike', () => {
  for (const dotted of [
    '1.3.6.1.4.1.32473.1',
    '2.5.29.17',
    '0.39.1',
    '1.2.2147483647',
    '2.999.3',
  ]) {
    const content = parseObjectIdentifier(dotted)
    assert.equal(formatObjectIdentifier(content), dotted)
    if (!dotted.startsWith('2.999')) assert.equal(oid(dotted).subarray(2).toString('hex'), content)
  }
  const uuid = '2.25.329800735698586629295641978511506172918'
  for (const dotted of [
    '',
    '1',
    '1.2',
    '3.1.1',
    '1.40.1',
    '1.2.2147483648',
    '2.25.1',
    '1.02.3',
    '1.2.',
    uuid,
  ]) {
    assert.throws(
      () => parseObjectIdentifier(dotted),
      /^CountersignError: object identifier is not/,
    )
  }
})

test('what is no PEM is refused, and never repeated in a message', () => {
  const options = { code: 'pki/bundle', what: 'file', charactersMax: 400 } as const
  const block = formatPem('CERTIFICATE', Buffer.alloc(100, 1))
  assert.equal(parsePem(block + block, options).length, 2)
  assert.equal(parsePem(block.replaceAll('\n', '\r\n'), options).length, 1)
  assert.deepEqual(parsePem('', options), [])
  const cases: readonly (readonly [text: string, message: string])[] = [
    ['secret', 'file has no PEM block'],
    ['\uFFFD\0secret', 'file has no PEM block: it is DER or UTF-16, perhaps'],
    ['0\uFFFDsecret', 'file has no PEM block: it is DER, perhaps'],
    [`secret ${block}`, 'file has a line that is almost the edge of a PEM block, at line 1'],
    [
      block.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n'),
      'file has a PEM block with headers, as encrypted keys have, at line 2',
    ],
    [block.replace(/^.*\n/, ''), 'file has a PEM block without a beginning, at line 4'],
    [
      block.replaceAll('\n', '\r'),
      'file has a line that is almost the edge of a PEM block, at line 1',
    ],
    [block.replace(/-+END.*\n/, block), 'file has a PEM block without an end'],
    [block.replace('END CERT', 'END A CERT'), 'file has a PEM block without an end'],
    [block.replace(/-+END.*\n/, ''), 'file has a PEM block without an end'],
    [block.replace('AQ', 'A*'), 'file has a PEM block that is not base64, "CERTIFICATE"'],
    [block.replace('END', 'FIN'), 'file has a PEM block without an end'],
    [block.repeat(3), `file is too large, want=..400 got=${block.length * 3}`],
  ]
  for (const [text, message] of cases) {
    assert.throws(() => parsePem(text, options), { code: 'pki/bundle', message })
  }
})

test('the universal tags are those of X.690', () => {
  assert.deepEqual(
    [tags.integer, tags.sequence, tags.set, tags.utf8String, tags.generalizedTime],
    [0x02, 0x30, 0x31, 0x0c, 0x18],
  )
})
