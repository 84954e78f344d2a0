import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  applyEdits,
  listOf,
  parseSpan,
  readAnswer,
  setMembers,
  valueOf,
  type AnswerBody,
} from '../../../src/gateway/tools/answer-page.ts'
import { elementsOf, membersOf, wholeOf } from '../../../src/gateway/tools/spans.ts'

function read(text: string): AnswerBody {
  const answer = readAnswer(Buffer.from(text))
  if (typeof answer === 'string') assert.fail(answer)
  return answer
}

const spaced = fc.constantFrom(0, 1, '\t', '\r\n')

test('spans of any JSON hold what a parser reads there', () => {
  fc.assert(
    fc.property(fc.jsonValue(), spaced, (value, space) => {
      const octets = Buffer.from(` ${JSON.stringify(value, null, space)}\n`)
      const whole = wholeOf(octets)
      assert.deepEqual(parseSpan(octets, whole), JSON.parse(octets.toString()))
      const parsed: unknown = JSON.parse(octets.toString())
      if (Array.isArray(parsed)) {
        const elements = elementsOf(octets, whole) ?? []
        assert.deepEqual(
          elements.map((span) => parseSpan(octets, span)),
          parsed,
        )
      } else if (typeof parsed === 'object' && parsed !== null) {
        const members = membersOf(octets, whole) ?? new Map()
        const read = Object.fromEntries(
          [...members].map(([name, span]) => [name, parseSpan(octets, span)]),
        )
        assert.deepEqual(read, parsed)
      } else {
        assert.equal(membersOf(octets, whole), undefined)
        assert.equal(elementsOf(octets, whole), undefined)
      }
    }),
  )
})

test('setting members changes them and nothing else', () => {
  const result = fc.dictionary(fc.string(), fc.jsonValue())
  fc.assert(
    fc.property(result, spaced, (result, space) => {
      const text = JSON.stringify({ jsonrpc: '2.0', id: 1, result }, null, space)
      const answer = read(text)
      const edits = setMembers(answer, { ttlMs: '5', cacheScope: '"private"' })
      const edited = JSON.parse(applyEdits(answer.octets, edits).toString()) as object
      const before = JSON.parse(text) as { result: object }
      assert.deepEqual(edited, {
        ...before,
        result: { ...before.result, ttlMs: 5, cacheScope: 'private' },
      })
    }),
  )
})

for (const [text, why] of [
  ['{', 'answer is no JSON'],
  ['[]', 'answer is no object with distinct members'],
  ['7', 'answer is no object with distinct members'],
  ['{"jsonrpc":"2.0","id":1,"id":2,"result":{}}', 'answer is no object with distinct members'],
  ['{"jsonrpc":"2.0","id":1}', 'answer has no result'],
  ['{"jsonrpc":"2.0","id":1,"result":[]}', 'answer has no result'],
  ['{"jsonrpc":"2.0","id":1,"result":{"a":1,"\\u0061":2}}', 'answer has no result'],
] as const) {
  test(`refused: ${text} (${why})`, () => {
    assert.equal(readAnswer(Buffer.from(text)), why)
  })
}

test('text that is not UTF-8 is no answer', () => {
  const octets = Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}', 'latin1')
  assert.equal(readAnswer(octets), 'answer is no JSON')
})

test('an error has no result and is an answer', () => {
  const answer = read('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}')
  assert.equal(answer.result, undefined)
  assert.equal(listOf(answer, 'tools'), undefined)
  assert.equal(valueOf(answer, 'tools'), undefined)
  assert.deepEqual(setMembers(answer, { a: '1' }), [])
})
