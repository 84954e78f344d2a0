import { isUtf8 } from 'node:buffer'
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { applyEdits, argumentsSha256, targetEdits } from '../../src/mcp/edits.ts'
import { skipSpace } from '../../src/mcp/lex.ts'
import type { Span } from '../../src/mcp/levels.ts'
import { scan, scanAnswer, scanTool, type Scanned } from '../../src/mcp/scan.ts'
import { skipValue } from '../../src/mcp/skip.ts'
import { character } from '../support/character.ts'

const limits = { depthMax: 64, membersMax: 10_000 }

function accepted(octets: Buffer): Scanned {
  const scanned = scan(octets, limits)
  assert.ok(!('rule' in scanned), 'rule' in scanned ? scanned.message : '')
  return scanned
}

function textAt(octets: Buffer, span: Span | undefined): string {
  assert.ok(span)
  return octets.subarray(span.start, span.end).toString()
}

const json = fc.jsonValue({ noUnicodeString: false, maxDepth: 5 })
const params = fc.record(
  {
    _meta: fc.dictionary(fc.string(), json),
    name: fc.string({ unit: 'grapheme' }),
    arguments: fc.dictionary(fc.string({ unit: character }), json),
    cursor: fc.string(),
    vendor: json,
  },
  { requiredKeys: ['name'] },
)
const indent = fc.constantFrom(undefined, 1, '\t')

test('what JSON.stringify writes and the scanner accepts has the same value and true offsets', () => {
  let count = 0
  fc.assert(
    fc.property(params, indent, (value, space) => {
      const message = { jsonrpc: '2.0', id: 1, method: 'm', params: value }
      const octets = Buffer.from(JSON.stringify(message, null, space))
      const scanned = scan(octets, limits)
      if ('rule' in scanned) {
        assert.match(scanned.rule, /^(variant|proto|surrogate|number)$/, scanned.message)
        return
      }
      count++
      const parsed = JSON.parse(octets.toString()) as { params: Record<string, unknown> }
      assert.deepEqual(scanned.value, parsed)
      const { offsets } = scanned
      assert.deepEqual(JSON.parse(textAt(octets, offsets.params)), parsed.params)
      assert.equal(textAt(octets, offsets.method), '"m"')
      assert.equal(textAt(octets, offsets.id), '1')
      const places = {
        name: 'name',
        arguments: 'arguments',
        meta: '_meta',
        cursor: 'cursor',
      } as const
      for (const [place, member] of Object.entries(places)) {
        const span = offsets[place as keyof typeof places]
        assert.equal(span === undefined, !(member in parsed.params), member)
        if (span !== undefined) {
          assert.deepEqual(JSON.parse(textAt(octets, span)), parsed.params[member])
        }
      }
    }),
    { numRuns: 400 },
  )
  assert.ok(count > 100, `accepted ${count}`)
})

const seed = Buffer.from(
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\\u00e9\\ud83d\\ude00","arguments":{"n":[-1.5e3,0,true,null,"x"]},"_meta":{}}}',
)
const mutation = fc.record({
  at: fc.nat(seed.length - 1),
  drop: fc.nat(3),
  put: fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    fc
      .constantFrom('"', '\\', '{', '}', ',', ':', '0', '"id":', '\\u', '-')
      .map((t) => Buffer.from(t)),
  ),
})

test('whatever the scanner accepts of a damaged body, JSON.parse accepts with the same value', () => {
  let count = 0
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      let octets = seed
      for (const { at, drop, put } of mutations) {
        octets = Buffer.concat([octets.subarray(0, at), put, octets.subarray(at + drop)])
      }
      const scanned = scan(octets, limits)
      if ('rule' in scanned) return
      count++
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets)
      assert.deepEqual(scanned.value, JSON.parse(text))
    }),
    { numRuns: 3000 },
  )
  assert.ok(count > 50, `accepted ${count}`)
})

test('whatever JSON.parse refuses of a damaged body, the scanner refuses, and it never throws', () => {
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 2 }), (mutations) => {
      let octets = seed
      for (const { at, drop, put } of mutations) {
        octets = Buffer.concat([octets.subarray(0, at), put, octets.subarray(at + drop)])
      }
      const scanned = scan(octets, limits)
      try {
        JSON.parse(octets.toString())
      } catch {
        assert.ok('rule' in scanned)
      }
    }),
    { numRuns: 2000 },
  )
})

const piece = fc.oneof(
  fc.constantFrom(
    ...'{ } [ ] , : " \\\\ \\u \\ud800 \\udc00 0 - 1 9 . e E + true false null'.split(' '),
  ),
  fc.constantFrom(
    '{"',
    '":',
    '","',
    '"id":',
    '"method":',
    '"a"',
    '{}',
    '[]',
    ' ',
    '\n',
    '\u0000',
    'é',
  ),
  fc.string({ unit: character, maxLength: 3 }),
)
const anyOctets = fc.oneof(
  fc.array(piece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(''))),
  fc.json({ noUnicodeString: false }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 40 }).map((octets) => Buffer.from(octets)),
)
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function isJson(octets: Buffer): boolean {
  try {
    JSON.parse(decoder.decode(octets))
    return true
  } catch {
    return false
  }
}

