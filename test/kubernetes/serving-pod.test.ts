import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podControllers } from '../../src/kubernetes/pod-controller.ts'
import { servingPods } from '../../src/kubernetes/serving-pod.ts'

const metadata = { name: 'a', namespace: 'tools', uid: 'u', resourceVersion: '1' }
const ready = (status: string): object => ({ conditions: [{ type: 'Ready', status }] })

for (const [title, status, want] of [
  ['nothing is known of', {}, { isOver: false, isReady: false, hasRun: false }],
  [
    'waits for its volumes',
    {
      phase: 'Pending',
      containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }],
    },
    { isOver: false, isReady: false, hasRun: false },
  ],
  [
    'is initialized',
    { phase: 'Pending', initContainerStatuses: [{ state: { running: {} } }] },
    { isOver: false, isReady: false, hasRun: true },
  ],
  [
    'was initialized once',
    {
      phase: 'Pending',
      initContainerStatuses: [{ state: { waiting: {} }, lastState: { terminated: {} } }],
    },
    { isOver: false, isReady: false, hasRun: true },
  ],
  [
    'runs and is not ready',
    { phase: 'Running', ...ready('False') },
    { isOver: false, isReady: false, hasRun: true },
  ],
  [
    'is ready',
    { phase: 'Running', ...ready('True') },
    { isOver: false, isReady: true, hasRun: true },
  ],
  ['has failed', { phase: 'Failed' }, { isOver: true, isReady: false, hasRun: true }],
  ['is done', { phase: 'Succeeded' }, { isOver: true, isReady: false, hasRun: true }],
] as const) {
  test(`a pod that ${title}: has it run, is it ready`, () => {
    const { metadata: _, ...read } = servingPods.parse({ metadata, status })
    assert.deepEqual(read, want)
  })
}

for (const [kind, object, wanted] of [
  ['ReplicaSet', { spec: { replicas: 0 } }, 0],
  ['ReplicaSet', { spec: {} }, 1],
  ['StatefulSet', { spec: { replicas: 3 } }, 3],
  ['DaemonSet', { spec: {}, status: { desiredNumberScheduled: 4 } }, 4],
  ['DaemonSet', { spec: {} }, 0],
] as const) {
  test(`a ${kind} with ${JSON.stringify(object)} wants ${wanted} pods`, () => {
    assert.equal(podControllers[kind]?.parse({ metadata, ...object }).wanted, wanted)
  })
}
