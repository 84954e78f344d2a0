import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare, passes, type Check } from './compare.ts'

const scenario = 'a-scenario'

/** Checks as `id:STATUS`, of which a failed one says why. */
function checks(...texts: readonly string[]): readonly Check[] {
  return texts.map((each) => {
    const [id = '', status = ''] = each.split(':')
    return {
      id,
      status,
      description: `about ${id}`,
      ...(status === 'FAILURE' ? { errorMessage: 'no' } : {}),
    }
  })
}

for (const [what, direct, through, want] of [
  ['the same checks pass', ['a:SUCCESS', 'b:SUCCESS'], ['a:SUCCESS', 'b:SUCCESS'], undefined],
  ['more passes', ['a:SUCCESS', 'b:WARNING'], ['a:SUCCESS', 'b:SUCCESS'], undefined],
  ['a check fails', ['a:SUCCESS'], ['a:FAILURE'], ['fails', 'a: no']],
  ['one that was not there fails', ['a:SUCCESS'], ['a:SUCCESS', 'b:FAILURE'], ['fails', 'b: no']],
  ['a check is skipped', ['a:SUCCESS'], ['a:SKIPPED'], ['hollow', 'a is SKIPPED: about a']],
  ['a check warns', ['a:SUCCESS'], ['a:WARNING'], ['hollow', 'a is WARNING: about a']],
  ['a check is told only', ['a:SUCCESS'], ['a:INFO'], ['hollow', 'a is INFO: about a']],
  [
    'a check is not made',
    ['a:SUCCESS', 'b:SUCCESS'],
    ['b:SUCCESS'],
    ['hollow', 'a: passed 0 of 1'],
  ],
  [
    'one of two is not made',
    ['a:SUCCESS', 'a:SUCCESS'],
    ['a:SUCCESS'],
    ['hollow', 'a: passed 1 of 2'],
  ],
  ['what did not pass directly', ['a:SUCCESS', 'b:FAILURE'], ['a:FAILURE'], undefined],
  ['what was not checked directly', ['a:SKIPPED'], ['a:FAILURE'], undefined],
] as const) {
  test(`through the gateway ${what}: ${want?.[0] ?? 'no difference'}`, () => {
    const found = compare(scenario, checks(...direct), checks(...through))
    const expected = want && { scenario, verdict: want[0], why: want[1] }
    assert.deepEqual(found, expected)
  })
}

test('a scenario of which nothing is told through the gateway fails', () => {
  const found = compare(scenario, checks('a:SUCCESS'), undefined)
  assert.deepEqual(found, { scenario, verdict: 'fails', why: 'the suite gives no checks of it' })
})

test('a scenario passes when something of it does and nothing fails', () => {
  assert.equal(passes(checks('a:SUCCESS', 'b:WARNING', 'c:SKIPPED')), true)
  assert.equal(passes(checks('a:SUCCESS', 'b:FAILURE')), false)
  assert.equal(passes(checks('a:SKIPPED')), false)
  assert.equal(passes([]), false)
  assert.equal(passes(undefined), false)
})
