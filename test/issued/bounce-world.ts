import assert from 'node:assert/strict'
import type { RawObject } from '../support/fake-cluster.ts'
import { openIssuedWorld, place, unlessBroken, type IssuedWorld } from './issued-world.ts'

const { namespace } = place
const started = { initContainerStatuses: [], containerStatuses: [{ state: { running: {} } }] }

export interface PodsOptions {
  readonly kind?: string
  readonly replicas?: number
  /** Of the pods that are there at first. */
  readonly ready?: boolean
}

export interface BounceWorld extends IssuedWorld {
  /** UIDs, as they were evicted. */
  readonly evicted: string[]
  /** Pods of a controller, `app` being the label of all; the UIDs are `<app>-0` and so on. */
  addPods(app: string, options?: PodsOptions): void
  /** Controllers and kubelets make one move each: what ends is gone, what is missing is there, what was there before is ready. */
  move(): void
  /** Turns and moves, until the state is told. */
  bounceUntil(state: string): Promise<void>
  pods(): readonly RawObject[]
}

/** A world with pods that are to be restarted, and what is promised of that held at each eviction. */
export function openBounceWorld(spec: object = {}): BounceWorld {
  const world = openIssuedWorld({ podsToBounce: [{ labels: { app: 'search' } }], ...spec })
  const { cluster } = world
  const evicted: string[] = []
  let made = 0
  const pods = (): readonly RawObject[] => cluster.list('pods')

  cluster.evict = (pod) => {
    const uid = String(pod.metadata['uid'])
    assert.ok(!evicted.includes(uid), `${uid} is evicted once`)
    assert.ok(uid.startsWith('old-'), `${uid} had run before`)
    assert.ok(chosenOf(cluster.get('secrets', place.secret, namespace)).includes(uid), 'recorded')
    const others = pods().filter((each) => each !== pod && ownerOf(each) === ownerOf(pod))
    const lacking = others.filter((each) => !isReady(each) && !isOld(each))
    assert.deepEqual(lacking, [], 'what was restarted before is ready')
    assert.ok(others.length + 1 >= wantedOf(cluster, ownerOf(pod)), 'no pod is missing')
    evicted.push(uid)
    const deletionTimestamp = new Date(world.clock.now).toISOString()
    cluster.put('pods', { ...pod, metadata: { ...pod.metadata, deletionTimestamp } })
  }

  const putPod = (app: string, uid: string, owner: object, isReadyNow: boolean): void => {
    const status = { ...started, phase: 'Running', conditions: readiness(isReadyNow) }
    const metadata = { name: uid, namespace, uid, labels: { app }, ownerReferences: [owner] }
    cluster.put('pods', { metadata, status })
  }

  return Object.assign(world, {
    evicted,
    pods,
    addPods(app: string, options: PodsOptions = {}) {
      const { kind = 'ReplicaSet', replicas = 3, ready = true } = options
      const owner = { apiVersion: 'apps/v1', kind, name: app, uid: `of-${app}`, controller: true }
      cluster.put(`${kind.toLowerCase()}s`, {
        metadata: { name: app, namespace, uid: `of-${app}` },
        spec: { replicas },
        status: { desiredNumberScheduled: replicas },
      })
      for (let at = 0; at < replicas; at += 1) putPod(app, `old-${app}-${at}`, owner, ready)
    },
    move() {
      for (const pod of pods()) {
        const { name, labels, ownerReferences, deletionTimestamp } = pod.metadata
        const { app = '' } = labels as { app?: string }
        if (deletionTimestamp !== undefined) {
          cluster.remove('pods', name, namespace)
          made += 1
          const [owner] = ownerReferences as readonly object[]
          putPod(app, `new-${app}-${made}`, owner ?? {}, false)
        } else if (!isOld(pod)) {
          cluster.put('pods', { ...pod, status: { ...started, conditions: readiness(true) } })
        }
      }
    },
    async bounceUntil(state: string) {
      for (let turns = 0; world.certificate().state !== state; turns += 1) {
        assert.ok(turns < 200, `${state} is not reached: ${world.states.join(' ')}`)
        const again = await world.turn().catch(unlessBroken)
        world.clock.now += (again?.againSeconds ?? 0) * 1000
        this.move()
      }
    },
  })
}

function readiness(isReadyNow: boolean): readonly object[] {
  return [{ type: 'Ready', status: isReadyNow ? 'True' : 'False' }]
}

function isReady(pod: RawObject): boolean {
  const { conditions } = pod['status'] as { conditions: readonly { status: string }[] }
  return conditions[0]?.status === 'True' && pod.metadata['deletionTimestamp'] === undefined
}

function isOld({ metadata }: RawObject): boolean {
  return String(metadata['uid']).startsWith('old-')
}

function ownerOf({ metadata }: RawObject): string | undefined {
  return (metadata['ownerReferences'] as readonly { uid: string }[] | undefined)?.[0]?.uid
}

function wantedOf(cluster: IssuedWorld['cluster'], uid: string | undefined): number {
  const found = ['replicasets', 'statefulsets', 'daemonsets']
    .flatMap((plural) => cluster.list(plural))
    .find(({ metadata }) => metadata['uid'] === uid)
  return ((found?.['spec'] ?? {}) as { replicas?: number }).replicas ?? 0
}

function chosenOf(secret: RawObject | undefined): readonly string[] {
  const annotations = (secret?.metadata['annotations'] ?? {}) as Record<string, string>
  const chosen = JSON.parse(annotations['countersign.dev/bounce'] ?? '[]') as readonly {
    pods: readonly string[]
  }[]
  return chosen.flatMap((each) => each.pods)
}
