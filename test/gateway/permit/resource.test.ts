import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseDefinition, type Definition } from '../../../src/gateway/catalogue/definition.ts'
import type { ResourceText } from '../../../src/gateway/catalogue/resource-text.ts'
import { offerText } from '../../../src/gateway/permit/resource.ts'
import { fromJson } from '../../../src/policy/plan/json.ts'
import { requirement } from '../../requirements.ts'
import { character } from '../../support/character.ts'

const word = fc.string({ unit: character, minLength: 1, maxLength: 20 })
const annotations = fc.dictionary(
  fc.oneof(word, fc.constantFrom('constructor', 'server')),
  fc.oneof(
    fc.jsonValue({ stringUnit: character, maxDepth: 2 }),
    // Numbers that are another one as a double, and such as JSON.stringify writes with an exponent.
    fc.constantFrom(1e21, 0.1, -0, 2 ** 53, 1e-7),
  ),
)

function parse(definition: object): Definition | string {
  return parseDefinition(Buffer.from(JSON.stringify(definition)))
}

function isOneOfBoth({ text, octets, value }: ResourceText): void {
  assert.deepEqual(value, fromJson(text))
  assert.equal(octets, Buffer.byteLength(text))
}

test('what policy is told of one of a list is the value of the very text that is logged', () => {
  requirement('policy.octets-decided')
  fc.assert(
    fc.property(word, word, fc.option(annotations), (server, name, given) => {
      const told = given === null ? {} : { annotations: given }
      const definition = parse({ name, ...told })
      // Some names are none that two readers read alike.
      fc.pre(typeof definition !== 'string')
      isOneOfBoth(definition.told(server))
      isOneOfBoth(offerText('resource', server, name))
    }),
  )
})

test('nobody can change what policy is told of a tool', () => {
  requirement('policy.octets-decided')
  const definition = parse({ name: 'echo', annotations: { hints: ['a'] } })
  assert.ok(typeof definition !== 'string')
  const { value } = definition.told('files')
  const { properties } = value as {
    properties: { server: string; annotations: { hints: string[] } }
  }
  assert.throws(() => Object.assign(value as object, { id: 'other' }), TypeError)
  assert.throws(() => Object.assign(properties, { server: 'other' }), TypeError)
  assert.throws(() => properties.annotations.hints.push('b'), TypeError)
})
