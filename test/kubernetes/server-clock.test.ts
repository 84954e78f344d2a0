import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServerClock } from '../../src/kubernetes/server-clock.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { startFakeApiServer } from '../support/fake-api-server.ts'
import { requirement } from '../requirements.ts'

requirement('signer.by-the-clock-of-the-cluster')

const at = Date.parse('2026-11-30T06:00:00Z')
const date = new Date(at).toUTCString()

/** By how much the clock here is ahead when it asks, how long the answer takes, and what that shows at the least. */
const answers: readonly (readonly [aheadSeconds: number, tookSeconds: number, shown: number])[] = [
  [0, 0, 0],
  [0.9, 0, 0],
  [-30, 60, 0],
  [61, 0, 60],
  [62, 0, 61],
  [360, 5, 359],
  [-60, 0, -60],
  [-61, 0, -61],
  [-370, 10, -360],
]
for (const [aheadSeconds, tookSeconds, shown] of answers) {
  test(`a clock that is ${aheadSeconds} s ahead and waits ${tookSeconds} s for its answer is known to be ${shown} s ahead`, () => {
    const clock = createServerClock()
    const askedAt = at + aheadSeconds * 1000
    clock.note({ date, askedAt, answeredAt: askedAt + tookSeconds * 1000 })
    const problem = clock.problem()
    if (Math.abs(shown) <= 60) assert.equal(problem, undefined)
    else
      assert.match(
        problem ?? '',
        new RegExp(`got=${Math.abs(shown)} s ${shown > 0 ? 'ahead' : 'behind'}$`),
      )
  })
}

test('what the API server answers tells its time, and what a proxy refuses does not', async () => {
  await using api = await startFakeApiServer()
  const clock = createServerClock()
  const client = createApiClient({ kubeconfig: api.kubeconfig, serverClock: clock })
  const ask = async (status: number, aheadSeconds: number): Promise<void> => {
    const headers = { date: new Date(Date.now() + aheadSeconds * 1000).toUTCString() }
    api.otherwise(() => ({ status, headers, body: {} }))
    await client.request({ method: 'GET', path: '/version' }).catch(() => {})
  }
  await ask(404, 3600)
  assert.equal(clock.problem(), undefined)
  await ask(200, 3600)
  assert.match(clock.problem() ?? '', /got=3(599|600) s behind$/)
  await ask(503, 0)
  assert.match(clock.problem() ?? '', /behind$/)
  await ask(200, 0)
  assert.equal(clock.problem(), undefined)
  client.close()
})

test('an answer without a time, or with none that is one, changes nothing', () => {
  const clock = createServerClock()
  assert.equal(clock.problem(), undefined)
  clock.note({ date, askedAt: at + 360_000, answeredAt: at + 360_000 })
  for (const none of [undefined, '', 'soon']) {
    clock.note({ date: none, askedAt: at, answeredAt: at })
    assert.match(clock.problem() ?? '', /ahead/)
  }
  clock.note({ date, askedAt: at, answeredAt: at })
  assert.equal(clock.problem(), undefined)
})
