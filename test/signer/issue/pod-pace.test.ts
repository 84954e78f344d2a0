import assert from 'node:assert/strict'
import { test } from 'node:test'
import { certificatesPerHour, createPodPace } from '../../../src/signer/issue/pod-pace.ts'
import { requirement } from '../../requirements.ts'

const hour = 3_600_000

test('a pod waits until the first of its last ten is an hour old, and another pod does not', () => {
  requirement('signer.pods-ask')
  let now = 0
  const pace = createPodPace(() => now)
  for (let at = 0; at < certificatesPerHour; at += 1) {
    now = at * 1000
    assert.equal(pace.wait('pod'), 0)
    pace.note('pod', now)
  }
  assert.equal(pace.wait('pod'), (hour - now) / 1000)
  assert.equal(pace.wait('other'), 0)
  now = hour
  assert.equal(pace.wait('pod'), 0)
  pace.note('pod', now)
  assert.equal(pace.wait('pod'), 1)
})

test('what a ledger tells late counts from when it was, and what is long over is forgotten', () => {
  let now = 10 * hour
  const pace = createPodPace(() => now)
  for (let at = 0; at < certificatesPerHour; at += 1) pace.note('pod', now - 30_000)
  assert.equal(pace.wait('pod'), 3570)
  now += 2 * hour
  for (let at = 0; at < 2048; at += 1) pace.note(`pod-${at}`, now)
  assert.equal(pace.wait('pod'), 0)
})
