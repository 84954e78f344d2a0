import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  askedAnewAt,
  onceMoreRefused,
  refusedAnnotation,
} from '../../../src/signer/anchors/refused-requests.ts'
import { requirement } from '../../requirements.ts'

const now = Date.parse('2026-12-01T00:00:00Z')

function secondsAfter(times: number): number {
  let annotations: Readonly<Record<string, string>> = {}
  for (let time = 0; time < times; time += 1) {
    annotations = { [refusedAnnotation]: onceMoreRefused(annotations, now) }
  }
  return ((askedAnewAt(annotations, now) ?? NaN) - now) / 1000
}

test('after each refusal the next request is asked for later, half an hour at least in the end', () => {
  requirement('signer.asks-for-its-ca-once')
  const seconds = [1, 2, 3, 6, 7, 98, 99, 100, 101].map(secondsAfter)
  assert.deepEqual(seconds, [30, 60, 120, 960, 1800, 1800, 1800, 1800, 1800])
})

test('what says nothing, or is of a clock that was ahead, keeps nobody waiting', () => {
  assert.equal(askedAnewAt({}, now), undefined)
  for (const said of [
    '',
    '3',
    '0 2026-11-30T23:59:00Z',
    '3 yesterday',
    '100 2026-11-30T23:59:00Z',
  ]) {
    assert.equal(askedAnewAt({ [refusedAnnotation]: said }, now), undefined, said)
  }
  assert.equal(askedAnewAt({ [refusedAnnotation]: '3 2026-12-01T00:00:01Z' }, now), undefined)
})
