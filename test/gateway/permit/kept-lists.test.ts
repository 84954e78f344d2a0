import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createKeptLists,
  type KeptList,
  type KeptLists,
  type ListQuestion,
} from '../../../src/gateway/permit/kept-lists.ts'
import { formatInput } from '../../../src/policy/input.ts'
import { requirement } from '../../requirements.ts'

const text = formatInput({ type: 'tool', id: 'a' })
const context = { era: 'modern', time: '', door: 'mcp/files', phase: 'list' } as const
const resource = { text, octets: text.length, value: { type: 'tool', id: 'a' } }

function questionOf(asking: string, ...numbers: readonly number[]): ListQuestion {
  return { asking, resources: numbers.map((number) => ({ ...resource, number })) }
}

function answerOf(question: ListQuestion, at: number): KeptList {
  const { resources } = question
  const parts = { subject: text, action: 'tools/list', context }
  const asked = { kind: 'list', parts, before: '{', resources, after: '}', told: {} } as const
  return { value: [true, false], asked, result: {}, error: undefined, seconds: 1, at }
}

function open(listSecondsMax = 60): { kept: KeptLists; clock: { now: number } } {
  const clock = { now: 1_000_000 }
  return { kept: createKeptLists({ now: () => clock.now, listSecondsMax }), clock }
}

const asked = questionOf('digest tools/list modern mcp/files list {}', 1, 2)

test('the same question has the same answer, which took no time', () => {
  const { kept, clock } = open()
  const answer = answerOf(asked, clock.now)
  kept.keep(asked, answer)
  clock.now += 9_999
  assert.deepEqual(kept.find(structuredClone(asked)), { ...answer, seconds: 0 })
})

for (const [what, other] of Object.entries({
  'of another caller, policy or door': questionOf('other', 1, 2),
  'in which a definition has changed': questionOf(asked.asking, 1, 3),
  'in which the first definition has changed': questionOf(asked.asking, 3, 2),
  'in another order': questionOf(asked.asking, 2, 1),
  'that is shorter': questionOf(asked.asking, 1),
  'that is longer': questionOf(asked.asking, 1, 2, 3),
})) {
  test(`a question ${what} has no answer yet`, () => {
    requirement('gateway.lists-decided-anew')
    const { kept, clock } = open()
    kept.keep(asked, answerOf(asked, clock.now))
    assert.equal(kept.find(other), undefined)
  })
}

for (const [what, listSecondsMax, passed] of [
  ['too old', 60, 10_000],
  ['older than its caller may keep it', 3, 3_000],
  ['of a clock that has gone back', 60, -1],
  ['not to be kept at all', 0, 0],
] as const) {
  test(`an answer that is ${what} is none`, () => {
    requirement('gateway.lists-decided-anew')
    const { kept, clock } = open(listSecondsMax)
    kept.keep(asked, answerOf(asked, clock.now))
    clock.now += passed
    assert.equal(kept.find(asked), undefined)
  })
}

test('so many are kept, by the tools in them, and the last one is', () => {
  requirement('gateway.lists-bounded-while-read')
  const { kept, clock } = open()
  const questions = Array.from({ length: 6_000 }, (_, at) => questionOf(`caller ${at}`, 1, 2))
  for (const question of questions) kept.keep(question, answerOf(question, clock.now))
  const found = questions.filter((question) => kept.find(question) !== undefined)
  assert.ok(found.length < 5_000, `got=${found.length}`)
  assert.equal(found.at(-1), questions.at(-1))
})

test('what is asked anew takes the place of what was said before', () => {
  const { kept, clock } = open()
  for (let time = 0; time < 10_000; time += 1) {
    kept.keep(asked, answerOf(asked, clock.now))
    clock.now += 1
  }
  const other = questionOf('other', 1)
  kept.keep(other, answerOf(other, clock.now))
  assert.equal(kept.find(asked)?.at, clock.now - 1)
})
