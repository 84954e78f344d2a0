import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Caller } from '../../../src/gateway/caller/caller.ts'
import { createUsage } from '../../../src/gateway/caller/usage.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import type { Refusal } from '../../../src/gateway/refusal.ts'
import { requirement } from '../../requirements.ts'

/** `tenant/namespace/identity/pod` */
function caller(name: string): Caller {
  const [tenant = '', namespace = '', identity = '', pod = ''] = name.split('/')
  const account = [tenant, namespace, identity] as const
  return { owner: `${identity} ${pod}`, account, open: 0 } as unknown as Caller
}

/** How often it goes well, and what ends it. */
function repeat(work: (at: number) => Refusal | undefined): {
  readonly count: number
  readonly refusal: Refusal
} {
  for (let count = 0; ; count += 1) {
    const refusal = work(count)
    if (refusal !== undefined) return { count, refusal }
  }
}

const limits = { ...defaultLimits, connectionsMax: 1024, inFlightMax: 1024 }

describe('what callers take of the gateway', () => {
  test('the pods of one service account leave connections to others', () => {
    requirement('gateway.shares-for-all')
    const usage = createUsage(limits)
    const one = repeat((at) => usage.connect(caller(`acme/research/crawler/${at}`)))
    assert.deepEqual(one, {
      count: 224,
      refusal: {
        status: 429,
        code: -32600,
        message: 'too many connections of one identity',
        headers: { 'retry-after': '1' },
        close: true,
      },
    })
    assert.equal(usage.connect(caller('acme/research/reader/0')), undefined)
  })

  test('the service accounts of one namespace leave connections to others, and so do a tenant’s namespaces', () => {
    requirement('gateway.shares-for-all')
    const usage = createUsage(limits)
    const namespace = repeat((at) => usage.connect(caller(`acme/research/sa-${at % 40}/${at}`)))
    assert.equal(namespace.count, 359)
    assert.equal(namespace.refusal.message, 'too many connections of one namespace')
    const tenant = repeat((at) => usage.connect(caller(`acme/ns-${at % 40}/sa-${at}/${at}`)))
    assert.equal(namespace.count + tenant.count, 448)
    assert.equal(tenant.refusal.message, 'too many connections of one tenant')
    assert.equal(usage.connect(caller('globex/crawlers/crawler/0')), undefined)
  })

  test('the service accounts of one namespace leave open requests to others', () => {
    requirement('gateway.shares-for-all')
    const usage = createUsage(limits)
    const { count, refusal } = repeat((at) =>
      usage.begin(caller(`acme/research/sa-${at % 40}/${at}`)),
    )
    assert.equal(count, 359)
    const message = 'too many open requests of one namespace'
    assert.deepEqual(refusal, { status: 429, code: -32600, message, headers: refusal.headers })
    assert.equal(usage.begin(caller('globex/crawlers/crawler/0')), undefined)
  })

  test('the service accounts of one namespace leave memory for answers to others', () => {
    requirement('gateway.shares-for-all')
    const usage = createUsage({ ...limits, unsentBytesMax: 1024 })
    const taken = Array.from({ length: 400 }, (_, at) =>
      usage.unsentOf(caller(`acme/research/sa-${at % 40}/${at}`).account).take(10),
    )
    assert.equal(taken.filter((full) => full === undefined).length, 36)
    assert.equal(usage.unsentOf(['globex', 'crawlers', 'crawler']).take(10), undefined)
  })

  test('where all have too many, it is the gateway that is busy', () => {
    const all = {
      tenantSharePercent: 100,
      namespaceSharePercent: 100,
      identitySharePercent: 100,
    }
    const usage = createUsage({ ...limits, ...all, connectionsMax: 4 })
    const { count, refusal } = repeat((at) => usage.connect(caller(`acme/research/sa/${at}`)))
    assert.equal(count, 4)
    const { status, message, headers, close } = refusal
    assert.deepEqual(
      { status, message, headers, close },
      { status: 503, message: 'gateway is busy', headers: { 'retry-after': '1' }, close: true },
    )
  })

  test('a pod is counted as long as it has a connection or an open request', () => {
    const usage = createUsage({ ...limits, podInFlightMax: 1 })
    const [first, again] = [caller('a/b/c/d'), caller('a/b/c/d')]
    usage.connect(first)
    assert.equal(usage.begin(first), undefined)
    usage.disconnect(first)
    usage.connect(again)
    assert.equal(usage.begin(again)?.message, 'too many open requests of one pod')
    usage.end(first)
    assert.equal(usage.begin(again), undefined)
  })

  test('all that is given back is there again', () => {
    const usage = createUsage({ ...limits, connectionsMax: 8, inFlightMax: 8 })
    for (let round = 0; round < 100; round += 1) {
      const one = caller('a/b/c/d')
      assert.equal(usage.connect(one), undefined)
      assert.equal(usage.begin(one), undefined)
      usage.end(one)
      usage.disconnect(one)
    }
  })
})
