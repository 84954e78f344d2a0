import assert from 'node:assert/strict'
import { test } from 'node:test'
import { typeSchemaOf } from '../../../src/policy/author/tool-schema.ts'

const text = { type: 'string' }
const object = (properties: object): object => ({ type: 'object', properties })

/** What a server says, and what the type checker is told. */
const cases: readonly (readonly [string, unknown, object])[] = [
  [
    'members are listed, and what else is said of them is left out',
    {
      type: 'object',
      properties: { city: { type: 'string', minLength: 1, format: 'x' } },
      required: ['city'],
      additionalProperties: false,
    },
    object({ city: text }),
  ],
  [
    'a list of types is one of them',
    { type: ['string', 'null'] },
    { anyOf: [text, { type: 'null' }] },
  ],
  [
    'values of one type are of that type, and stay listed once each',
    { enum: ['a', 'b', 'a'] },
    { ...text, enum: ['a', 'b'] },
  ],
  [
    'values of a list of types are each of its own',
    { type: ['string', 'null', 'integer'], enum: ['a', null, 'b'] },
    {
      anyOf: [{ ...text, enum: ['a', 'b'] }, { type: 'null', enum: [null] }, { type: 'integer' }],
    },
  ],
  ['values of another type are no values', { type: 'string', enum: [1] }, text],
  ['values of several types are of any', { enum: ['a', 1] }, {}],
  ['one constant is of its type', { const: true }, { type: 'boolean', enum: [true] }],
  [
    'one of several is any of them',
    { oneOf: [text, { type: 'integer' }] },
    { anyOf: [text, { type: 'integer' }] },
  ],
  ['one that may be of any type is', { anyOf: [text, {}] }, {}],
  ['items of a list', { type: 'array', items: text }, { type: 'array', items: text }],
  [
    'a tuple has items of any type',
    { type: 'array', items: text, prefixItems: [text] },
    { type: 'array' },
  ],
  ['a schema that is true', true, {}],
  ['a schema that is none', 7, {}],
  ['a type that nobody knows', { type: 'date' }, {}],
  [
    'members that others may stand beside',
    { ...object({ a: text }), additionalProperties: text },
    { type: 'object' },
  ],
  [
    'members that others may stand beside by a pattern',
    { ...object({ a: text }), patternProperties: {} },
    { type: 'object' },
  ],
  [
    'members that a condition may bring',
    { ...object({ a: text }), if: {}, else: object({ b: text }) },
    { type: 'object' },
  ],
  [
    'branches that say which members go together',
    { ...object({ a: text }), anyOf: [{ required: ['a'] }, { required: ['b'] }] },
    object({ a: text }),
  ],
  [
    'branches that bring members',
    { ...object({ a: text }), anyOf: [object({ b: text })] },
    { type: 'object' },
  ],
  [
    'objects that are all of them',
    { allOf: [object({ a: text }), object({ b: text, a: text })] },
    object({ a: {}, b: text }),
  ],
  [
    'one of which is not known',
    { type: 'object', allOf: [object({ a: text }), { $ref: 'https://x' }] },
    { type: 'object' },
  ],
  ['a reference', { $ref: '#/$defs/a~1b', $defs: { 'a/b': text } }, text],
  ['a reference to elsewhere', { $ref: 'https://example.test/a.json' }, {}],
  ['a reference by a name', { $ref: '#name', ...object({}) }, {}],
  [
    'a reference beside members',
    { $ref: '#/$defs/a', ...object({ b: text }), $defs: { a: object({}) } },
    {},
  ],
  ['a reference to what is not there', { $ref: '#/$defs/toString' }, {}],
  [
    'recursion is cut',
    {
      ...object({ child: { $ref: '#/$defs/node' } }),
      $defs: { node: object({ name: text, next: { $ref: '#/$defs/node' } }) },
    },
    object({ child: object({ name: text, next: {} }) }),
  ],
]

for (const [title, given, want] of cases) {
  test(title, () => assert.deepEqual(typeSchemaOf(given), want))
}

test('a member named __proto__ stays a member', () => {
  const given: unknown = JSON.parse(
    '{"type":"object","properties":{"__proto__":{"type":"string"}}}',
  )
  const { properties } = typeSchemaOf(given) as { readonly properties: object }
  assert.deepEqual(Object.entries(properties), [['__proto__', text]])
})

test('definitions that name each other twice end', () => {
  const names = Array.from({ length: 30 }, (_, at) => `d${at}`)
  const $defs = Object.fromEntries(
    names.map((name, at) => {
      const next = { $ref: `#/$defs/d${at + 1}` }
      return [name, at === 29 ? text : object({ a: next, b: next })]
    }),
  )
  assert.ok(JSON.stringify(typeSchemaOf({ $ref: '#/$defs/d0', $defs })).length < 1_000_000)
  let deep: object = text
  for (let depth = 0; depth < 5_000; depth += 1) deep = object({ a: deep })
  assert.ok(JSON.stringify(typeSchemaOf(deep)).length < 10_000)
})

/** What a server may say so that its types take long, or more memory than there is. */
const many = 20_000
const members = Object.fromEntries(Array.from({ length: many }, (_, at) => [`m${at}`, {}]))
const manyReferences = (target: object): object => ({
  ...object(Object.fromEntries(Object.keys(members).map((name) => [name, { $ref: '#/d' }]))),
  d: target,
})
const hostile: Readonly<Record<string, unknown>> = {
  'one type again and again': {
    type: Array.from({ length: many }, () => 'object'),
    properties: members,
  },
  'members of two that are all of them': { allOf: [object(members), object(members)] },
  'a long reference that is followed often': manyReferences({ $ref: `#/${'a/'.repeat(many)}` }),
  'many values that are looked at often': manyReferences({ enum: Object.keys(members) }),
  'much beside a reference that is followed often': manyReferences({ $ref: '#/e', ...members }),
}

for (const [title, given] of Object.entries(hostile)) {
  test(`${title}: its types are short, and soon there`, { timeout: 60_000 }, () => {
    const before = process.cpuUsage()
    assert.ok(JSON.stringify(typeSchemaOf(given)).length < 1_000_000)
    const { user } = process.cpuUsage(before)
    assert.ok(user < 5_000_000, `${user} µs of the processor`)
  })
}

test('types within types, which are none, are of any type', () => {
  let type: unknown = 'object'
  for (let depth = 0; depth < 20_000; depth += 1) type = [type]
  assert.deepEqual(typeSchemaOf({ type }), {})
})
