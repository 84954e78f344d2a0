import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { findVariant } from '../../src/mcp/argument-names.ts'
import { parseArgumentNames } from '../../src/mcp/schema-names.ts'
import { requirement } from '../requirements.ts'

const path = { properties: { path: { type: 'string' } } }

/** Schemas that give the name `path` to a member of `opts`, each with an `opts` that holds the member `Path`. */
const schemas: readonly [string, object, unknown][] = [
  ['properties', { properties: { opts: path } }, { Path: 1 }],
  [
    'a reference to $defs, as Pydantic writes it',
    { properties: { opts: { $ref: '#/$defs/O' } }, $defs: { O: path } },
    { Path: 1 },
  ],
  [
    'a reference to definitions, with escapes',
    { properties: { opts: { $ref: '#/definitions/a~1b%20c' } }, definitions: { 'a/b c': path } },
    { path: 1, PATH: 2 },
  ],
  [
    'a reference into a list',
    { properties: { opts: { $ref: '#/$defs/all/1' } }, $defs: { all: [{}, path] } },
    { Path: 1 },
  ],
  [
    'a reference by way of another',
    { properties: { opts: { $ref: '#/$defs/a' } }, $defs: { a: { $ref: '#/$defs/b' }, b: path } },
    { Path: 1 },
  ],
  ['anyOf', { properties: { opts: { anyOf: [{ type: 'null' }, path] } } }, { Path: 1 }],
  ['oneOf', { properties: { opts: { oneOf: [{ properties: { a: {} } }, path] } } }, { Path: 1 }],
  ['allOf', { allOf: [{ properties: { opts: path } }] }, { Path: 1 }],
  [
    'parts that each say something of it',
    { properties: { opts: {} }, allOf: [{ additionalProperties: path }] },
    { Path: 1 },
  ],
  ['if', { if: { properties: { opts: path } } }, { Path: 1 }],
  [
    'then',
    JSON.parse(`{"then":{"properties":{"opts":${JSON.stringify(path)}}}}`) as object,
    { Path: 1 },
  ],
  ['else', { else: { properties: { opts: path } } }, { Path: 1 }],
  ['dependentSchemas', { dependentSchemas: { a: { properties: { opts: path } } } }, { Path: 1 }],
  ['items', { properties: { opts: { items: path } } }, [{ path: 1 }, { Path: 1 }]],
  ['lists of lists', { properties: { opts: { items: { items: path } } } }, [[{ Path: 1 }]]],
  ['items before 2020-12', { properties: { opts: { items: [{}, path] } } }, [0, { Path: 1 }]],
  ['prefixItems', { properties: { opts: { prefixItems: [{}, path] } } }, [0, { Path: 1 }]],
  ['additionalItems', { properties: { opts: { additionalItems: path } } }, [{ Path: 1 }]],
  ['contains', { properties: { opts: { contains: path } } }, [{ Path: 1 }]],
  ['additionalProperties', { additionalProperties: path }, { Path: 1 }],
  ['patternProperties', { patternProperties: { '^o': path } }, { Path: 1 }],
  [
    'patternProperties beside properties',
    { properties: { opts: {} }, patternProperties: { '^o': path } },
    { Path: 1 },
  ],
  ['unevaluatedProperties', { unevaluatedProperties: path }, { Path: 1 }],
]

suite('a name in another case is found wherever the schema gives the name:', () => {
  for (const [title, schema, opts] of schemas) {
    test(title, () => {
      requirement('gateway.one-reading')
      const names = parseArgumentNames(schema)
      assert.ok(names !== undefined)
      assert.match(JSON.stringify(findVariant(names, { opts })), /"name":"P.*"wanted":"path"/)
      const asNamed = JSON.parse(
        JSON.stringify(opts).replaceAll(/"PATH"|"Path"/g, '"path"'),
      ) as unknown
      assert.equal(findVariant(names, { opts: asNamed }), undefined)
    })
  }
})

test('a name is one where any of several schemas gives it', () => {
  const names = parseArgumentNames({ anyOf: [path, { properties: { Path: {} } }] })
  assert.ok(names !== undefined)
  assert.equal(findVariant(names, { Path: 1 }), undefined)
  assert.equal(findVariant(names, { path: 1 }), undefined)
  assert.deepEqual(findVariant(names, { PATH: 1 }), { name: 'PATH', wanted: 'path' })
})

test('what is not named in one place may be written as it is named in another', () => {
  const names = parseArgumentNames({ properties: { a: path, list: { items: {} } } })
  assert.ok(names !== undefined)
  assert.equal(findVariant(names, { list: [{ Path: 1 }], b: { Path: 1 } }), undefined)
})

const node = { properties: { name: {}, kids: { type: 'array', items: { $ref: '#/$defs/node' } } } }

test('a schema that refers to itself is followed as deep as the arguments are', () => {
  requirement('gateway.one-reading')
  const names = parseArgumentNames({ $ref: '#/$defs/node', $defs: { node } })
  assert.ok(names !== undefined)
  let args: Record<string, unknown> = { Name: 1 }
  for (let depth = 0; depth < 20; depth += 1) args = { name: 1, kids: [args] }
  assert.deepEqual(findVariant(names, args), { name: 'Name', wanted: 'name' })
  const whole = parseArgumentNames({ properties: { name: {}, next: { $ref: '#' } } })
  assert.ok(whole !== undefined)
  assert.deepEqual(findVariant(whole, { next: { next: { NAME: 1 } } }), {
    name: 'NAME',
    wanted: 'name',
  })
})

const nowhere: readonly unknown[] = [
  { $ref: '#' },
  { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
  { $ref: '#/$defs/none' },
  { $ref: '#/constructor/prototype' },
  { $ref: '#/%E0%A4%A' },
  { $ref: 'https://schemas.example/a.json' },
  { $ref: '#name', $defs: { a: { $anchor: 'name', ...path } } },
  { $ref: 5, allOf: 'x', anyOf: null, items: true, properties: 7 },
]

suite('a reference that leads nowhere in the schema gives no names:', () => {
  for (const schema of nowhere) {
    test(JSON.stringify(schema), () => {
      assert.equal(parseArgumentNames(schema), undefined)
    })
  }
})

test('so many schemas are followed for one value and no more', () => {
  requirement('gateway.linear-time')
  const oneOf = Array.from({ length: 200 }, (_, at) => ({ properties: { [`n${at}`]: {} } }))
  const names = parseArgumentNames({ properties: { a: { oneOf } } })
  assert.ok(names !== undefined)
  assert.deepEqual(findVariant(names, { a: { N100: 1 } }), { name: 'N100', wanted: 'n100' })
  assert.equal(findVariant(names, { a: { N150: 1 } }), undefined)
})

test('members are looked up so often in all and no more', () => {
  requirement('gateway.linear-time')
  const anyOf = Array.from({ length: 100 }, (_, at) => ({ properties: { [`n${at}`]: {} } }))
  const names = parseArgumentNames({ anyOf })
  assert.ok(names !== undefined)
  const members = (length: number): Record<string, number> =>
    Object.fromEntries(Array.from({ length }, (_, at) => [`other${at}`, 0]))
  assert.equal(findVariant(names, members(2000)), undefined)
  assert.equal(findVariant(names, members(3000)), 'too many')
})
