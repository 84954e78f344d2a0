import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { fuzzHandles } from './fuzz-handles.ts'

test('of handles that are nearly right, or in other hands, none is of use, and none tells what it holds', async () => {
  requirement('attack.handles-taken-over')
  const { cases, worked, kinds } = await fuzzHandles({ seed: 1, cases: Array(400).keys() })
  assert.equal(cases, 400)
  assert.ok(worked > 20, `some are right: got=${worked}`)
  assert.equal(kinds.size, 8)
  for (const [kind, count] of kinds) assert.ok(count >= 20, `${kind}: got=${count}`)
})
