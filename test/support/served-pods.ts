import assert from 'node:assert/strict'
import { eventually } from './eventually.ts'
import { create, namespace } from './issued-site.ts'
import type { PlainClient } from './plain-client.ts'

/*
 * Pods of a ReplicaSet on an API server without controllers and kubelets: the test is both, and writes what they would.
 */

const root = `/api/v1/namespaces/${namespace}/pods`

export interface ServedPods {
  names(): Promise<readonly string[]>
  /** Until one of them is ending. */
  untilEnding(): Promise<void>
  /** What ends is gone, and another one is there and ready. */
  replace(): Promise<void>
}

interface RawPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
}

export async function openServedPods(
  admin: PlainClient,
  { app, replicas }: { readonly app: string; readonly replicas: number },
): Promise<ServedPods> {
  const labels = { app }
  const spec = {
    nodeName: 'node-b',
    serviceAccountName: 'search',
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'example.invalid/main' }],
  }
  const { uid } = await create(admin, `/apis/apps/v1/namespaces/${namespace}/replicasets`, {
    metadata: { name: app },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  })
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid, controller: true }
  let made = 0

  async function add(): Promise<void> {
    const name = `${app}-${made}`
    made += 1
    await create(admin, root, { metadata: { name, labels, ownerReferences: [owner] }, spec })
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
    const path = `${root}/${name}/status`
    const answer = await admin({ method: 'PATCH', path, body: { status } })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
  }

  async function list(): Promise<readonly RawPod[]> {
    const { body } = await admin({ path: `${root}?labelSelector=app%3D${app}` })
    return body.items
  }

  const ending = async (): Promise<RawPod | undefined> =>
    (await list()).find(({ metadata }) => metadata.deletionTimestamp !== undefined)

  for (let at = 0; at < replicas; at += 1) await add()
  return {
    names: async () => (await list()).map(({ metadata }) => metadata.name).toSorted(),
    untilEnding: () => eventually('a pod is ending', async () => (await ending()) !== undefined),
    async replace() {
      const pod = await ending()
      assert.ok(pod !== undefined, 'a pod is ending')
      const path = `${root}/${pod.metadata.name}?gracePeriodSeconds=0`
      const answer = await admin({ method: 'DELETE', path })
      assert.equal(answer.status, 200, JSON.stringify(answer.body))
      await add()
    },
  }
}

/** A budget that allows nothing, until told. */
export async function createBudget(
  admin: PlainClient,
  app: string,
): Promise<{ allow(): Promise<void>; remove(): Promise<void> }> {
  const budgets = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`
  const path = `${budgets}/${app}`
  const spec = { minAvailable: 1, selector: { matchLabels: { app } } }
  await create(admin, budgets, { metadata: { name: app }, spec })
  return {
    async allow() {
      const counts = { currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 }
      const status = { observedGeneration: 1, disruptionsAllowed: 1, ...counts }
      const answer = await admin({ method: 'PATCH', path: `${path}/status`, body: { status } })
      assert.equal(answer.status, 200, JSON.stringify(answer.body))
    },
    async remove() {
      assert.equal((await admin({ method: 'DELETE', path })).status, 200)
    },
  }
}
