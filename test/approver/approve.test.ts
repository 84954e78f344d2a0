import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import {
  approvalWorld,
  nodeObject,
  noon,
  ownAddress,
  plural,
  storedRequest,
} from './approve-world.ts'
import { nodeName } from './request.ts'

const isApproval = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'PATCH' && path.endsWith('/approval')

test('an answer is recorded, written, and recorded as written', async () => {
  requirement('approver.recorded-first')
  const world = approvalWorld()
  world.cluster.put(plural, storedRequest())
  const handled = await world.handle()
  assert.equal(handled.kind, 'approved')
  assert.deepEqual(
    world.conditions().map(({ type, reason }) => `${type} ${reason}`),
    ['Approved EvidenceProved'],
  )
  assert.deepEqual(world.recorded(), ['approved unknown', 'approved published'])
  assert.equal(world.open.size, 0)
})

test('without a record nothing is answered', async () => {
  requirement('approver.recorded-first')
  const world = approvalWorld()
  world.cluster.put(plural, storedRequest())
  world.ledger.breakNext()
  await assert.rejects(world.handle(), { code: 'ledger/unavailable' })
  assert.deepEqual(world.conditions(), [])
})

const changes = {
  'the node has another address': nodeObject(nodeName, ['InternalIP', '10.77.0.9']),
  'the node is another one': {
    ...nodeObject(nodeName, ['Hostname', nodeName], ['InternalIP', ownAddress]),
    metadata: { name: nodeName, uid: 'another' },
  },
}

for (const [what, node] of Object.entries(changes)) {
  test(`nothing is approved on evidence of before the record: ${what} by then`, async () => {
    requirement('approver.recorded-first')
    const world = approvalWorld({
      meanwhile: (cluster, look) => {
        if (look !== 2) return
        cluster.remove('nodes', nodeName)
        cluster.put('nodes', node)
      },
    })
    world.cluster.put(plural, storedRequest())
    assert.equal((await world.handle()).kind, 'waits')
    assert.deepEqual(world.conditions(), [])
    assert.deepEqual(world.recorded(), ['approved unknown', 'approved unpublished'])
  })
}

test('a node that is deleted meanwhile has nothing approved', async () => {
  requirement('approver.recorded-first')
  const world = approvalWorld({
    meanwhile: (cluster, look) => look === 2 && cluster.remove('nodes', nodeName),
  })
  world.cluster.put(plural, storedRequest())
  assert.equal((await world.handle()).kind, 'waits')
  assert.match((await world.handle()).why, /there is no node node-b/)
  assert.deepEqual(world.conditions(), [])
})

test('an answer whose write was not answered is settled by the next look, and recorded once', async () => {
  requirement('approver.recorded-first')
  for (const fault of ['lose', 'drop'] as const) {
    const world = approvalWorld()
    world.cluster.put(plural, storedRequest())
    world.cluster.fail(isApproval, { kind: fault })
    assert.equal((await world.handle()).kind, 'waits', fault)
    assert.deepEqual(world.recorded(), ['approved unknown'])
    await world.handle()
    assert.deepEqual(world.recorded(), ['approved unknown', 'approved published'], fault)
    assert.equal(world.conditions().length, 1)
    assert.equal(world.open.size, 0)
  }
})

for (const status of [409, 422, 429, 500, 503]) {
  test(`a write that is refused with ${status} is tried again, under the same record`, async () => {
    const world = approvalWorld()
    world.cluster.put(plural, storedRequest())
    world.cluster.fail(isApproval, { kind: 'refuse', status })
    assert.equal((await world.handle()).kind, 'waits')
    assert.equal((await world.handle()).kind, 'approved')
    assert.deepEqual(world.recorded(), ['approved unknown', 'approved published'])
  })
}

test('a missing right is said, and the answer is recorded once however often it is tried', async () => {
  for (const [asked, kind] of [
    [undefined, 'approved'],
    [{ dnsNames: ['kubernetes'] }, 'denied'],
  ] as const) {
    const world = approvalWorld()
    world.cluster.put(plural, storedRequest(asked))
    world.cluster.fail(isApproval, { kind: 'refuse', status: 403 }, 5)
    for (let look = 0; look < 5; look += 1) {
      assert.match((await world.handle()).why, /does not let us approve/)
    }
    assert.deepEqual(world.recorded(), [`${kind} unknown`])
    assert.equal((await world.handle()).kind, kind)
    assert.deepEqual(world.recorded(), [`${kind} unknown`, `${kind} published`])
  }
})

test('what another approver has said meanwhile is not said to be ours', async () => {
  const world = approvalWorld()
  world.cluster.put(plural, storedRequest())
  world.cluster.fail(isApproval, { kind: 'drop' })
  await world.handle()
  const conditions = [{ type: 'Approved', status: 'True', reason: 'ByHand', message: '' }]
  world.cluster.put(plural, { ...storedRequest(), status: { conditions } })
  assert.equal((await world.handle()).kind, 'over')
  assert.deepEqual(world.recorded(), ['approved unknown', 'approved unpublished'])
})

test('a request that is made anew under a name is another one', async () => {
  requirement('approver.recorded-first')
  const world = approvalWorld()
  const { metadata, ...rest } = storedRequest()
  world.cluster.put(plural, { metadata: { ...metadata, uid: 'another' }, ...rest })
  assert.match((await world.handle()).why, /is gone/)
  assert.deepEqual(world.recorded(), [])
})

test('evidence that cannot be read is no reason to answer', async () => {
  const world = approvalWorld()
  world.cluster.put(plural, storedRequest())
  world.cluster.fail(({ path }) => path.includes('/nodes/'), { kind: 'refuse', status: 500 })
  await assert.rejects(world.handle(), { code: 'kubernetes/api' })
  assert.deepEqual(world.recorded(), [])
})

test('one node has so many certificates an hour, and others theirs', async () => {
  requirement('approver.storm-bounded')
  let now = noon
  const world = approvalWorld({ perHour: 2, now: () => now })
  for (const name of ['csr-1', 'csr-2', 'csr-3']) {
    world.cluster.put(plural, storedRequest(undefined, { name }))
  }
  world.cluster.put('nodes', nodeObject('node-c', ['InternalIP', '10.77.0.3']))
  const other = { commonName: 'system:node:node-c', addresses: ['10.77.0.3'] }
  world.cluster.put(
    plural,
    storedRequest(other, { name: 'csr-c', spec: { username: 'system:node:node-c' } }),
  )
  const kinds: string[] = []
  for (const name of ['csr-1', 'csr-2', 'csr-3', 'csr-c']) {
    kinds.push((await world.handle(name)).kind)
  }
  assert.deepEqual(kinds, ['approved', 'approved', 'waits', 'approved'])
  const waits = await world.handle('csr-3')
  assert.ok(waits.kind === 'waits' && (waits.seconds ?? 0) > 3500)
  now += 3_600_001
  assert.equal((await world.handle('csr-3')).kind, 'approved')
})
