import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closeLegacySession, isSessionId } from '../../../src/gateway/upstream/legacy-session.ts'
import { requirement } from '../../requirements.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'

for (const [what, id] of Object.entries({
  'of 10 KiB': 'x'.repeat(10_240),
  'not ASCII': 'é',
  blank: ' ',
  empty: '',
})) {
  test(`an upstream's session id that is ${what} is none`, () => {
    assert.equal(isSessionId(id), false)
  })
}

test('of sessions that end together two at a time are told to their server, and none is forgotten', async () => {
  requirement('gateway.endings-bounded')
  const upstream = fakeUpstream(() => ({ status: 204 }))
  const ids = Array.from({ length: 300 }, (_, at) => `s${at}`)
  for (const id of ids) {
    closeLegacySession({ upstream }, { id, version: '2025-11-25', spiffeId: 'spiffe://x.test/a' })
  }
  assert.equal(upstream.received.length, 2)
  await upstream.endings.whenEmpty()
  assert.deepEqual(
    upstream.received.map(({ method }) => method),
    ids.map(() => 'DELETE'),
  )
})
