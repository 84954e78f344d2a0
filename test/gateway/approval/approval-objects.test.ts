import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openApprovalObjects } from '../../../src/gateway/approval/approval-objects.ts'
import { createApiClient } from '../../../src/kubernetes/api-client.ts'
import { requirement } from '../../requirements.ts'
import { startFakeApiServer, statusAnswer } from '../../support/fake-api-server.ts'

const name = 'aaaaaaaaaaaaaaaaaaaaaaaa'
const path = `/apis/countersign.dev/v1alpha1/namespaces/system/approvals`
const object = {
  metadata: { name, namespace: 'system', uid: 'u1', resourceVersion: '7' },
  spec: { sealed: 'abc', deadline: '2026-11-29T20:00:00.000Z' },
}
const kept = {
  name,
  ...object.spec,
  version: { uid: 'u1', resourceVersion: '7' },
}

test('an approval is read, made, changed and deleted as the very object that was read', async () => {
  requirement('gateway.approval-used-once')
  await using server = await startFakeApiServer()
  const client = createApiClient({
    kubeconfig: server.kubeconfig,
    environment: {},
    userAgent: 'test',
  })
  const store = openApprovalObjects({ client, namespace: 'system' })
  server.script({ body: object }, { status: 201, body: object }, { body: object }, { body: {} })
  assert.deepEqual(await store.read(name), kept)
  assert.equal(await store.create(kept), true)
  assert.equal(await store.replace(kept, 'def'), true)
  assert.equal(await store.remove(kept), true)
  const [read, made, changed, deleted] = server.requests
  assert.deepEqual([read?.method, read?.path], ['GET', `${path}/${name}`])
  assert.deepEqual([made?.method, made?.path], ['POST', path])
  assert.equal(changed?.method, 'PATCH')
  assert.deepEqual(changed.body, { spec: { sealed: 'def' }, metadata: kept.version })
  assert.equal(deleted?.method, 'DELETE')
  assert.deepEqual(deleted.body, {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: kept.version,
  })
  client.close()
})

test('of what is another one by now nothing is changed, and what cannot be known is no answer', async () => {
  requirement('gateway.approval-used-once')
  await using server = await startFakeApiServer()
  const client = createApiClient({
    kubeconfig: server.kubeconfig,
    environment: {},
    userAgent: 'test',
  })
  const store = openApprovalObjects({ client, namespace: 'system' })
  const gone = statusAnswer(404, 'NotFound')
  const conflict = statusAnswer(409, 'Conflict')
  server.script(gone, statusAnswer(409, 'AlreadyExists'), conflict, conflict, gone)
  assert.equal(await store.read(name), undefined)
  assert.equal(await store.create(kept), false)
  assert.equal(await store.replace(kept, 'def'), false)
  assert.equal(await store.remove(kept), false)
  assert.equal(await store.remove(kept), false)
  for (const answer of [statusAnswer(403, 'Forbidden'), statusAnswer(500, 'InternalError')]) {
    server.script(answer, answer)
    await assert.rejects(store.remove(kept))
    await assert.rejects(store.read(name))
  }
  client.close()
})
