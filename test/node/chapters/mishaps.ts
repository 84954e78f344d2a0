import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import type { Node } from '../rig/node.ts'
import { ask } from '../stage/ask.ts'
import { agentPod, system } from '../stage/cast.ts'
import { canCall, researcher } from './calls.ts'

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly uid: string; readonly name: string }
    readonly status: {
      readonly conditions?: readonly { readonly type: string; readonly status: string }[]
      readonly containerStatuses?: readonly { readonly restartCount: number }[]
    }
  }[]
}

/** Every pod with how often its containers were started anew. */
async function podsOf(node: Node): Promise<readonly string[]> {
  const { items } = await node.get<Pods>('/api/v1/pods')
  return items
    .map(({ metadata, status }) => {
      const restarts = status.containerStatuses?.map(({ restartCount }) => restartCount) ?? []
      return `${metadata.uid} ${metadata.name} ${restarts.join()}`
    })
    .toSorted()
}

async function allReady(node: Node): Promise<boolean> {
  const { items } = await node.get<Pods>('/api/v1/pods')
  return items.every(({ status }) =>
    status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  )
}

async function scaleSigner(node: Node, replicas: number): Promise<void> {
  const name = `--namespace ${system} statefulset/countersign-signer`
  await node.kubectl(`scale ${name} --replicas=${replicas}`)
  await node.kubectl(`rollout status ${name} --timeout=120s`)
}

/** What the ledgers on the node's volumes hold. */
async function ledgersOf(node: Node): Promise<readonly string[]> {
  const volumes = join(node.folder, 'volumes')
  const files = (await readdir(volumes, { recursive: true })).filter((path) =>
    path.endsWith('ledger.jsonl'),
  )
  return Promise.all(files.toSorted().map((path) => readFile(join(volumes, path), 'utf8')))
}

/** How often kubelet said that it could not mount a pod's volumes. */
async function failedMounts(node: Node, pod: string): Promise<number> {
  const selector = encodeURIComponent(`involvedObject.name=${pod},reason=FailedMount`)
  const path = `/api/v1/namespaces/acme/events?fieldSelector=${selector}`
  const { items } = await node.get<{ items: readonly { count?: number }[] }>(path)
  return items.reduce((sum, { count = 1 }) => sum + count, 0)
}

interface Asked {
  readonly spec: { readonly podName: string }
  readonly status?: { readonly certificateChain?: string }
}

/** What kubelet has asked for a pod. */
async function requestsOf(node: Node, pod: string): Promise<readonly Asked[]> {
  const path = '/apis/certificates.k8s.io/v1/namespaces/acme/podcertificaterequests'
  const { items } = await node.get<{ items: readonly Asked[] }>(path)
  return items.filter(({ spec }) => spec.podName === pod)
}

/** What happens to nodes and to the signer, and what agents notice of it. */
export async function tellMishaps(t: TestContext, node: Node): Promise<void> {
  await t.test('kubelet is restarted: no pod is, and calls go on', async () => {
    const before = await podsOf(node)
    await node.restart('kubelet')
    await eventually('a call', () => canCall(node).catch(() => false), 60)
    assert.deepEqual(await podsOf(node), before)
  })

  await t.test('the node is rebooted: the same pods serve, on the same ledgers', async () => {
    await node.powerCut()
    const before = await ledgersOf(node)
    await node.boot()
    await eventually('every pod Ready', () => allReady(node), 120)
    await eventually('a call', () => canCall(node).catch(() => false), 60)
    const after = await ledgersOf(node)
    assert.ok(before.length > 0)
    assert.deepEqual(
      after.map((text, at) => text.slice(0, before[at]?.length)),
      before,
    )
    // The pods of the gateway asked again, so something was added to one of them.
    assert.notDeepEqual(after, before)
  })

  await t.test('the signer is away while a pod starts: the pod waits, and then runs', async () => {
    const set = `get --namespace ${system} statefulset/countersign-signer --output`
    const replicas = await node.kubectl(set, 'jsonpath={.spec.replicas}')
    await scaleSigner(node, 0)
    await node.apply(
      agentPod('acme', 'patient', 'researcher', { 'tool-scopes': 'github:issues_*' }),
    )
    // kubelet waits twice as long each time: the seventh comes after a minute.
    await eventually('seven tries', async () => (await failedMounts(node, 'patient')) >= 7, 120)
    assert.equal(await canCall(node), true)
    await scaleSigner(node, Number(replicas))
    await node.kubectl('wait --namespace acme --for=condition=Ready pod/patient --timeout=180s')
    assert.ok((await ask(node, { ...researcher, pod: 'patient' }, 'list')).ok)
    await node.kubectl('delete pod patient --namespace acme')
  })

  await t.test(
    'a pod that is deleted while its request waits is never given a certificate',
    async () => {
      const set = `get --namespace ${system} statefulset/countersign-signer --output`
      const replicas = await node.kubectl(set, 'jsonpath={.spec.replicas}')
      await scaleSigner(node, 0)
      await node.apply(
        agentPod('acme', 'hasty', 'researcher', { 'tool-scopes': 'github:issues_*' }),
      )
      await eventually('its request', async () => (await requestsOf(node, 'hasty')).length > 0, 60)
      const uid = await node.kubectl(
        'get pod hasty --namespace acme --output',
        'jsonpath={.metadata.uid}',
      )
      await node.kubectl('delete pod hasty --namespace acme')
      await scaleSigner(node, Number(replicas))
      // Whoever comes later is answered: what was asked before has been looked at.
      await node.apply(
        agentPod('acme', 'later', 'researcher', { 'tool-scopes': 'github:issues_*' }),
      )
      await node.kubectl('wait --namespace acme --for=condition=Ready pod/later --timeout=180s')
      const left = await requestsOf(node, 'hasty')
      assert.ok(left.every(({ status }) => status?.certificateChain === undefined))
      for (const ledger of await ledgersOf(node)) {
        const ofIt = ledger.split('\n').filter((line) => line.includes(uid))
        assert.ok(ofIt.every((line) => !line.includes('"issuance-intent"')))
      }
      await node.kubectl('delete pod later --namespace acme')
    },
  )
}
