import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prune, validateSchema, type Schema } from '../../../dev/control-plane/structural-schema.ts'

const schema: Schema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 3, pattern: '^[a-z]+$' },
    kind: { type: 'string', enum: ['x', 'y'] },
    count: { type: 'integer', minimum: 1, maximum: 5 },
    small: { type: 'integer', format: 'int32' },
    share: { type: 'number' },
    on: { type: 'boolean', default: true },
    at: { type: 'string', format: 'date-time' },
    raw: { type: 'string', format: 'byte' },
    list: { type: 'array', minItems: 1, maxItems: 2, items: { type: 'string' } },
    map: { type: 'object', maxProperties: 1, additionalProperties: { type: 'integer' } },
    any: { 'x-kubernetes-preserve-unknown-fields': true },
    port: { 'x-kubernetes-int-or-string': true },
    nothing: { type: 'string', nullable: true },
  },
}

const good: readonly object[] = [
  { name: 'abc' },
  { name: 'a', kind: 'x', count: 1, share: 1, on: false },
  { name: 'a', share: 0.5, small: 2 ** 31 - 1, at: '2026-01-02T03:04:05Z', raw: 'aGk=' },
  { name: 'a', at: '2026-01-02T03:04:05.678+02:00', list: ['p', 'q'], map: { a: 1 } },
  { name: 'a', any: { deep: [1, { er: null }] }, port: 80 },
  { name: 'a', port: 'http', nothing: null },
]

for (const value of good) {
  test(`${JSON.stringify(value)} is valid`, () => {
    assert.deepEqual(validateSchema(value, schema, ''), [])
  })
}

const bad: readonly (readonly [object, string, string])[] = [
  [{}, 'name', 'FieldValueRequired'],
  [{ name: '' }, 'name', 'FieldValueInvalid'],
  [{ name: 'abcd' }, 'name', 'FieldValueTooLong'],
  [{ name: 'A' }, 'name', 'FieldValueInvalid'],
  [{ name: 5 }, 'name', 'FieldValueTypeInvalid'],
  [{ name: null }, 'name', 'FieldValueTypeInvalid'],
  [{ name: 'a', kind: 'z' }, 'kind', 'FieldValueNotSupported'],
  [{ name: 'a', count: 0 }, 'count', 'FieldValueInvalid'],
  [{ name: 'a', count: 6 }, 'count', 'FieldValueInvalid'],
  [{ name: 'a', count: 1.5 }, 'count', 'FieldValueTypeInvalid'],
  [{ name: 'a', small: 2 ** 31 }, 'small', 'FieldValueInvalid'],
  [{ name: 'a', on: 'yes' }, 'on', 'FieldValueTypeInvalid'],
  [{ name: 'a', at: 'today' }, 'at', 'FieldValueInvalid'],
  [{ name: 'a', at: '2026-13-02T03:04:05Z' }, 'at', 'FieldValueInvalid'],
  [{ name: 'a', raw: 'a' }, 'raw', 'FieldValueInvalid'],
  [{ name: 'a', list: [] }, 'list', 'FieldValueInvalid'],
  [{ name: 'a', list: ['p', 'q', 'r'] }, 'list', 'FieldValueInvalid'],
  [{ name: 'a', list: ['p', 1] }, 'list[1]', 'FieldValueTypeInvalid'],
  [{ name: 'a', list: {} }, 'list', 'FieldValueTypeInvalid'],
  [{ name: 'a', map: { a: 'x' } }, 'map.a', 'FieldValueTypeInvalid'],
  [{ name: 'a', map: { a: 1, b: 2 } }, 'map', 'FieldValueInvalid'],
  [{ name: 'a', port: 1.5 }, 'port', 'FieldValueTypeInvalid'],
]

for (const [value, field, reason] of bad) {
  test(`${JSON.stringify(value)} breaks a rule of ${field}`, () => {
    const errors = validateSchema(value, schema, '')
    const broken = new Set(errors.map((error) => `${error.field} ${error.reason}`))
    assert.deepEqual([...broken], [`${field} ${reason}`])
  })
}

test('members that the schema does not know are dropped and named', () => {
  const value = {
    name: 'a',
    extra: 1,
    list: ['p'],
    map: { free: 1 },
    any: { free: 1 },
    constructor: 2,
  }
  const result = prune(value, schema)
  assert.deepEqual(result.unknown, ['extra', 'constructor'])
  assert.deepEqual(result.value, {
    name: 'a',
    list: ['p'],
    map: { free: 1 },
    any: { free: 1 },
    on: true,
  })
})

test('null is not set, unless the schema says that it is a value', () => {
  assert.deepEqual(prune({ name: null, nothing: null }, schema).value, { nothing: null, on: true })
})
