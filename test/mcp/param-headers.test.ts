import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compareParamHeaders, parseParamHeaders } from '../../src/mcp/param-headers.ts'
import { isProblem } from '../../src/mcp/problem.ts'

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    count: { type: 'integer', 'x-mcp-header': 'Count' },
    force: { type: 'boolean', 'x-mcp-header': 'Force' },
    place: {
      type: 'object',
      properties: { city: { type: 'string', 'x-mcp-header': 'City' } },
    },
    'x-mcp-header': { type: 'string' },
  },
}

const declared = parseParamHeaders(schema)
assert.ok(!('code' in declared))

test('the arguments to mirror are found along properties', () => {
  assert.deepEqual(declared, [
    { header: 'mcp-param-region', path: ['region'], type: 'string' },
    { header: 'mcp-param-count', path: ['count'], type: 'integer' },
    { header: 'mcp-param-force', path: ['force'], type: 'boolean' },
    { header: 'mcp-param-city', path: ['place', 'city'], type: 'string' },
  ])
})

test('a schema without the annotation asks for nothing', () => {
  for (const none of [
    undefined,
    null,
    true,
    {},
    { properties: { a: { default: { 'x-mcp-header': 1 } } } },
  ]) {
    assert.deepEqual(parseParamHeaders(none), [])
  }
})

const header = { type: 'string', 'x-mcp-header': 'A' }
const deep = Array.from({ length: 70 }).reduce<object>((inner) => ({ not: inner }), header)
const broken: readonly [string, unknown, string][] = [
  ['at the root', { ...header }, 'x-mcp-header where no property can be read'],
  [
    'under items',
    { properties: { a: { items: header } } },
    'x-mcp-header where no property can be read',
  ],
  [
    'under oneOf',
    { oneOf: [{ properties: { a: header } }] },
    'x-mcp-header where no property can be read',
  ],
  ['under $defs', { $defs: { a: header } }, 'x-mcp-header where no property can be read'],
  ['under if', { if: { properties: { a: header } } }, 'x-mcp-header where no property can be read'],
  [
    'under an unknown keyword',
    { vendor: { a: header } },
    'x-mcp-header where no property can be read',
  ],
  [
    'under additionalProperties',
    { additionalProperties: header },
    'x-mcp-header where no property can be read',
  ],
  [
    'with an empty name',
    { properties: { a: { type: 'string', 'x-mcp-header': '' } } },
    'x-mcp-header is not a header name',
  ],
  [
    'with a name of two words',
    { properties: { a: { type: 'string', 'x-mcp-header': 'a b' } } },
    'x-mcp-header is not a header name',
  ],
  [
    'with a name that ends a line',
    { properties: { a: { type: 'string', 'x-mcp-header': 'a\n' } } },
    'x-mcp-header is not a header name',
  ],
  [
    'with a number for a name',
    { properties: { a: { type: 'string', 'x-mcp-header': 1 } } },
    'x-mcp-header is not a header name',
  ],
  [
    'on a number',
    { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } },
    'x-mcp-header on a property that is no string, integer or boolean',
  ],
  [
    'on a property of two types',
    { properties: { a: { type: ['string', 'null'], 'x-mcp-header': 'A' } } },
    'x-mcp-header on a property that is no string, integer or boolean',
  ],
  [
    'twice but for case',
    { properties: { a: header, b: { ...header, 'x-mcp-header': 'a' } } },
    'x-mcp-header "a" twice',
  ],
  ['too deep', deep, 'nesting too deep: want≤64'],
]

suite('a tool is not usable with an annotation', () => {
  for (const [where, inputSchema, rule] of broken) {
    test(where, () => {
      const problem = { status: 400, code: -32602, message: `the tool's inputSchema: ${rule}` }
      assert.deepEqual(parseParamHeaders(inputSchema), problem)
    })
  }
})

const args = { region: 'eu', count: 42, force: true, place: { city: 'Zürich' } }
const headers = {
  'Mcp-Param-Region': 'eu',
  'mcp-param-count': '42',
  'MCP-PARAM-FORCE': 'true',
  'Mcp-Param-City': '=?base64?WsO8cmljaA==?=',
}
const flat = (of: object): string[] => Object.entries(of).flat() as string[]

test('headers that say what the arguments say pass', () => {
  assert.equal(compareParamHeaders(declared, args, flat(headers)), undefined)
})

test('an integer is compared as a number', () => {
  assert.equal(
    compareParamHeaders(declared, args, flat({ ...headers, 'mcp-param-count': '42.0' })),
    undefined,
  )
})

test('absent and null arguments want no header', () => {
  assert.equal(compareParamHeaders(declared, undefined, []), undefined)
  assert.equal(compareParamHeaders(declared, { region: null, place: 'x' }, []), undefined)
})

test('a header that no property declares is left alone', () => {
  assert.equal(
    compareParamHeaders(declared, {}, ['Mcp-Param-Other', '\u0001', 'Mcp-Param-Other', '2']),
    undefined,
  )
})

const mismatches: readonly [string, object, object, string][] = [
  [
    'another value',
    args,
    { ...headers, 'Mcp-Param-Region': 'us' },
    'region differs from the argument',
  ],
  [
    'another case',
    args,
    { ...headers, 'Mcp-Param-Region': 'EU' },
    'region differs from the argument',
  ],
  ['a missing header', args, {}, 'region is missing'],
  [
    'a header without its argument',
    {},
    { 'Mcp-Param-Region': 'eu' },
    'region without an argument to mirror',
  ],
  [
    'a header for null',
    { region: null },
    { 'Mcp-Param-Region': 'null' },
    'region without an argument to mirror',
  ],
  [
    'a broken base64',
    { region: 'eu' },
    { 'Mcp-Param-Region': '=?base64?*?=' },
    'region is neither plain ASCII nor base64',
  ],
  [
    'a text for an integer',
    { count: '42' },
    { 'Mcp-Param-Count': '42' },
    'count mirrors an argument that is no integer',
  ],
  [
    'a fraction for an integer',
    { count: 1.5 },
    { 'Mcp-Param-Count': '1.5' },
    'count mirrors an argument that is no integer',
  ],
  [
    'a number in hexadecimal',
    { count: 42 },
    { 'Mcp-Param-Count': '0x2a' },
    'count differs from the argument',
  ],
  [
    'a fraction that rounds',
    { count: 42 },
    { 'Mcp-Param-Count': '42.00000000000000000001' },
    'count differs from the argument',
  ],
  ['nothing for zero', { count: 0 }, { 'Mcp-Param-Count': '' }, 'count differs from the argument'],
  ['one for true', { force: true }, { 'Mcp-Param-Force': '1' }, 'force differs from the argument'],
  [
    'an object for a string',
    { region: {} },
    { 'Mcp-Param-Region': '[object Object]' },
    'region mirrors an argument that is no string',
  ],
]

suite('a call is refused for', () => {
  for (const [why, given, sent, rule] of mismatches) {
    test(why, () => {
      const problem = compareParamHeaders(declared, given as Record<string, unknown>, flat(sent))
      assert.ok(problem !== undefined && isProblem(problem))
      assert.deepEqual([problem.status, problem.code], [400, -32020])
      assert.equal(problem.message, `header mcp-param-${rule}`)
    })
  }

  test('a mirroring header that comes twice', () => {
    const twice = [...flat(headers), 'Mcp-Param-Region', 'eu']
    const problem = compareParamHeaders(declared, args, twice)
    assert.equal(problem?.message, 'header mcp-param-region more than once')
  })
})
