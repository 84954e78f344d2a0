import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseBounce, seeBounce } from '../../src/issued/bounce.ts'
import { servingPods, type ServingPod } from '../../src/kubernetes/serving-pod.ts'
import { requirement } from '../requirements.ts'

const selectors = [{ labels: { app: 'a', tier: 'x' } }]
const controller = { kind: 'ReplicaSet', name: 'a', uid: 'of-a' }

function pod(name: string, labels: object = { app: 'a', tier: 'x' }, owned = true): ServingPod {
  const owner = { apiVersion: 'apps/v1', ...controller, controller: true }
  return servingPods.parse({
    metadata: {
      name,
      namespace: 'tools',
      uid: name,
      resourceVersion: '1',
      labels,
      ownerReferences: owned ? [owner] : [],
    },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  })
}

test('what has all of the labels is chosen, by its controller; those of none are not forgotten', () => {
  const pods = [pod('a-0'), pod('a-1'), pod('other', { app: 'a' }), pod('bare', undefined, false)]
  assert.deepEqual(chooseBounce(selectors, pods), {
    kind: 'choose',
    chosen: [
      { controller, pods: ['a-0', 'a-1'] },
      { controller: undefined, pods: ['bare'] },
    ],
  })
})

test('of more pods than can be recorded none is restarted', () => {
  const pods = Array.from({ length: 1001 }, (_, at) => pod(`a-${at}`))
  const why = 'podsToBounce: pods want<=1000 got=1001'
  assert.deepEqual(chooseBounce(selectors, pods), { kind: 'stuck', why, left: undefined })
})

test('a pod whose controller is gone, or has another UID, is not evicted: nobody makes it anew', () => {
  requirement('issued.restart-undoes-nothing')
  const chosen = [{ controller, pods: ['a-0'] }]
  const facts = { selectors, pods: [pod('a-0')], wanted: new Map([['another', 1]]) }
  const seen = seeBounce(chosen, facts)
  assert.equal(seen.kind, 'stuck')
})

test('what was scaled down meanwhile is not waited for', () => {
  const chosen = [{ controller, pods: ['a-0', 'a-1', 'a-2'] }]
  const wanted = new Map([['of-a', 2]])
  const seen = seeBounce(chosen, { selectors, pods: [pod('a-0'), pod('new')], wanted })
  assert.ok(seen.kind === 'evict' && seen.pod.name === 'a-0' && seen.left === 1)
})

test('what the resource selects no more is left alone', () => {
  const chosen = [{ controller, pods: ['a-0'] }]
  const wanted = new Map([['of-a', 1]])
  const others = [{ labels: { app: 'b' } }]
  assert.deepEqual(seeBounce(chosen, { selectors: others, pods: [pod('a-0')], wanted }), {
    kind: 'over',
  })
})
