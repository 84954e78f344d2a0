import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createApiClient } from '../../../src/kubernetes/api-client.ts'
import { silentLog } from '../../../src/log.ts'
import { startNodeLease } from '../../../dev/kubelet/node-lease.ts'
import { eventually } from '../../support/eventually.ts'
import { startApiWorld } from '../control-plane/api-world.ts'

test('a node says that it lives by its own clock, again and again', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-lease-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await using world = await startApiWorld()
  const user = { name: 'system:node:node-a', groups: ['system:nodes'] }
  const client = createApiClient({ kubeconfig: await world.kubeconfig(join(folder, 'k'), user) })
  t.after(() => client.close())
  let clock = Date.parse('2026-01-01T00:00:00Z')
  const waits: number[] = []
  const woken: (() => void)[] = []
  const delay = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      waits.push(milliseconds)
      woken.push(resolve)
      signal?.addEventListener('abort', () => resolve(), { once: true })
    })
  await using _ = startNodeLease({
    client,
    nodeName: 'node-a',
    now: () => clock,
    delay,
    log: silentLog,
  })
  const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-a'
  const times = ['2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:07.000000Z']
  for (const [round, renewTime] of times.entries()) {
    await eventually('a renewal', () => waits.length > round)
    const { spec } = (await world.admin.get(path)).body
    assert.deepEqual(spec, {
      holderIdentity: 'node-a',
      leaseDurationSeconds: 40,
      renewTime,
    })
    clock += 7000
    woken.at(-1)?.()
  }
  assert.equal(waits[0], 10_000)
})
