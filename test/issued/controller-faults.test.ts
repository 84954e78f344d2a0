import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { openIssuedWorld, sign, unlessBroken } from './issued-world.ts'

/** What becomes of one request on the way; after a kill all that was in memory is gone. */
const faults = [
  { title: 'is lost before', fault: { kind: 'drop' }, kill: false },
  { title: 'is answered by nobody after', fault: { kind: 'lose' }, kill: false },
  { title: 'is the last before a kill', fault: { kind: 'drop' }, kill: true },
  { title: 'is the last of a killed process', fault: { kind: 'lose' }, kill: true },
  ...[409, 422, 429, 500].map((status) => ({
    title: `is answered ${status}`,
    fault: { kind: 'refuse', status } as const,
    kill: false,
  })),
] as const

const writesOfOne = 7

for (const { title, fault, kill } of faults) {
  test(`whichever write ${title}: one key, one request at a time, every state true, and it is finished`, async () => {
    requirement('issued.resumes-anywhere')
    for (let at = 0; at < writesOfOne; at += 1) {
      const world = openIssuedWorld()
      let writes = 0
      let met = false
      world.cluster.fail(({ method }) => {
        if (method === 'GET' || met) return false
        met = writes === at
        writes += 1
        return met
      }, fault)
      for (let turns = 0; turns < 6; turns += 1) {
        if (met) break
        await world.turn().catch(unlessBroken)
        sign(world)
      }
      assert.ok(met, `write ${at} is made`)
      if (kill) world.restart()
      await world.until('Finished')
      assert.ok(world.requests().length === 1, `write ${at}`)
    }
  })
}
