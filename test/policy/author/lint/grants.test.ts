import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lintGrants } from '../../../../src/policy/author/lint/grants.ts'
import { typeSchemaOf } from '../../../../src/policy/author/tool-schema.ts'

const schemas = new Map<string, unknown>([
  [
    'tools/weather/get_weather',
    typeSchemaOf({
      type: 'object',
      properties: { unit: { enum: ['celsius', 'kelvin'] }, city: { type: 'string' } },
    }),
  ],
  ['tools/weather/get_tides', {}],
])

function found(tools: object, server = 'weather', kind = 'tenants'): readonly string[] {
  const data = { grants: { [kind]: { acme: { [server]: { tools } } } } }
  return lintGrants(data, schemas).map(({ code, path }) => `${code} ${path.slice(3).join('/')}`)
}

for (const [what, tools, wanted] of [
  ['a tool with no condition', { get_weather: {} }, []],
  ['values that are there', { get_weather: { arguments: { unit: ['kelvin'] } } }, []],
  [
    'a value that is not',
    { get_weather: { arguments: { unit: ['kelvin', 'Kelvin'] } } },
    ['unknown-value weather/tools/get_weather/arguments/unit'],
  ],
  ['values of which none are listed', { get_weather: { arguments: { city: ['Oslo'] } } }, []],
  [
    'an argument that is not there',
    { get_weather: { arguments: { citty: ['Oslo'] } } },
    ['unknown-argument weather/tools/get_weather/arguments/citty'],
  ],
  [
    'an argument of a tool that says nothing of its own',
    { get_tides: { arguments: { x: [1] } } },
    [],
  ],
  ['a tool that is not there', { get_wether: {} }, ['unknown-tool weather/tools/get_wether']],
  ['odd documents', { get_weather: { arguments: { unit: 'kelvin' } }, get_tides: 7 }, []],
] as const) {
  test(`of grants the lint looks at ${what}`, () => {
    assert.deepEqual(found(tools), wanted)
    assert.deepEqual(found(tools, 'weather', 'subjects'), wanted)
  })
}

test('of a server without written types nothing is told', () => {
  assert.deepEqual(found({ anything: { arguments: { x: [1] } } }, 'github'), [])
  assert.deepEqual(lintGrants({ grants: { tenants: [] } }, schemas), [])
  assert.deepEqual(lintGrants(undefined, schemas), [])
})
