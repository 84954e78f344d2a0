import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { approvalWorld, noon, plural, storedRequest } from './approve-world.ts'

const isWrite = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'PATCH' && path.endsWith('/approval')

/** Eight requests of node-b, all right. */
function eight(options: Parameters<typeof approvalWorld>[0]): {
  readonly world: ReturnType<typeof approvalWorld>
  readonly names: readonly string[]
} {
  const world = approvalWorld(options)
  const names = Array.from({ length: 8 }, (_, at) => `csr-${at}`)
  for (const name of names) world.cluster.put(plural, storedRequest(undefined, { name }))
  return { world, names }
}

test('requests that are looked at together have no more certificates than one after the other', async () => {
  requirement('approver.storm-bounded')
  const { world, names } = eight({ perHour: 3 })
  const kinds = await Promise.all(names.map(async (name) => (await world.handle(name)).kind))
  assert.equal(kinds.filter((kind) => kind === 'approved').length, 3)
})

test('an approval that was not written is none of an hour’s', async () => {
  requirement('approver.storm-bounded')
  const world = approvalWorld({ perHour: 1 })
  world.cluster.put(plural, storedRequest())
  for (const status of [409, 429, 500]) {
    world.cluster.fail(isWrite, { kind: 'refuse', status })
    assert.match((await world.handle()).why, /was not written/)
  }
  const isOfNodes = ({ path }: { path: string }): boolean => path.endsWith('/nodes/node-b')
  let looks = 0
  world.cluster.fail((sent) => isOfNodes(sent) && ++looks === 2, { kind: 'refuse', status: 500 })
  await assert.rejects(world.handle(), { code: 'kubernetes/api' })
  assert.equal((await world.handle()).kind, 'approved')
})

test('an approval whose write was not answered is one of an hour’s once it is seen', async () => {
  requirement('approver.storm-bounded')
  let now = noon
  const { world } = eight({ perHour: 1, now: () => now })
  world.cluster.fail(isWrite, { kind: 'lose' })
  assert.match((await world.handle('csr-0')).why, /was not written/)
  assert.equal((await world.handle('csr-0')).kind, 'over')
  assert.equal((await world.handle('csr-1')).kind, 'waits')
  now += 3_600_001
  assert.equal((await world.handle('csr-1')).kind, 'approved')
})

test('a requester of much that is wrong has so many denials an hour, and nothing on record beyond', async () => {
  requirement('approver.storm-bounded')
  let now = noon
  const world = approvalWorld({ denialsPerHour: 2, now: () => now })
  const wrong = { dnsNames: ['kubernetes'] }
  for (const name of ['csr-1', 'csr-2', 'csr-3']) {
    world.cluster.put(plural, storedRequest(wrong, { name }))
  }
  const username = 'system:node:node-c'
  const other = storedRequest({ ...wrong, commonName: username }, { name: 'c', spec: { username } })
  world.cluster.put(plural, other)
  world.cluster.put(plural, storedRequest(undefined, { name: 'right' }))
  const kinds: string[] = []
  for (const name of ['csr-1', 'csr-2', 'csr-3', 'c', 'right']) {
    kinds.push((await world.handle(name)).kind)
  }
  assert.deepEqual(kinds, ['denied', 'denied', 'waits', 'denied', 'approved'])
  assert.equal(world.recorded().length, 8)
  now += 3_600_001
  assert.equal((await world.handle('csr-3')).kind, 'denied')
})

test('a request whose name is as long as no kubelet makes one is left, and not recorded', async () => {
  requirement('approver.storm-bounded')
  const world = approvalWorld()
  const name = 'n'.repeat(254)
  world.cluster.put(plural, storedRequest({ dnsNames: ['kubernetes'] }, { name }))
  assert.deepEqual(await world.handle(name), {
    kind: 'left',
    why: 'its name is longer than 253 characters',
    reason: 'AnotherApprovers',
  })
  assert.deepEqual(world.recorded(), [])
})
