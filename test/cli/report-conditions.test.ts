import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reportConditions } from '../../src/cli/report-conditions.ts'
import { silentLog } from '../../src/log.ts'
import type { Condition } from '../../src/readiness.ts'

test('every condition is logged at the start, and then each change of one, with its reason', () => {
  const said: object[] = []
  const say = (fields: object): void => void said.push(fields)
  let rights: Condition = { name: 'rights', ok: false, reason: 'missing: list pods' }
  let upstream: Condition = { name: 'upstream a', ok: false, reason: 'gone', optional: true }
  let look = (): void => {}
  let stopped = false
  {
    using _ = reportConditions({
      conditions: () => [{ name: 'policy', ok: true, reason: 'revision 1' }, rights, upstream],
      log: { ...silentLog, info: say, warn: say },
      every: (_milliseconds, again) => {
        look = again
        return () => (stopped = true)
      },
    })
    look()
    rights = { ...rights, reason: 'missing: list nodes' }
    look()
    rights = { name: 'rights', ok: true, reason: 'all are given' }
    upstream = { ...upstream, ok: true }
    look()
  }
  assert.deepEqual(said, [
    {
      ready: false,
      ok: ['policy'],
      missing: { rights: 'missing: list pods' },
      warnings: { 'upstream a': 'gone' },
    },
    { ready: true, ok: ['rights', 'upstream a'] },
  ])
  assert.equal(stopped, true)
})
