import assert from 'node:assert/strict'
import type { Cluster } from '../../dev/cluster.ts'
import { watchPods } from '../../src/gateway/caller/pod-watch.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { createObject } from '../../src/kubernetes/objects.ts'
import { namespaces, pods, serviceAccounts } from '../../src/kubernetes/workloads.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics, type Metrics } from '../../src/metrics.ts'
import { startGatherer } from '../../src/signer/watch/gather.ts'
import { requirement } from '../requirements.ts'
import { eventually } from './eventually.ts'

const namespace = 'hostile'

/** Never run: no node is named, and the arguments are 8.4 MB of JSON as Go escapes them. */
async function createHeavyPod(client: ApiClient, name: string): Promise<string> {
  const container = { name: 'c', image: 'none', args: ['<'.repeat(1_400_000)] }
  const { metadata } = await createObject(client, pods, {
    namespace,
    body: { metadata: { name, namespace }, spec: { containers: [container] } },
  })
  return metadata.uid
}

/** What a tenant may make of objects that the API server takes stops neither program's watches. */
export async function checkHostileObjects(cluster: Cluster): Promise<void> {
  requirement('kubernetes.hostile-objects')
  const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
  const counted: string[] = []
  const metrics: Metrics = {
    ...silentMetrics,
    count: (name, labels) => counted.push(`${name} ${labels?.['cause'] ?? labels?.['resource']}`),
  }
  try {
    await createObject(client, namespaces, { body: { metadata: { name: namespace } } })
    await createObject(client, serviceAccounts, {
      namespace,
      body: { metadata: { name: 'default', namespace } },
    }).catch(() => {})
    await using gatherer = startGatherer({ client, log: silentLog, metrics })
    await using source = await watchPods({ client, log: silentLog, metrics, now: Date.now })
    await gatherer.synced
    let changes = 0
    source.onChange(() => (changes += 1))
    const uids: string[] = []
    for (let at = 0; at < 9; at += 1) uids.push(await createHeavyPod(client, `heavy-${at}`))
    // In the watch, and in a list of their own.
    await using later = startGatherer({ client, log: silentLog, metrics })
    await later.synced
    for (const each of [gatherer, later]) {
      await eventually('every watch is followed', () =>
        each.conditions().every(({ reason }) => reason === 'followed'),
      )
    }
    const [first = '', last = ''] = [uids.at(0), uids.at(-1)]
    assert.equal(await source.alive(first, namespace, 'heavy-0'), true)
    await client.request({
      method: 'DELETE',
      path: `/api/v1/namespaces/${namespace}/pods/heavy-0`,
      body: { gracePeriodSeconds: 0 },
    })
    await eventually('the deletion is told', () => changes > 0)
    await eventually('it is gone', async () => !(await source.alive(first, namespace, 'heavy-0')))
    assert.equal(await source.alive(last, namespace, 'heavy-8'), true)
    await eventually('what is known is fresh', () => source.staleSeconds === 0)
    // An API server on a busy machine ends a watch whose client cannot keep up: that is its own, and nothing of an object's.
    const faults = counted.filter((each) => each !== 'countersign_watch_restarts_total ended')
    assert.deepEqual(faults, [])
  } finally {
    client.close()
  }
}
