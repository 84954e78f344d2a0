import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { argumentsText, askCall, askList, textOf } from '../../src/policy/asked.ts'
import type { Asked, DecisionContext } from '../../src/policy/asked.ts'
import { createReader, documentOf } from '../../src/policy/document.ts'
import { formatInput } from '../../src/policy/input.ts'
import { fromJson } from '../../src/policy/plan/json.ts'
import type { Value } from '../../src/policy/plan/values.ts'
import { character } from '../support/character.ts'
import { askedResource } from './call-input.ts'
import { requirement } from '../requirements.ts'

const word = fc.string({ unit: character, maxLength: 20 })
const record = fc.dictionary(word, fc.jsonValue({ stringUnit: character, maxDepth: 3 }))

const context: fc.Arbitrary<DecisionContext> = fc.record({
  era: fc.constantFrom('modern', 'legacy'),
  time: word,
  door: word,
  phase: fc.constantFrom('request', 'list', 'response'),
  upstream: fc.constantFrom(undefined, { era: 'modern' } as const, { era: 'legacy' } as const),
  asked: fc.constantFrom(undefined, {}, { mode: 'url', host: 'a"b' }, { tools: true }),
})

const asking = fc.record({
  subject: record.map((each) => formatInput(each)),
  action: word,
  context,
})

const call = fc
  .tuple(asking, record, fc.option(fc.jsonValue({ maxDepth: 4 })))
  .map(([texts, resource, given]): Asked =>
    askCall({
      ...texts,
      resource: formatInput(resource),
      arguments:
        given === null ? undefined : argumentsText(Buffer.from(JSON.stringify(given, null, 1))),
    }),
  )

const list = fc
  .tuple(asking, fc.array(record, { maxLength: 5 }))
  .map(([texts, resources]): Asked =>
    askList({ ...texts, resources: resources.map(askedResource) }),
  )

test('what is evaluated as a value is what is evaluated, and logged, as text', () => {
  requirement('policy.octets-decided')
  const read = createReader(1000)
  fc.assert(
    fc.property(fc.oneof(call, list), (asked) => {
      assert.deepEqual(documentOf(asked)(read), fromJson(textOf(asked)))
    }),
  )
})

test('a text that comes again has one value, which nobody can change', () => {
  requirement('policy.caller-rules-kept')
  const read = createReader()
  const value = read('{"id":"a","properties":{"toolScopes":["files:*"]}}') as {
    properties: { toolScopes: Value[] }
  }
  assert.equal(read('{"id":"a","properties":{"toolScopes":["files:*"]}}'), value)
  assert.throws(() => value.properties.toolScopes.push('mail:*'), TypeError)
  assert.throws(() => Object.assign(value.properties, { role: 'admin' }), TypeError)
})

test('what has not come for long is forgotten, and what comes again is not', () => {
  const read = createReader(30)
  const [kept, other] = [read('{"a":1}'), read('{"b":1}')]
  for (let count = 0; count < 50; count += 1) {
    read(`{"n":${count}}`)
    assert.equal(read('{"a":1}'), kept)
  }
  assert.notEqual(read('{"b":1}'), other)
})
