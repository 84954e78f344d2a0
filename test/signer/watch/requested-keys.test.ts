import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { encodeCertificateRequest } from '../../../dev/kubelet/certificate-request.ts'
import { certificateSigningRequests } from '../../../src/kubernetes/certificate-signing-request.ts'
import type { ObjectEvent } from '../../../src/kubernetes/object-store.ts'
import type { PodCertificateRequest } from '../../../src/kubernetes/pod-certificate-request.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics, type Labels } from '../../../src/metrics.ts'
import { createHistory } from '../../../src/signer/issue/history.ts'
import { askedByPod } from '../../../src/signer/watch/asked-by-pod.ts'
import {
  followRequestedKeys,
  type RequestedKeys,
} from '../../../src/signer/watch/requested-keys.ts'
import { requirement } from '../../requirements.ts'
import { askedOf } from '../asked.ts'
import { newKey, signingRequest } from '../signing-request.ts'

const day = 86_400_000

function sha256Of(key: KeyObject): string {
  return hash('sha256', createPublicKey(key).export({ type: 'spki', format: 'der' }), 'hex')
}

interface Changed {
  readonly pod?: string
  readonly version?: string
  readonly ended?: 'Issued' | 'Denied'
  readonly notAfter?: Date
}

/** As a kubelet asks. */
function requestOf(key: KeyObject, name: string, changed: Changed = {}): PodCertificateRequest {
  const { pod = name, version = '1', ended, notAfter } = changed
  const asked = askedOf({
    name,
    uid: `uid-of-${name}`,
    pod: { name: pod, uid: `${pod}-uid` },
    key: { kind: 'csr', der: encodeCertificateRequest({ privateKey: key }) },
  })
  const terminal = ended && { condition: ended, certificateChain: '' }
  return {
    ...asked,
    metadata: { ...asked.metadata, resourceVersion: version },
    status: { ...asked.status, terminal, notAfter },
  }
}

/** What a watch of one kind of request tells. */
class World {
  now = Date.parse('2026-11-20T10:00:00Z')
  readonly history = createHistory(() => this.now)
  readonly objects = new Map<string, PodCertificateRequest>()
  readonly counted: (Labels | undefined)[] = []
  readonly told: unknown[] = []
  #listener: (event: ObjectEvent<PodCertificateRequest>) => void = () => {}

  follow(): RequestedKeys {
    return followRequestedKeys({
      requests: [
        {
          list: () => [...this.objects.values()],
          onEvent: (listener) => {
            this.#listener = listener
            return () => {}
          },
        },
      ],
      keys: this.history.keys,
      lifetimeSecondsMax: 86_400,
      now: () => this.now,
      log: { ...silentLog, error: (fields) => void this.told.push(fields) },
      metrics: { ...silentMetrics, count: (_, labels) => void this.counted.push(labels) },
    })
  }

  put(request: PodCertificateRequest): void {
    const { uid } = request.metadata
    const type = this.objects.has(uid) ? 'modified' : 'added'
    this.objects.set(uid, request)
    this.#listener({ type, object: request })
  }

  remove(request: PodCertificateRequest): void {
    this.objects.delete(request.metadata.uid)
    this.#listener({ type: 'deleted', object: request })
  }
}

test('requests for one key fall to one replica, and others each by itself', () => {
  requirement('signer.key-of-one-pod')
  const world = new World()
  const keys = world.follow()
  const [key, other] = [newKey(), newKey()]
  const requests = [requestOf(key, 'one'), requestOf(key, 'two'), requestOf(other, 'three')]
  for (const request of requests) world.put(request)
  assert.deepEqual(
    requests.map((request) => keys.shareOf(request)),
    [sha256Of(key), sha256Of(key), sha256Of(other)],
  )
  const unreadable = { ...askedOf({ uid: 'of-no-key', key: undefined }) }
  world.put(unreadable)
  assert.equal(keys.shareOf(unreadable), 'of-no-key')
})

test('what any replica issued is known for as long as its own, also once the request is gone', () => {
  requirement('signer.key-of-one-pod')
  const world = new World()
  const [before, meanwhile, unended] = [newKey(), newKey(), newKey()]
  const notAfter = new Date(world.now + 3_600_000)
  world.objects.set('uid-of-one', requestOf(before, 'one', { ended: 'Issued', notAfter }))
  using keys = world.follow()
  world.put(requestOf(meanwhile, 'two'))
  assert.equal(world.history.keys.ownerOf(sha256Of(meanwhile)), undefined)
  const issued = requestOf(meanwhile, 'two', { version: '2', ended: 'Issued', notAfter })
  world.put(issued)
  world.remove(issued)
  world.put(requestOf(unended, 'three', { ended: 'Issued' }))
  const ownersAt = (now: number): readonly (string | undefined)[] => {
    world.now = now
    return [before, meanwhile, unended].map((key) => world.history.keys.ownerOf(sha256Of(key)))
  }
  const seenAt = world.now
  assert.equal(world.history.keys.requestOf(sha256Of(meanwhile)), '')
  assert.deepEqual(ownersAt(notAfter.getTime() + day), ['one-uid', 'two-uid', 'three-uid'])
  assert.deepEqual(ownersAt(notAfter.getTime() + day + 1), [undefined, undefined, 'three-uid'])
  assert.deepEqual(ownersAt(seenAt + 2 * day + 1), [undefined, undefined, undefined])
  assert.equal(keys.shareOf(issued), 'uid-of-two')
})

