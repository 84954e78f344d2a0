import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oneList } from '../../../src/gateway/catalogue/definition.ts'
import { parseOffer } from '../../../src/gateway/catalogue/offer.ts'
import { listFormOf } from '../../../src/mcp/lists.ts'
import { requirement } from '../../requirements.ts'

function parse(method: string, text: string): string {
  const offer = parseOffer(Buffer.from(text), listFormOf(method) ?? assert.fail())
  return typeof offer === 'string' ? offer : `is ${offer.name}`
}

for (const [method, text, want] of [
  ['prompts/list', '{"name":"a","x":1e400}', 'is a'],
  ['prompts/list', '{"name":""}', 'it has no name'],
  ['prompts/list', '{"name":7}', 'it has no name'],
  ['prompts/list', '[]', 'batches are not served'],
  ['prompts/list', '{"name":"a","name":"b"}', 'a second member "name"'],
  ['prompts/list', '{"name":"a","Name":"b"}', 'a member "Name" that resembles a known one'],
  ['prompts/list', `{"name":"${'a'.repeat(257)}"}`, 'its name is too long, want=..256'],
  ['resources/list', '{"uri":"x:y","name":7}', 'is x:y'],
  ['resources/list', '{"name":"a"}', 'it has no uri'],
  ['resources/list', '{"uri":"x:\\ty"}', 'its uri is none'],
  ['resources/list', `{"uri":"x:${'a'.repeat(2047)}"}`, 'its uri is too long, want=..2048'],
  ['resources/list', `{"uri":"x","y":"${'a'.repeat(65_536)}"}`, 'it is too large, want=..65536'],
  ['resources/templates/list', '{"uriTemplate":"x:{y}","uri":"z"}', 'is x:{y}'],
] as const) {
  test(`what is offered, ${method}: ${text.slice(0, 40)}`, () => {
    assert.equal(parse(method, text), want)
  })
}

test('names beyond ASCII are compared within one bound for all that a page offers', () => {
  requirement('gateway.offers-take-turns')
  const form = listFormOf('prompts/list') ?? assert.fail()
  const text = Buffer.from(`{"name":"a","${'\u0301'.repeat(250)}":1}`)
  const compared = oneList()
  let fit = 0
  for (let read = 0; read < 1000; read += 1) {
    if (typeof parseOffer(text, form, compared) !== 'string') fit += 1
  }
  assert.ok(fit > 100 && fit < 300, String(fit))
})
