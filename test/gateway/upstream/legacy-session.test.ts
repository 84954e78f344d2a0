import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSessionId } from '../../../src/gateway/upstream/legacy-session.ts'

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
