import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Permit } from '../../../src/gateway/permit/authorize.ts'
import { noDuties } from '../../../src/gateway/permit/obligations.ts'
import { isRefused } from '../../../src/gateway/refusal.ts'
import { passAnswer } from '../../../src/gateway/serve/pass-answer.ts'
import type { Parts } from '../../../src/gateway/serve/serve.ts'
import { createTurns, turnOctetsMax } from '../../../src/gateway/turns.ts'
import { requirement } from '../../requirements.ts'

const uri = 'file:///a'

/** Passes what was read of so many octets, and gives how many turns of the loop that takes. */
async function turnsToPass(octets: number): Promise<number> {
  const queue: (() => void)[] = []
  const permit = {
    duties: noDuties,
    call: {
      message: { method: 'resources/read', era: 'legacy', params: {} },
      target: { kind: 'resource', name: uri },
      caller: { ended: undefined, account: ['acme', 'agents', 'agent'] },
      arrived: { door: { kind: 'one' }, response: { destroyed: false, writableFinished: false } },
    },
  } as unknown as Permit
  const parts = { turns: createTurns((next) => queue.push(next)) } as unknown as Parts
  const text = `{"result":{"contents":[{"uri":"${uri}","text":"${'a'.repeat(octets)}"}]}}`
  const answer = Buffer.from(text)
  const result = { start: '{"result":'.length, end: answer.length - 1 }
  let passed: unknown
  const passing = passAnswer(permit, parts, { octets: answer, result, told: undefined })
  void Promise.resolve(passing).then((told) => (passed = isRefused(told) ? told : String(told)))
  for (let taken = 0; ; taken += 1) {
    // Whatever waits for no turn is done before the next one.
    await new Promise(setImmediate)
    if (passed !== undefined) {
      assert.equal(passed, text)
      return taken
    }
    assert.ok(queue.length > 0, 'it waits for a turn')
    queue.shift()?.()
  }
}

test('what was read is looked at in the turn in which it was judged only where it is short', async () => {
  requirement('gateway.offers-take-turns')
  assert.equal(await turnsToPass(100), 0)
  // One for its members, and one for its only content.
  assert.equal(await turnsToPass(turnOctetsMax), 2)
})
