import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { createKeyHistory } from '../../../src/signer/issue/key-history.ts'
import { requirement } from '../../requirements.ts'

const hour = 3_600_000

function keyOf(text: string): string {
  return hash('sha256', text, 'hex')
}

test('a key stays with its first pod until a day after its certificate', () => {
  requirement('signer.key-of-one-pod')
  let now = 0
  const keys = createKeyHistory(() => now)
  keys.remember(keyOf('k'), { podUid: 'p1', requestUid: 'r' }, hour)
  keys.remember(keyOf('k'), { podUid: 'p2', requestUid: 'r' }, 9 * hour)
  assert.equal(keys.ownerOf(keyOf('k')), 'p1')
  keys.remember(keyOf('k'), { podUid: 'p1', requestUid: 'r' }, 2 * hour)
  now = 2 * hour
  assert.equal(keys.ownerOf(keyOf('k')), 'p1')
  now += 1
  assert.equal(keys.ownerOf(keyOf('k')), undefined)
  keys.remember(keyOf('k'), { podUid: 'p2', requestUid: 'r' }, 9 * hour)
  assert.equal(keys.ownerOf(keyOf('k')), 'p2')
})

test('expired keys are swept out, living ones are not', () => {
  let now = 0
  const keys = createKeyHistory(() => now)
  keys.remember(keyOf('old'), { podUid: 'p', requestUid: 'r' }, 1)
  keys.remember(keyOf('living'), { podUid: 'p', requestUid: 'r' }, hour)
  now = 2
  for (let index = 0; index < 2048; index += 1)
    keys.remember(keyOf(`k${index}`), { podUid: 'p', requestUid: 'r' }, hour)
  assert.equal(keys.ownerOf(keyOf('living')), 'p')
  now = 0
  assert.equal(keys.ownerOf(keyOf('old')), undefined)
})

test('of thousands of keys each is still the pod’s that had it first, whatever comes and goes', () => {
  requirement('signer.key-of-one-pod')
  let now = 1
  const keys = createKeyHistory(() => now)
  const model = new Map<string, { readonly pod: string; until: number }>()
  for (let index = 0; index < 20_000; index += 1) {
    now += 1
    const key = keyOf(`${(index * 7919) % 12_000}`)
    const pod = `pod-${index % 613}`
    const until = now + ((index * 31) % 9000)
    const held = model.get(key)
    if (held === undefined || held.until < now) model.set(key, { pod, until })
    else if (held.pod === pod) held.until = Math.max(held.until, until)
    keys.remember(key, { podUid: pod, requestUid: '' }, until)
  }
  for (const [key, { pod, until }] of model) {
    assert.equal(keys.ownerOf(key), until < now ? undefined : pod)
  }
})

test('keys of whom the first half is the same are still two keys', () => {
  const keys = createKeyHistory(() => 1)
  const [one, other] = ['0'.repeat(24) + '0'.repeat(40), '0'.repeat(24) + '1'.repeat(40)]
  keys.remember(one, { podUid: 'p1', requestUid: '' }, hour)
  assert.equal(keys.ownerOf(other), undefined)
  keys.remember(other, { podUid: 'p2', requestUid: '' }, hour)
  assert.deepEqual([keys.ownerOf(one), keys.ownerOf(other)], ['p1', 'p2'])
})

test('what a pod asked by itself has its request, until the key is forgotten, and a kubelet’s has none', () => {
  let now = 1
  const keys = createKeyHistory(() => now)
  keys.remember(keyOf('own'), { podUid: 'p', requestUid: 'csr-1' }, hour)
  keys.remember(keyOf('own'), { podUid: 'p', requestUid: 'csr-2' }, hour)
  keys.remember(keyOf('of-kubelet'), { podUid: 'p', requestUid: '' }, hour)
  const requests = (): readonly (string | undefined)[] =>
    ['own', 'of-kubelet', 'unknown'].map((name) => keys.requestOf(keyOf(name)))
  assert.deepEqual(requests(), ['csr-1', '', undefined])
  now = hour + 1
  assert.deepEqual(requests(), [undefined, undefined, undefined])
})
