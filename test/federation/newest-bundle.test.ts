import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNewestBundle } from '../../src/federation/newest-bundle.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const bundle = (): ReturnType<typeof createTestAuthority>['bundle'] =>
  createTestAuthority({ trustDomain: 'b.example' }).bundle

test('what was read last counts, until somebody gives another one, which counts until something else is read', () => {
  requirement('federation.endpoint-proved')
  const newest = createNewestBundle()
  const [first, read, second, later] = [bundle(), bundle(), bundle(), bundle()]
  assert.equal(newest(first, undefined), first)
  assert.equal(newest(first, undefined), first)
  assert.equal(newest(first, read), read)
  assert.equal(newest(second, read), second)
  // The endpoint was away, or said what it had said before.
  assert.equal(newest(second, read), second)
  assert.equal(newest(second, later), later)
  assert.equal(newest(second, later), later)
})
