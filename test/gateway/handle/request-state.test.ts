import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import {
  openRequestState,
  sealRequestState,
  type CallOfState,
} from '../../../src/gateway/handle/request-state.ts'
import { createSeal } from '../../../src/gateway/handle/seal.ts'
import { requirement } from '../../requirements.ts'
import { character } from '../../support/character.ts'

const seal = createSeal({ keys: oneHandleKey() })
const call: CallOfState = {
  owner: 'spiffe://test.example/ns/a/sa/b pod',
  door: 'mcp/files',
  server: 'spiffe://test.example/ns/tools/sa/files',
  method: 'tools/call',
  target: 'echo',
  argumentsDigest: '00',
}
const hour = 3_600_000

test('the text of a server comes back as it was, whatever it is, within an hour', () => {
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 500 }), (state) => {
      const sealed = sealRequestState(seal, call, { state: JSON.stringify(state), now: 7 })
      assert.ok(sealed !== undefined)
      const opened = openRequestState(seal, call, { sealed, now: 6 + hour })
      assert.deepEqual(opened, { state: JSON.stringify(state) })
    }),
  )
})

test('a state is of its caller, door, server, method, target and arguments, and for an hour', () => {
  requirement('gateway.retries-bound')
  const sealed = sealRequestState(seal, call, { state: '"s"', now: 7 }) ?? ''
  for (const member of Object.keys(call) as (keyof CallOfState)[]) {
    const other = { ...call, [member]: `${call[member]}2` }
    assert.ok('why' in openRequestState(seal, other, { sealed, now: 7 }), member)
  }
  assert.deepEqual(openRequestState(seal, call, { sealed, now: 7 + hour }), {
    why: 'it has expired',
  })
})

test('of a state that is changed in any character, cut or made longer, nothing opens', () => {
  requirement('gateway.retries-bound')
  const sealed = sealRequestState(seal, call, { state: '"s"', now: 7 }) ?? ''
  const changed = fc.oneof(
    fc.nat(sealed.length - 1).map((at) => sealed.slice(0, at)),
    fc
      .tuple(
        fc.nat(sealed.length - 1),
        fc.constantFrom('A', 'z', '0', '-', '_', '=', '+', ' ', 'é'),
      )
      .map(([at, by]) => sealed.slice(0, at) + by + sealed.slice(at + 1)),
    fc.string({ unit: character }).map((more) => sealed + more),
    fc.string({ unit: character }),
  )
  fc.assert(
    fc.property(changed, (text) => {
      const opened = openRequestState(seal, call, { sealed: text, now: 7 })
      assert.equal('state' in opened, text === sealed)
    }),
    { numRuns: 2000 },
  )
})

test('what is too long to be carried is not sealed', () => {
  requirement('gateway.retries-bound')
  const most = JSON.stringify('x'.repeat(16_382))
  const sealed = sealRequestState(seal, call, { state: most, now: 7 })
  assert.deepEqual(openRequestState(seal, call, { sealed: sealed ?? '', now: 7 }), { state: most })
  for (const state of [JSON.stringify('x'.repeat(16_383)), JSON.stringify('"'.repeat(8000))]) {
    assert.equal(sealRequestState(seal, call, { state, now: 7 }), undefined)
  }
})
