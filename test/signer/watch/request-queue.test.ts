import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IssuanceIntent, IssuanceRefusal } from '../../../src/ledger/record.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import type { Informer } from '../../../src/kubernetes/informer.ts'
import type { ObjectEvent } from '../../../src/kubernetes/object-store.ts'
import { podCertificateRequests } from '../../../src/kubernetes/pod-certificate-request.ts'
import type { PodCertificateRequest } from '../../../src/kubernetes/pod-certificate-request.ts'
import { createHistory } from '../../../src/signer/issue/history.ts'
import type { Outcome } from '../../../src/signer/issue/issuance-options.ts'
import type { PodEvent } from '../../../src/signer/issue/ports.ts'
import { startRequestQueue } from '../../../src/signer/watch/request-queue.ts'
import type { RequestQueue } from '../../../src/signer/watch/request-queue.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'

const done: Outcome = { kind: 'done', as: 'issued' }

function requestOf(
  namespace: string,
  name: string,
  o: {
    readonly issued?: boolean
    readonly denied?: boolean
    readonly version?: string
    readonly created?: Date
    readonly uid?: string
    readonly node?: string
  } = {},
): PodCertificateRequest {
  const uid = o.uid ?? `${namespace}-${name}`
  const ended = o.denied === true ? 'Denied' : o.issued === true ? 'Issued' : undefined
  return podCertificateRequests('v1').parse({
    metadata: { namespace, name, uid, resourceVersion: o.version ?? '1', ...createdOf(o.created) },
    spec: {
      signerName: 's/s',
      podName: name,
      podUID: `pod-${name}`,
      serviceAccountName: 'a',
      serviceAccountUID: 'a',
      nodeName: o.node ?? 'n',
      nodeUID: o.node ?? 'n',
    },
    status: ended === undefined ? {} : { conditions: [{ type: ended, status: 'True' }] },
  })
}

function createdOf(created: Date | undefined): object {
  if (created === undefined) return {}
  return { creationTimestamp: created.toISOString().replace('.000Z', 'Z') }
}

class QueueWorld implements AsyncDisposable {
  readonly objects = new Map<string, PodCertificateRequest>()
  /** Names of requests in the order in which they were worked on. */
  readonly handled: string[] = []
  readonly gone: string[] = []
  readonly events: PodEvent[] = []
  readonly history = createHistory(Date.now)
  readonly starting = new Set<string>()
  /** Told which pods may have been claimed. */
  claimed: (concerns: (podUid: string) => boolean) => void = () => {}
  outcome: (request: PodCertificateRequest) => Outcome | Promise<Outcome> = () => done
  readable: () => Promise<PodCertificateRequest | undefined> = async () => undefined
  queue: RequestQueue | undefined
  /** How many replicas come before this one. */
  rank: (uid: string) => number = () => 0
  shareAnew = (): void => {}
  shareOf: (request: PodCertificateRequest) => string = ({ metadata: { uid } }) => uid
  /** What is planned comes at once when this is resolved. */
  readonly later = Promise.withResolvers<void>()
  readonly planned: number[] = []
  #listener: (event: ObjectEvent<PodCertificateRequest>) => void = () => {}

  holdsPlans = false

