import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compareParamHeaders, parseParamHeaders } from '../../src/mcp/param-headers.ts'
import { readVectors } from './vectors.ts'
import { requirement } from '../requirements.ts'

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
  ['too deep', deep, 'nesting too deep, want=..64'],
]

suite('a tool is not usable with an annotation', () => {
  for (const [where, inputSchema, rule] of broken) {
    test(where, () => {
      const problem = { status: 400, code: -32602, message: `the tool's inputSchema: ${rule}` }
      assert.deepEqual(parseParamHeaders(inputSchema), problem)
    })
  }
})

interface ParamVector {
  readonly case: string
  readonly arguments: Record<string, unknown> | null
  readonly headers: readonly (readonly [string, string])[]
  /** null: accepted */
  readonly message: string | null
}

const tool = parseParamHeaders({
  properties: {
    text: { type: 'string', 'x-mcp-header': 'Text' },
    count: { type: 'integer', 'x-mcp-header': 'Count' },
    flag: { type: 'boolean', 'x-mcp-header': 'Flag' },
    place: { properties: { city: { type: 'string', 'x-mcp-header': 'City' } } },
    toString: { type: 'string', 'x-mcp-header': 'Proto' },
  },
})
assert.ok(!('code' in tool))

suite('the mirrored arguments of test/vectors/mcp', () => {
  for (const vector of readVectors<ParamVector>('param-headers.ndjson')) {
    test(`${vector.case}: ${vector.message ?? 'accepted'}`, () => {
      requirement('gateway.headers-agree')
      const { arguments: args, headers } = vector
      const problem = compareParamHeaders(tool, args ?? undefined, headers.flat())
      assert.equal(problem?.message ?? null, vector.message)
      if (problem !== undefined) assert.deepEqual([problem.status, problem.code], [400, -32020])
    })
  }
})
