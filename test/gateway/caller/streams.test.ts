import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { Bag } from '../../../src/bag.ts'
import type { Caller } from '../../../src/gateway/caller/caller.ts'
import { tieExchange } from '../../../src/gateway/caller/streams.ts'
import { identityRefusal, type Refusal } from '../../../src/gateway/refusal.ts'
import { requirement } from '../../requirements.ts'

interface Stage {
  readonly caller: Caller
  readonly response: EventEmitter & { writableFinished: boolean }
  /** What has happened, in its order. */
  readonly seen: string[]
  tie(): () => void
}

function openStage(ended?: Refusal): Stage {
  const response = Object.assign(new EventEmitter(), { writableFinished: false })
  const caller = { streams: new Bag(), ended } as unknown as Caller
  const seen: string[] = []
  return {
    caller,
    response,
    seen,
    tie: () =>
      tieExchange(caller, response as unknown as ServerResponse, {
        cancel: () => seen.push('cancelled'),
        tell: ({ message }) => seen.push(`told: ${message}`),
      }),
  }
}

const revoked = identityRefusal('certificate is revoked')

describe('an exchange that is tied to its caller', () => {
  test('ends with its identity: the caller is told first', () => {
    const stage = openStage()
    stage.tie()
    for (const end of stage.caller.streams.members()) end(revoked)
    assert.deepEqual(stage.seen, ['told: certificate is revoked', 'cancelled'])
  })

  test('of an identity that has ended already ends at once', () => {
    requirement('gateway.revoked-open-connection')
    const stage = openStage(revoked)
    stage.tie()
    assert.deepEqual(stage.seen, ['told: certificate is revoked', 'cancelled'])
    assert.equal(stage.caller.streams.size, 0)
  })

  test('ends with its caller, which is told nothing, unless all has been said', () => {
    const stage = openStage()
    const untie = stage.tie()
    stage.response.emit('close')
    assert.deepEqual(stage.seen, ['cancelled'])
    untie()
    const said = openStage()
    said.tie()
    said.response.writableFinished = true
    said.response.emit('close')
    assert.deepEqual(said.seen, [])
  })

  test('of a caller that has gone already is cancelled at once, unless all had been said', () => {
    requirement('gateway.gone-callers-not-spoken-for')
    const stage = openStage()
    Object.assign(stage.response, { destroyed: true })
    stage.tie()()
    assert.deepEqual(stage.seen, ['cancelled'])
    assert.equal(stage.caller.streams.size, 0)
    const said = openStage()
    Object.assign(said.response, { destroyed: true, writableFinished: true })
    said.tie()
    assert.deepEqual(said.seen, [])
  })

  test('is not ended by either once it is untied', () => {
    const stage = openStage()
    stage.tie()()
    stage.response.emit('close')
    assert.equal(stage.caller.streams.size, 0)
    assert.deepEqual(stage.seen, [])
  })
})
