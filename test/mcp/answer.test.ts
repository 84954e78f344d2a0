import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  listOf,
  parseSpan,
  removeMember,
  rewriteResult,
  setMembers,
  valueOf,
  type AnswerBody,
} from '../../src/mcp/answer.ts'
import { applyEdits } from '../../src/mcp/edits.ts'
import { readAnswer } from '../../src/gateway/upstream/collect.ts'
import { elementsOf, endOfValue, membersOf } from '../../src/mcp/spans.ts'
import { judgeAnswer } from '../../src/gateway/upstream/judge-answer.ts'

const asked = { era: 'legacy', method: 'tools/list', id: { value: 1 } } as const

function judged(body: Buffer): Parameters<typeof readAnswer>[0] {
  return { body, verdict: judgeAnswer(asked, body) }
}

function read(text: string): AnswerBody {
  const answer = readAnswer(judged(Buffer.from(text)))
  if (typeof answer === 'string') assert.fail(answer)
  return answer
}

const spaced = fc.constantFrom(0, 1, '\t', '\r\n')

test('spans of any JSON hold what a parser reads there', () => {
  fc.assert(
    fc.property(fc.jsonValue(), spaced, (value, space) => {
      const octets = Buffer.from(` ${JSON.stringify(value, null, space)}\n`)
      const whole = { start: 1, end: endOfValue(octets, 1) }
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
      // Names that no answer may have, such as `__proto__`, come up now and then.
      fc.pre(judged(Buffer.from(text)).verdict.kind === 'response')
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

test('removing a member removes it and nothing else', () => {
  const result = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 })
  fc.assert(
    fc.property(result, fc.nat(), spaced, (result, at, space) => {
      const text = JSON.stringify({ jsonrpc: '2.0', id: 1, result }, null, space)
      fc.pre(judged(Buffer.from(text)).verdict.kind === 'response')
      const answer = read(text)
      const names = Object.keys(result)
      const name = names[at % names.length] ?? ''
      const edited = JSON.parse(applyEdits(answer.octets, removeMember(answer, name)).toString())
      const { [name]: _, ...rest } = (JSON.parse(text) as { result: Record<string, unknown> })
        .result
      assert.deepEqual(edited, { jsonrpc: '2.0', id: 1, result: rest })
      assert.deepEqual(removeMember(answer, 'not there'), [])
    }),
  )
})

for (const [text, why] of [
  ['{', 'answer is not read: the body is not JSON at octet 1'],
  ['{"jsonrpc":"2.0","method":"notifications/message"}', 'answer is no response'],
  [
    '{"jsonrpc":"2.0","id":1,"result":{"resultType":"task"}}',
    'answer held a result that is not complete',
  ],
] as const) {
  test(`refused: ${text} (${why})`, () => {
    assert.equal(readAnswer(judged(Buffer.from(text))), why)
  })
}

test('a result that is rewritten holds what is kept of it, and what is told, and no more', () => {
  const answer = read('{"jsonrpc":"2.0","id":1,"result":{"a" : 1.50, "hidden":"x","b":2}}')
  const octets = rewriteResult(answer, ['a', 'missing'], { b: '3' })
  assert.equal(octets.toString(), '{"jsonrpc":"2.0","id":1,"result":{"a":1.50,"b":3}}')
})

test('an error has no result and is an answer', () => {
  const answer = read('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}')
  assert.equal(answer.result, undefined)
  assert.equal(listOf(answer, 'tools'), undefined)
  assert.equal(valueOf(answer, 'tools'), undefined)
  assert.deepEqual(setMembers(answer, { a: '1' }), [])
  assert.equal(rewriteResult(answer, [], { a: '1' }), answer.octets)
})
