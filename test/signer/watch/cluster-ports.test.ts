import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import {
  podCertificateRequests,
  type PodCertificateRequest,
} from '../../../src/kubernetes/pod-certificate-request.ts'
import { clusterPorts } from '../../../src/signer/watch/cluster-ports.ts'
import { deniedStatus } from '../../../src/signer/verdict/condition.ts'
import { denied } from '../../../src/signer/verdict/evaluate.ts'
import type { IssuancePorts } from '../../../src/signer/issue/ports.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeCluster, readsOf, statusWrites } from '../../support/fake-cluster.ts'
import { putRequest } from '../signer-world.ts'

const { signal } = new AbortController()
const field = { field: 'role', asked: 'a', proved: 'b', change: 'c' }
const status = deniedStatus(denied({ reason: 'RoleNotProved', fields: [field] }), new Date())

function portsOf(cluster: FakeCluster): IssuancePorts {
  return clusterPorts({
    client: cluster,
    version: 'v1',
    gatherer: {
      gather: () => Promise.reject(new Error('not asked for')),
      changed: () => undefined,
      knows: () => true,
    },
    now: Date.now,
    log: silentLog,
    metrics: silentMetrics,
  })
}

function stateOf(cluster: FakeCluster, name = 'req-1'): PodCertificateRequest {
  const raw = cluster.get('podcertificaterequests', name, 'team-a')
  return podCertificateRequests('v1').parse(raw)
}

test('a request is read under its own UID only', async () => {
  const cluster = new FakeCluster()
  putRequest(cluster)
  const ports = portsOf(cluster)
  const { metadata } = stateOf(cluster)
  assert.equal((await ports.read(metadata, signal))?.metadata.uid, 'uid-of-req-1')
  assert.equal(await ports.read({ ...metadata, uid: 'earlier-uid' }, signal), undefined)
  assert.equal(await ports.read({ ...metadata, name: 'no-such' }, signal), undefined)
})

test('a request that cannot be read is not taken for gone', async () => {
  const cluster = new FakeCluster()
  putRequest(cluster)
  const ports = portsOf(cluster)
  const { metadata } = stateOf(cluster)
  for (const fault of [
    { kind: 'drop' },
    { kind: 'refuse', status: 500 },
    { kind: 'refuse', status: 404 },
  ] as const) {
    cluster.fail(readsOf('podcertificaterequests'), fault)
    await assert.rejects(ports.read(metadata, signal))
  }
})

test('a write fits one state of one object', async () => {
  const cluster = new FakeCluster()
  putRequest(cluster)
  const ports = portsOf(cluster)
  const state = stateOf(cluster)
  const stale = { ...state, metadata: { ...state.metadata, resourceVersion: '0' } }
  assert.equal((await ports.publish(stale, status, signal)).kind, 'conflict')
  const other = { ...state, metadata: { ...state.metadata, uid: 'earlier-uid' } }
  assert.equal((await ports.publish(other, status, signal)).kind, 'conflict')
  assert.equal((await ports.publish(state, status, signal)).kind, 'written')
  assert.equal(stateOf(cluster).status.terminal?.condition, 'Denied')
  assert.equal((await ports.publish(stateOf(cluster), status, signal)).kind, 'conflict')
})

test('answers that do not come leave the outcome unknown', async () => {
  const cluster = new FakeCluster()
  putRequest(cluster)
  const ports = portsOf(cluster)
  cluster.fail(statusWrites, { kind: 'drop' })
  assert.equal((await ports.publish(stateOf(cluster), status, signal)).kind, 'unknown')
  cluster.fail(statusWrites, { kind: 'lose' })
  assert.equal((await ports.publish(stateOf(cluster), status, signal)).kind, 'unknown')
  assert.equal(stateOf(cluster).status.terminal?.condition, 'Denied')
})

test('an aborted write is an abort and no answer', async () => {
  const cluster = new FakeCluster()
  putRequest(cluster)
  const aborted = AbortSignal.abort(new Error('drain is over'))
  await assert.rejects(portsOf(cluster).publish(stateOf(cluster), status, aborted), {
    message: 'drain is over',
  })
})

test('an event is written beside, on the pod, and fails in silence', async () => {
  const cluster = new FakeCluster()
  const ports = portsOf(cluster)
  const pod = { namespace: 'team-a', name: 'worker-0', uid: 'pod-uid' }
  cluster.fail(({ path }) => path.endsWith('/events'), { kind: 'refuse', status: 403 })
  ports.emitEvent({ pod, type: 'Normal', reason: 'CertificateIssued', message: 'm' })
  ports.emitEvent({ pod, type: 'Normal', reason: 'CertificateIssued', message: 'm' })
  await eventually('the other event', () => cluster.list('events').length === 1)
  assert.deepEqual(cluster.list('events')[0]?.['involvedObject'], {
    apiVersion: 'v1',
    kind: 'Pod',
    ...pod,
  })
})
