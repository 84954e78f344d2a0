import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call } from '../../../src/gateway/call.ts'
import { inTurns } from '../../../src/gateway/permit/in-turns.ts'
import { requirement } from '../../requirements.ts'

const spans = Array.from({ length: 10 }, (_, at) => ({
  start: at * 16_384,
  end: (at + 1) * 16_384,
}))

for (const [how, go, left] of [
  ['gone', ({ response }) => (response.destroyed = true), 3],
  ['ended', ({ caller }) => (caller.ended = {}), 3],
  ['its answer', ({ response }) => (response.destroyed = response.writableFinished = true), 10],
] as readonly [string, (on: Stage) => void, number][]) {
  test(`of a long answer ${left} parts of ten are read for a caller that has ${how} after three`, async () => {
    requirement('gateway.gone-callers-not-spoken-for')
    const stage: Stage = {
      caller: { ended: undefined, account: ['acme', 'agents', 'agent'] },
      response: { destroyed: false, writableFinished: false },
    }
    const { caller, response } = stage
    const call = { caller, arrived: { response } } as unknown as Call
    let turns = 0
    const take = async (): Promise<void> => {
      turns += 1
      if (turns === 4) go(stage)
    }
    let read = 0
    const mayRead = inTurns(spans, call, { take, spend: () => {} })
    for (const span of spans) {
      if (!(await mayRead(span))) break
      read += 1
    }
    assert.equal(read, left)
  })
}

interface Stage {
  readonly caller: { ended: unknown; readonly account: readonly string[] }
  readonly response: { destroyed: boolean; writableFinished: boolean }
}