test('a request that was refused leaves its key to others', () => {
  const world = new World()
  const keys = world.follow()
  const key = newKey()
  const first = requestOf(key, 'one', { version: '8' })
  const second = requestOf(key, 'two', { version: '12' })
  world.put(first)
  world.put(second)
  assert.equal(keys.earlier(second), 'team-a/one')
  world.put(requestOf(key, 'one', { version: '13', ended: 'Denied' }))
  assert.equal(keys.earlier(second), undefined)
  assert.equal(world.history.keys.ownerOf(sha256Of(key)), undefined)
})

test('of two requests for one key the later one waits for the earlier, whatever is written on that', () => {
  requirement('signer.key-of-one-pod')
  const world = new World()
  const keys = world.follow()
  const key = newKey()
  const first = requestOf(key, 'one', { version: '9' })
  const second = requestOf(key, 'two', { version: '10' })
  world.put(first)
  world.put(second)
  assert.deepEqual([keys.earlier(first), keys.earlier(second)], [undefined, 'team-a/one'])
  const edited = requestOf(key, 'one', { version: '11' })
  world.put(edited)
  assert.deepEqual([keys.earlier(edited), keys.earlier(second)], [undefined, 'team-a/one'])
  world.remove(edited)
  assert.equal(keys.earlier(second), undefined)
})

test('a kubelet that asks twice for a pod is not kept waiting, and a pod that asks by itself is', () => {
  const world = new World()
  const keys = world.follow()
  const key = newKey()
  world.put(requestOf(key, 'one', { pod: 'worker-0' }))
  const again = requestOf(key, 'two', { pod: 'worker-0', version: '2' })
  world.put(again)
  assert.equal(keys.earlier(again), undefined)
  const own = newKey()
  const byItself = (name: string, resourceVersion: string): PodCertificateRequest => {
    const raw = signingRequest(name, { key: own })
    const metadata = { ...raw.metadata, resourceVersion }
    return askedByPod(certificateSigningRequests.parse({ ...raw, metadata }))
  }
  const [first, second] = [byItself('csr-1', '3'), byItself('csr-2', '4')]
  world.put(first)
  world.put(second)
  assert.deepEqual([keys.earlier(first), keys.earlier(second)], [undefined, 'team-a/csr-1'])
  assert.deepEqual([keys.shareOf(first), keys.shareOf(second)], [sha256Of(own), sha256Of(own)])
})

test('a key that was certified for two pods is told once, with both', () => {
  requirement('signer.key-of-one-pod')
  const world = new World()
  const key = newKey()
  const sha256 = sha256Of(key)
  world.history.keys.remember(sha256, { podUid: 'first-uid', requestUid: 'r' }, world.now + day)
  using _ = world.follow()
  const copied = requestOf(key, 'two', { ended: 'Issued' })
  world.put(copied)
  world.put({ ...copied, metadata: { ...copied.metadata, resourceVersion: '2' } })
  assert.deepEqual(world.counted, [{ code: 'signer/key-of-two-pods' }])
  assert.deepEqual(world.told, [
    {
      namespace: 'team-a',
      request: 'two',
      podUid: 'two-uid',
      firstPodUid: 'first-uid',
      spkiSha256: sha256,
    },
  ])
  assert.equal(world.history.keys.ownerOf(sha256), 'first-uid')
})

test('each form of a request is for the key that is in it', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const world = new World()
  const keys = world.follow()
  const der = encodeCertificateRequest({ privateKey })
  const asked = [
    askedOf({ uid: 'a', key: { kind: 'csr', der } }),
    askedOf({ uid: 'b', key: { kind: 'proof', spki, proof: Buffer.of(0) } }),
    askedByPod(certificateSigningRequests.parse(signingRequest('csr-1', { key: privateKey }))),
  ]
  for (const request of asked) world.put(request)
  const sha256 = hash('sha256', spki, 'hex')
  assert.deepEqual(
    asked.map((request) => keys.shareOf(request)),
    [sha256, sha256, sha256],
  )
})