  async #wait(milliseconds: number): Promise<void> {
    this.planned.push(milliseconds)
    await this.later.promise
  }

  start(): void {
    const informer: Informer<PodCertificateRequest> = {
      synced: Promise.resolve(),
      hasSynced: true,
      unreadable: new Set(),
      staleSeconds: 0,
      condition: () => ({ name: 'podcertificaterequests', ok: true, reason: 'followed' }),
      get: (name, namespace) => this.objects.get(`${namespace}/${name}`),
      list: () => [...this.objects.values()],
      byUid: (uid) => [...this.objects.values()].find(({ metadata }) => metadata.uid === uid),
      onEvent: (listener) => {
        this.#listener = listener
        return () => {}
      },
      [Symbol.asyncDispose]: async () => {},
    }
    this.queue = startRequestQueue({
      requests: informer,
      gatherer: {
        startsUp: (podUid) => this.starting.has(podUid),
        onClaim: (listener) => {
          this.claimed = listener
          return () => {}
        },
      },
      issuance: {
        handle: async (request) => {
          this.handled.push(request.metadata.name)
          return this.outcome(request)
        },
        gone: async (uid) => {
          this.gone.push(uid)
          for (const { intent } of this.history.intents.of(uid)) {
            this.history.intents.close(intent.issuanceId)
          }
        },
      },
      ports: {
        gather: () => Promise.reject(new Error('not asked for')),
        changed: () => undefined,
        read: () => this.readable(),
        publish: () => Promise.reject(new Error('not asked for')),
        emitEvent: (event) => void this.events.push(event),
      },
      history: this.history,
      shareOf: (request) => this.shareOf(request),
      membership: {
        living: 2,
        rank: (uid) => this.rank(uid),
        onChange: (listener) => {
          this.shareAnew = listener
          return () => {}
        },
      },
      ...(this.holdsPlans ? { delay: (milliseconds) => this.#wait(milliseconds) } : {}),
      log: silentLog,
      metrics: silentMetrics,
      now: Date.now,
      random: () => 0,
    })
  }

  put(request: PodCertificateRequest): void {
    const { namespace, name } = request.metadata
    const type = this.objects.has(`${namespace}/${name}`) ? 'modified' : 'added'
    this.objects.set(`${namespace}/${name}`, request)
    this.#listener({ type, object: request })
  }

  remove(request: PodCertificateRequest): void {
    const { namespace, name } = request.metadata
    this.objects.delete(`${namespace}/${name}`)
    this.#listener({ type: 'deleted', object: request })
  }

  openIntent(request: PodCertificateRequest): void {
    const { uid, namespace, name } = request.metadata
    const asked = { uid, namespace, name, signerName: 's/s' }
    const intent = { issuanceId: uid, request: asked } as IssuanceIntent
    this.history.intents.add({ index: 0, intent })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue?.drain(1)
  }
}

test('pods that start go before pods that refresh, and namespaces take turns', async () => {
  await using world = new QueueWorld()
  const blocked = Promise.withResolvers<Outcome>()
  world.outcome = ({ metadata }) => (metadata.namespace === 'busy' ? blocked.promise : done)
  for (let index = 0; index < 64; index += 1) {
    const request = requestOf('busy', `busy-${index}`)
    world.objects.set(`busy/busy-${index}`, request)
  }
  world.start()
  await eventually('all places taken', () => world.handled.length === 64)
  world.starting.add('pod-first')
  for (const name of ['a1', 'a2', 'a3']) world.put(requestOf('team-a', name))
  world.put(requestOf('team-b', 'b1'))
  world.put(requestOf('team-c', 'first'))
  blocked.resolve(done)
  await eventually('all', () => world.handled.length === 69)
  assert.deepEqual(world.handled.slice(64), ['first', 'a1', 'b1', 'a2', 'a3'])
})

test('a kubelet that asks anew for all of its pods keeps no pod of another node waiting', async () => {
  requirement('signer.neither-starves')
  await using world = new QueueWorld()
  const blocked = Promise.withResolvers<Outcome>()
  world.outcome = ({ metadata }) => (metadata.namespace === 'busy' ? blocked.promise : done)
  for (let index = 0; index < 64; index += 1) world.put(requestOf('busy', `busy-${index}`))
  world.start()
  await eventually('all places taken', () => world.handled.length === 64)
  for (let index = 0; index < 110; index += 1) {
    world.put(requestOf('shop', `again-${index}`, { node: 'restarted' }))
  }
  world.put(requestOf('shop', 'refresh', { node: 'other' }))
  world.starting.add('pod-first')
  world.put(requestOf('shop', 'first', { node: 'restarted' }))
  blocked.resolve(done)
  await eventually('all', () => world.handled.length === 64 + 112)
  assert.deepEqual(world.handled.slice(64, 67), ['first', 'again-0', 'refresh'])
})

test('a storm of pods that start does not keep a pod from its refresh', async () => {
  requirement('signer.neither-starves')
  await using world = new QueueWorld()
  let started = 0
  const start = (): void => {
    started += 1
    world.starting.add(`pod-new-${started}`)
    world.put(requestOf(`team-${started % 7}`, `new-${started}`))
  }
  world.outcome = ({ metadata }) => {
    // Each pod that is served makes room for the next one, until the refreshes are through.
    if (metadata.name.startsWith('new') && refreshed() < 100) start()
    return done
  }
  const refreshed = (): number => world.handled.filter((name) => name.startsWith('old')).length
  world.start()
  for (let at = 0; at < 200; at += 1) start()
  for (let at = 0; at < 100; at += 1) world.put(requestOf('team-x', `old-${at}`))
  await eventually('the refreshes', () => refreshed() === 100)
  assert.ok(world.handled.indexOf('old-99') <= 64 + 4 * 101, 'one of four')
})

test('what is written down of a request that was deleted meanwhile is not kept', async () => {
  await using world = new QueueWorld()
  const request = requestOf('team-a', 'one')
  world.outcome = () => {
    world.remove(request)
    world.history.refusals.set(request.metadata.uid, {} as IssuanceRefusal)
    return { kind: 'again', why: 'Denied is not written', seconds: 0.001 }
  }
  world.start()
  world.put(request)
  await eventually('the work', () => world.handled.length === 1)
  await eventually('nothing is kept', () => world.history.refusals.size === 0)
})

test('latency is counted from when a request was seen, within the second of its creation', async () => {
  await using world = new QueueWorld()
  const created: number[] = []
  world.outcome = ({ metadata }) => {
    created.push(metadata.creationTimestamp?.getTime() ?? NaN)
    return done
  }
  world.start()
  const now = Date.now()
  const second = Math.floor(now / 1000) * 1000
  world.put(requestOf('team-a', 'fresh', { created: new Date(second) }))
  world.put(requestOf('team-a', 'old', { created: new Date(second - 60_000) }))
  world.put(requestOf('team-a', 'ahead', { created: new Date(second + 60_000) }))
  await eventually('all', () => world.handled.length === 3)
  const [fresh = 0, old, ahead] = created
  assert.ok(fresh >= now && fresh <= now + 1000)
  assert.equal(old, second - 60_000 + 999)
  assert.equal(ahead, second + 60_000)
})

test('terminal requests are left alone, unless an intent of theirs is open', async () => {
  await using world = new QueueWorld()
  const quiet = requestOf('team-a', 'quiet', { issued: true })
  const open = requestOf('team-a', 'open', { issued: true })
  world.openIntent(open)
  for (const request of [quiet, open]) {
    world.objects.set(`team-a/${request.metadata.name}`, request)
  }
  world.start()
  await eventually('the open one', () => world.handled.length > 0)
  await world.queue?.drain(1)
  assert.deepEqual(new Set(world.handled), new Set(['open']))
})

test('a request that we made terminal is not worked on again while the watch lags', async () => {
  await using world = new QueueWorld()
  world.start()
  world.put(requestOf('team-a', 'one'))
  await eventually('the first time', () => world.handled.length === 1)
  world.put(requestOf('team-a', 'one', { version: '2' }))
  world.put(requestOf('team-a', 'two'))
  await eventually('the other', () => world.handled.includes('two'))
  assert.deepEqual(world.handled, ['one', 'two'])
})

test('a change that arrives during the work does not bring the request again', async () => {
  await using world = new QueueWorld()
  const blocked = Promise.withResolvers<Outcome>()
  world.outcome = ({ metadata }) => (metadata.name === 'one' ? blocked.promise : done)
  world.start()
  world.put(requestOf('team-a', 'one'))
  await eventually('the first time', () => world.handled.length === 1)
  world.put(requestOf('team-a', 'one', { version: '2' }))
  blocked.resolve(done)
  world.put(requestOf('team-a', 'two'))
  await eventually('the other', () => world.handled.includes('two'))
  await world.queue?.drain(1)
  assert.deepEqual(world.handled, ['one', 'two'])
})

test('a request that waits comes again, and its pod is told once for each reason', async () => {
  await using world = new QueueWorld()
  let left = 4
  world.outcome = () =>
    (left -= 1) >= 0 ? { kind: 'again', why: 'not yet', seconds: 0.001 } : done
  world.start()
  world.put(requestOf('team-a', 'one'))
  await eventually('the end', () => world.handled.length === 5)
  assert.deepEqual(
    world.events.map(({ reason, message, pod }) => [reason, message, pod.name]),
    [['CertificatePending', 'not yet', 'one']],
  )
})

test('a deleted request with an open intent is settled once the API server says that it is gone', async () => {
  await using world = new QueueWorld()
  const request = requestOf('team-a', 'one', { issued: true })
  world.start()
  world.openIntent(request)
  world.remove(request)
  await eventually('the settlement', () => world.gone.length === 1)
  assert.deepEqual(world.gone, ['team-a-one'])
  assert.deepEqual(world.handled, [])
})

test('a deleted request without open intents is forgotten', async () => {
  await using world = new QueueWorld()
  world.outcome = () => ({ kind: 'again', why: 'not yet', seconds: 0.05 })
  world.start()
  const request = requestOf('team-a', 'one')
  world.put(request)
  await eventually('the first time', () => world.handled.length === 1)
  world.remove(request)
  // Another that waits as long comes again, twice: by then this one would have.
  world.put(requestOf('team-a', 'two'))
  await eventually('the other', () => world.handled.length >= 4)
  assert.deepEqual(world.handled, ['one', 'two', 'two', 'two'])
  assert.deepEqual(world.gone, [])
})

test('a request of another replica is left to it, and taken when that is gone', async () => {
  requirement('signer.one-replica-a-request')
  await using world = new QueueWorld()
  world.holdsPlans = true
  world.rank = (uid) => (uid === 'team-a-ours' ? 0 : 1)
  world.start()
  for (const name of ['theirs', 'ours', 'done']) world.put(requestOf('team-a', name))
  await eventually('ours', () => world.handled.length > 0)
  world.put(requestOf('team-a', 'done', { issued: true, version: '2' }))
  assert.deepEqual(world.handled, ['ours'])
  assert.equal(world.queue?.depth, 1)
  world.rank = () => 0
  world.shareAnew()
  await eventually('theirs', () => world.handled.length === 2)
  assert.deepEqual(world.handled, ['ours', 'theirs'])
})

test('a request falls to the replica of its key', async () => {
  requirement('signer.key-of-one-pod')
  await using world = new QueueWorld()
  world.holdsPlans = true
  world.shareOf = ({ metadata: { name } }) => `key-of-${name}`
  world.rank = (share) => (share === 'key-of-ours' ? 0 : 1)
  world.start()
  for (const name of ['theirs', 'ours']) world.put(requestOf('team-a', name))
  await eventually('ours', () => world.handled.length > 0)
  assert.deepEqual(world.handled, ['ours'])
})

test('a replica that is seen and does nothing keeps no pod waiting', async () => {
  requirement('signer.one-replica-a-request')
  await using world = new QueueWorld()
  world.holdsPlans = true
  world.rank = () => 60
  world.start()
  world.put(requestOf('team-a', 'theirs'))
  assert.equal(world.planned.length, 1)
  assert.ok(Math.abs((world.planned[0] ?? 0) - 30_000) < 1000, String(world.planned[0]))
  world.later.resolve()
  await eventually('theirs', () => world.handled.length === 1)
})

test('what this replica may have signed is settled by it, whoever comes before it', async () => {
  requirement('signer.one-replica-a-request')
  await using world = new QueueWorld()
  const request = requestOf('team-a', 'begun')
  world.openIntent(request)
  world.objects.set('team-a/begun', request)
  world.rank = () => 1
  world.start()
  await eventually('the settlement', () => world.handled.length === 1)
})

test('a refusal whose Denied the watch shows first is settled at once', async () => {
  requirement('signer.one-replica-a-request')
  await using world = new QueueWorld()
  const { refusals } = world.history
  const request = requestOf('team-a', 'one')
  world.outcome = ({ metadata, status }) => {
    if (status.terminal !== undefined) {
      refusals.delete(metadata.uid)
      return { kind: 'done', as: 'settled' }
    }
    refusals.set(metadata.uid, {} as IssuanceRefusal)
    return { kind: 'again', why: 'Denied is not written: unknown', seconds: 60 }
  }
  world.start()
  world.put(request)
  await eventually('back-off', () => refusals.size === 1 && world.queue?.depth === 1)
  world.rank = () => 1
  world.put(requestOf('team-a', 'one', { denied: true, version: '2' }))
  await eventually('the settlement', () => refusals.size === 0)
  assert.deepEqual(world.handled, ['one', 'one'])
})

test('a request of the same name does not take from one that is gone its settlement', async () => {
  await using world = new QueueWorld()
  world.holdsPlans = true
  world.readable = () => Promise.reject(new Error('no answer'))
  const old = requestOf('team-a', 'one', { uid: 'old' })
  world.openIntent(old)
  world.start()
  await eventually('back-off', () => world.planned.length === 1)
  world.readable = async () => undefined
  world.put(requestOf('team-a', 'one', { denied: true }))
  await eventually('the settlement', () => world.gone.length === 1)
})

test('replicas that come and go leave alone what waits here, and what was theirs still', async () => {
  requirement('signer.one-replica-a-request')
  await using world = new QueueWorld()
  world.rank = (uid) => (uid === 'team-a-theirs' ? 1 : 0)
  world.outcome = () => ({ kind: 'again', why: 'signer/rejected', seconds: 60 })
  world.start()
  world.put(requestOf('team-a', 'ours'))
  world.put(requestOf('team-a', 'theirs'))
  await eventually('ours', () => world.handled.length === 1)
  await eventually('its back-off', () => world.queue?.depth === 2)
  for (let change = 0; change < 5; change += 1) {
    world.shareAnew()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(world.handled, ['ours'])
  world.rank = () => 0
  world.shareAnew()
  await eventually('theirs', () => world.handled.length === 2)
  assert.deepEqual(world.handled, ['ours', 'theirs'])
})
