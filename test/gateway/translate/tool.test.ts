import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toolAcross } from '../../../src/gateway/translate/tool.ts'
import { applyEdits } from '../../../src/mcp/edits.ts'

function outputOf(schema: string): string | undefined {
  const octets = Buffer.from(` {"name":"x", "outputSchema": ${schema} ,"inputSchema":{}}`)
  const { outputForLegacy } = toolAcross({ octets })
  if (outputForLegacy === undefined) return undefined
  const told = JSON.parse(applyEdits(octets, [outputForLegacy]).toString()) as object
  return JSON.stringify((told as { outputSchema: unknown }).outputSchema)
}

const wrapped = (schema: string, dialect = ''): string =>
  `{${dialect}"type":"object","properties":{"result":${schema}},"required":["result"]}`

for (const [what, schema, want] of [
  ['an object', '{"type":"object"}', undefined],
  ['a list', '{"type":"array"}', wrapped('{"type":"array"}')],
  ['one of several', '{"anyOf":[{"type":"object"}]}', wrapped('{"anyOf":[{"type":"object"}]}')],
  ['several types', '{"type":["object"]}', wrapped('{"type":["object"]}')],
  ['anything', 'true', wrapped('true')],
  [
    'a dialect',
    '{"$schema":"urn:d","type":"string"}',
    wrapped('{"$schema":"urn:d","type":"string"}', '"$schema":"urn:d",'),
  ],
  // From within another schema it would point elsewhere.
  ['itself', '{"anyOf":[{"$ref":"#"}]}', wrapped('{}')],
  ['itself by an escape', '{"anyOf":[{"$re\\u0066":"#"}]}', wrapped('{}')],
] as const) {
  test(`to legacy clients an output of ${what} ${want === undefined ? 'is what it is' : 'is wrapped'}`, () => {
    assert.equal(outputOf(schema), want)
  })
}

test('a tool without an output has none, and one that needs a task says so', () => {
  const across = (text: string): ReturnType<typeof toolAcross> =>
    toolAcross({ octets: Buffer.from(text) })
  const none = { needsTask: false, taskSupport: 'forbidden', outputForLegacy: undefined }
  assert.deepEqual(across('{"name":"x"}'), none)
  for (const [support, needsTask] of [
    ['required', true],
    ['optional', false],
  ] as const) {
    const text = `{"name":"x","execution":{"taskSupport":"${support}"}}`
    assert.equal(across(text).needsTask, needsTask)
  }
})