test('any octets at all are skipped over exactly where they are JSON', () => {
  fc.assert(
    fc.property(anyOctets, (octets) => {
      fc.pre(isUtf8(octets))
      const end = skipValue(octets, skipSpace(octets, 0), { left: 1000 })
      const isWhole = end >= 0 && skipSpace(octets, end) === octets.length
      assert.equal(isWhole, isJson(octets))
    }),
    { numRuns: 5000 },
  )
})

test('any octets at all are read or refused by every form, and what is read is JSON', () => {
  const forms = [
    scan,
    scanTool,
    (octets: Buffer) => scanAnswer(octets, limits, 'tools'),
    (octets: Buffer) => scanAnswer(octets, limits, undefined),
  ]
  fc.assert(
    fc.property(anyOctets, (octets) => {
      for (const form of forms) {
        const scanned = form(octets, limits)
        if ('rule' in scanned) assert.ok(scanned.rule !== 'malformed' || !isJson(octets))
        else assert.ok(isJson(octets))
      }
    }),
    { numRuns: 3000 },
  )
})

test('what an answer holds is read as a parser reads it, but for the list that is left to others', () => {
  fc.assert(
    fc.property(fc.array(json), fc.dictionary(fc.string(), json), indent, (tools, more, space) => {
      const result = { ...more, tools }
      const octets = Buffer.from(JSON.stringify({ id: 1, result, jsonrpc: '2.0' }, null, space))
      const scanned = scanAnswer(octets, limits, 'tools')
      if ('rule' in scanned) return
      const expected = { id: 1, result: { ...result, tools: null }, jsonrpc: '2.0' }
      assert.deepEqual(scanned.value, JSON.parse(JSON.stringify(expected)))
    }),
    { numRuns: 300 },
  )
})

test('every prefix of a body is refused', () => {
  for (let length = 0; length < seed.length; length++) {
    assert.ok('rule' in scan(seed.subarray(0, length), limits), `length ${length}`)
  }
  accepted(seed)
})

suite('a rewrite', () => {
  test('differs in the name and in no other octet', () => {
    fc.assert(
      fc.property(params, fc.string({ unit: character }), indent, (value, name, space) => {
        fc.pre(name.isWellFormed())
        const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: value }
        const octets = Buffer.from(JSON.stringify(message, null, space))
        const before = scan(octets, limits)
        if ('rule' in before) return
        const body = applyEdits(
          octets,
          targetEdits(before.offsets, { member: 'name', value: name }),
        )
        const after = accepted(body)
        assert.deepEqual(after.value, {
          ...before.value,
          params: { ...(before.value['params'] as object), name },
        })
        assert.equal(argumentsSha256(body, after.offsets), argumentsSha256(octets, before.offsets))
        const back = applyEdits(
          body,
          targetEdits(after.offsets, { member: 'name', value: value.name }),
        )
        const old = before.offsets.name
        if (old && textAt(octets, old) === JSON.stringify(value.name))
          assert.deepEqual(back, octets)
      }),
      { numRuns: 300 },
    )
  })

  test('keeps numbers, escapes and white space as the client wrote them', () => {
    const octets = Buffer.from(
      '{ "jsonrpc":"2.0", "id":1, "method":"tools/call", "params":{ "name" : "github_read" , "arguments":{"n":1.50e+1,"s":"\\u0041\\/"} } }',
    )
    const { offsets } = accepted(octets)
    assert.equal(
      applyEdits(octets, targetEdits(offsets, { member: 'name', value: 'read' })).toString(),
      octets.toString().replace('"github_read"', '"read"'),
    )
  })

  test('leaves a body without a name as it is', () => {
    const octets = Buffer.from('{"method":"tools/list"}')
    const edits = targetEdits(accepted(octets).offsets, { member: 'name', value: 'x' })
    assert.deepEqual(edits, [])
  })
})

suite('the digest of the arguments', () => {
  const digests = [
    // FIPS 180-4: SHA-256 of no octets; the other with coreutils' sha256sum.
    ['{"method":"m"}', '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'],
    ['{"method":"m","params":{"arguments":{}}}', 'RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o'],
  ] as const
  for (const [body, digest] of digests) {
    test(`of ${body} is ${digest}`, () => {
      const octets = Buffer.from(body)
      assert.equal(argumentsSha256(octets, accepted(octets).offsets), digest)
    })
  }
})

test('a body of ten thousand names in one object is scanned without comparing each with each', () => {
  const names = Array.from({ length: 9_990 }, (_, index) => `"n${index}":0`)
  const octets = Buffer.from(`{"params":{"arguments":{${names.join(',')}}}}`)
  const start = process.cpuUsage()
  accepted(octets)
  assert.ok(process.cpuUsage(start).user < 500_000)
})
