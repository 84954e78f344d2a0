import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { openBounceWorld } from './bounce-world.ts'
import { sign, unlessBroken } from './issued-world.ts'

/** What becomes of one request on the way; after a kill all that was in memory is gone, and the clock may be another. */
const faults = [
  { title: 'is lost before', fault: { kind: 'drop' }, kill: false, skewSeconds: 0 },
  { title: 'is answered by nobody after', fault: { kind: 'lose' }, kill: false, skewSeconds: 0 },
  { title: 'is the last before a kill', fault: { kind: 'drop' }, kill: true, skewSeconds: 360 },
  {
    title: 'is the last of a killed agent',
    fault: { kind: 'lose' },
    kill: true,
    skewSeconds: -360,
  },
  ...[404, 409, 422, 429, 500].map((status) => ({
    title: `is answered ${status}`,
    fault: { kind: 'refuse', status } as const,
    kill: false,
    skewSeconds: 0,
  })),
] as const

for (const { title, fault, kill, skewSeconds } of faults) {
  test(`whichever request ${title}: each pod is restarted once, one at a time, and it is finished`, async () => {
    requirement('issued.restarts-once')
    let met = true
    for (let at = 0; met; at += 1) {
      const world = openBounceWorld()
      world.addPods('search', { replicas: 2 })
      await world.until('Requested')
      sign(world)
      // A clock that goes back behind the beginning of a certificate has none.
      world.clock.now += 600_000
      let requests = 0
      met = false
      world.cluster.fail(({ method, path }) => {
        if (met || (method === 'GET' && !/pods$|replicasets/.test(path))) return false
        met = requests === at
        requests += 1
        return met
      }, fault)
      const isOver = (): boolean => met || world.certificate().state === 'Finished'
      for (let turns = 0; turns < 30 && !isOver(); turns += 1) {
        await world.turn().catch(unlessBroken)
        world.move()
      }
      if (kill) world.restart()
      world.clock.now += skewSeconds * 1000
      await world.bounceUntil('Finished')
      assert.deepEqual(world.evicted, ['old-search-0', 'old-search-1'], `request ${at}`)
      assert.equal(world.requests().length, 1)
      if (!met) assert.ok(at > 12, `${at} requests`)
    }
  })
}
