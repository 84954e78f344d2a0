import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from './matrix/judge.ts'
import type { Plan } from './matrix/plan.ts'
import { formatTable, replaceTable } from './matrix/table.ts'

const call = { tool: 'echo', arguments: {} }
const plan: Plan = {
  eras: ['legacy'],
  tools: ['echo', 'add'],
  steps: { calls: call, refuses: call, progress: call, cancels: call },
  shows: { calls: /^hi$/, refuses: /denied by policy/ },
}

/** What a client says when all of it works. */
const fine = {
  speaks: { said: '2025-11-25' },
  lists: { said: 'add,echo' },
  calls: { said: 'hi' },
  refuses: { failed: 'denied by policy: no' },
  progress: { said: '2' },
  cancels: { said: 'given up, then hi' },
}

function linesOf(changed: Readonly<Record<string, object>> = {}): Parameters<typeof judge>[0] {
  return Object.entries({ ...fine, ...changed }).map(([step, told]) => ({
    server: 'one',
    step,
    ...told,
  }))
}

test('a client that does every step has no failure', () => {
  const works = ['lists', 'calls', 'refuses', 'progress', 'cancels']
  assert.deepEqual(judge(linesOf(), plan), { revision: '2025-11-25', works, fails: [] })
})

for (const [what, step, told] of [
  ['sees a tool that is not granted', 'lists', { said: 'add,echo,secret' }],
  ['misses a tool', 'lists', { said: 'echo' }],
  ['shows another answer', 'calls', { said: 'ho' }],
  ['is answered by what is not granted', 'refuses', { said: 'hi' }],
  ['shows no reason', 'refuses', { failed: 'HTTP 403' }],
  ['is told no progress', 'progress', { said: '0' }],
  ['is answered before it gives up', 'cancels', { said: 'answered, then hi' }],
  ['is answered no more after that', 'cancels', { said: 'given up, then ' }],
  ['breaks', 'cancels', { failed: 'gone' }],
] as const) {
  test(`a client that ${what} fails the step`, () => {
    const { fails } = judge(linesOf({ [step]: told }), plan)
    assert.deepEqual(
      fails.map((each) => each.step),
      [step],
    )
  })
}

test('a client that cannot connect fails alone at that, and so does one that says nothing', () => {
  const refused = judge(linesOf({ speaks: { failed: 'no' } }), plan)
  assert.deepEqual(refused, {
    revision: undefined,
    works: [],
    fails: [{ step: 'speaks', why: 'no' }],
  })
  assert.equal(judge([], plan).revision, undefined)
})

test('the table stands between its marks, with what does not work', () => {
  const cell = judge(linesOf({ progress: { said: '0' } }), plan)
  const none = judge([], plan)
  const rows = new Map([['a client', new Map(Object.entries({ one: cell, other: none }))]])
  const page =
    'before\n<!-- the matrix: npm run test:matrix -- --write -->\n\nold\n\n<!-- end of the matrix -->\n'
  const replaced = replaceTable(page, formatTable(rows))
  assert.deepEqual(replaced.split('\n').slice(3, 6), [
    '| client   | one                      | other         |',
    '| -------- | ------------------------ | ------------- |',
    '| a client | 2025-11-25, not progress | no connection |',
  ])
  assert.equal(replaceTable(replaced, formatTable(rows)), replaced)
  assert.throws(() => replaceTable('no marks', ''), /no marks/)
})
