import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createApprover, type Approver } from '../../src/approver/approver.ts'
import type { Delay } from '../../src/kubernetes/backoff.ts'
import type { LedgerRecord } from '../../src/ledger/record.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { createMetrics, silentMetrics, type Metrics } from '../../src/metrics.ts'
import { isReady } from '../../src/readiness.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster, type RawObject } from '../support/fake-cluster.ts'
import { memoryLedger, type MemoryLedger } from '../support/memory-ledger.ts'
import {
  nodeObject,
  openRules,
  ownAddress,
  plural,
  putApiServer,
  storedRequest,
} from './approve-world.ts'
import { nodeName } from './request.ts'

interface Running {
  readonly approver: Approver
  readonly cluster: FakeCluster
  readonly ledger: MemoryLedger
  readonly ended: Promise<void>
  stop(): Promise<void>
  typesOf(name: string): readonly string[]
}

/** Runs until the test is over, on what an API server and a ledger have already. */
function start(
  t: TestContext,
  options: {
    readonly cluster?: FakeCluster
    readonly ledger?: MemoryLedger
    readonly metrics?: Metrics
    readonly log?: Log
    readonly approvalsPerHour?: number
    readonly delay?: Delay
  } = {},
): Running {
  const { cluster = newCluster(), ledger = memoryLedger() } = options
  const { metrics = silentMetrics, log = silentLog, approvalsPerHour = 1000 } = options
  const approver = createApprover({
    client: cluster,
    signers: ['serving'],
    rules: openRules,
    approvalsPerHour,
    ledger,
    records: recordsOf(ledger),
    replica: 'approver-0',
    log,
    metrics,
    now: Date.now,
    ...(options.delay === undefined ? {} : { delay: options.delay }),
  })
  const stop = new AbortController()
  const ended = approver.run(stop.signal)
  ended.catch(() => {})
  const end = async (): Promise<void> => {
    stop.abort()
    await ended.catch(() => {})
  }
  t.after(end)
  return {
    approver,
    cluster,
    ledger,
    ended,
    stop: end,
    typesOf(name) {
      const status = cluster.get(plural, name)?.['status'] as
        { readonly conditions?: readonly { readonly type: string }[] } | undefined
      return (status?.conditions ?? []).map(({ type }) => type)
    },
  }
}

function newCluster(): FakeCluster {
  const cluster = new FakeCluster()
  putApiServer(cluster)
  cluster.put('nodes', nodeObject(nodeName, ['Hostname', nodeName], ['InternalIP', ownAddress]))
  return cluster
}

async function* recordsOf(ledger: MemoryLedger): AsyncGenerator<{ record: LedgerRecord }> {
  for (const record of ledger.records) yield { record }
}

const outcomes = ({ records }: MemoryLedger): readonly string[] =>
  records.map((record) => ('outcome' in record ? record.outcome : record.kind))

/** However long a wait is. */
const soon: Delay = () => new Promise((resolve) => setTimeout(resolve, 1))

test('requests are answered as they come, and what waits is answered when it is proved', async (t) => {
  requirement('approver.names-proved')
  const running = start(t)
  running.cluster.put(plural, storedRequest())
  await eventually('it is approved', () => running.typesOf('csr-1').length === 1)
  assert.ok(isReady(running.approver.conditions()), JSON.stringify(running.approver.conditions()))
  const asked = { addresses: ['10.77.0.9'] }
  running.cluster.put(plural, storedRequest(asked, { name: 'csr-2' }))
  await eventually('it is looked at', () =>
    running.cluster.requests.some(({ path }) => path.endsWith('/csr-2')),
  )
  assert.deepEqual(running.typesOf('csr-2'), [])
  running.cluster.put('nodes', nodeObject(nodeName, ['InternalIP', '10.77.0.9']))
  await eventually('it is approved, too', () => running.typesOf('csr-2').length === 1)
})

test('a request whose name has a line break is answered once, and is no other', async (t) => {
  requirement('approver.recorded-first')
  const asked = { dnsNames: ['kubernetes'] }
  const names = ['evil', 'z\nevil', 'evil\n', '["evil"]']
  const metrics = createMetrics()
  const running = start(t, { metrics })
  for (const name of names) running.cluster.put(plural, storedRequest(asked, { name }))
  await eventually('all are denied', () =>
    names.every((name) => running.typesOf(name).join() === 'Denied'),
  )
  await eventually('all are recorded', () => outcomes(running.ledger).length >= 8)
  assert.deepEqual(outcomes(running.ledger).toSorted(), [
    ...names.map(() => 'published'),
    ...names.map(() => 'unknown'),
  ])
  await eventually('all are counted', async () =>
    /approver_verdicts_total\{[^}]*"NamesNotProved"[^}]*\} 4/.test(await metrics.page()),
  )
})

test('what a program that was killed has begun is settled by the next one', async (t) => {
  requirement('approver.recorded-first')
  const cluster = newCluster()
  const ledger = memoryLedger()
  cluster.put(plural, storedRequest())
  cluster.put(plural, storedRequest(undefined, { name: 'gone' }))
  // Their answers are written, and nobody hears of it.
  cluster.fail(
    ({ method, path }) => method === 'PATCH' && path.endsWith('/approval'),
    { kind: 'lose' },
    2,
  )
  const first = start(t, { cluster, ledger })
  await eventually('both are written', () =>
    ['csr-1', 'gone'].every((name) => first.typesOf(name).length === 1),
  )
  const begun = ledger.records.filter(
    (record) => 'outcome' in record && record.outcome === 'unknown',
  )
  assert.equal(begun.length, 2)
  await first.stop()
  // As of a program that has ended there and then.
  const killed = memoryLedger()
  for (const record of begun) await killed.append(record)
  cluster.remove(plural, 'gone')
  start(t, { cluster, ledger: killed })
  await eventually('the ends are recorded', () => outcomes(killed).length > 3)
  const [one, other, ...ends] = outcomes(killed)
  assert.deepEqual([one, other, ends.toSorted()], ['unknown', 'unknown', ['published', 'unknown']])
  // Nothing is settled twice.
  const warnings: string[] = []
  const log = { ...silentLog, warn: (_: object, message: string) => warnings.push(message) }
  const last = start(t, { cluster, ledger: killed, log })
  await eventually('it is ready', () => isReady(last.approver.conditions()))
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(outcomes(killed).length, 4)
  assert.deepEqual(warnings, [])
})

test('what was begun for a request that is deleted meanwhile has its end', async (t) => {
  requirement('approver.recorded-first')
  const running = start(t)
  const { cluster, ledger } = running
  const isWrite = ({ method, path }: { method: string; path: string }): boolean =>
    method === 'PATCH' && path.endsWith('/approval')
  cluster.fail(
    (sent) => {
      if (isWrite(sent)) cluster.remove(plural, 'csr-1')
      return false
    },
    { kind: 'drop' },
  )
  cluster.put(plural, storedRequest())
  await eventually('the end is recorded', () => outcomes(ledger).length > 1)
  assert.deepEqual(outcomes(ledger), ['unknown', 'unpublished'])
})

test('an answer that was written and not heard of has its end, though the next look fails', async (t) => {
  requirement('approver.recorded-first')
  const cluster = newCluster()
  let written = false
  cluster.fail(
    ({ method, path }) => {
      const isWrite = method === 'PATCH' && path.endsWith('/approval')
      written ||= isWrite
      return isWrite
    },
    { kind: 'lose' },
  )
  const isLook = ({ method, path }: { method: string; path: string }): boolean =>
    method === 'GET' && path.endsWith('/csr-1')
  cluster.fail((sent) => written && isLook(sent), { kind: 'drop' }, 3)
  const running = start(t, { cluster, delay: soon })
  cluster.put(plural, storedRequest())
  await eventually('the end is recorded', () => outcomes(running.ledger).length > 1, 20)
  assert.deepEqual(outcomes(running.ledger), ['unknown', 'published'])
})

test('what makes room while it is looked at is looked at no more', async (t) => {
  requirement('approver.storm-bounded')
  const cluster = newCluster()
  const asked = { addresses: ['10.77.0.50'] }
  const made = (name: string, creationTimestamp: string): RawObject => {
    const stored = storedRequest(asked, { name })
    return { ...stored, metadata: { ...stored.metadata, creationTimestamp } }
  }
  const looksAt = (name: string): number =>
    cluster.requests.filter(({ path }) => path.endsWith(`/${name}`)).length
  cluster.fail(
    ({ path }) => {
      const isFirst = path.endsWith('/older') && cluster.get(plural, 'newer') === undefined
      if (isFirst) cluster.put(plural, made('newer', '2026-11-30T12:01:00Z'))
      return false
    },
    { kind: 'drop' },
  )
  start(t, { cluster, delay: soon })
  cluster.put(plural, made('older', '2026-11-30T12:00:00Z'))
  await eventually('the newer one is looked at again and again', () => looksAt('newer') > 20)
  assert.ok(looksAt('older') < 5, `${looksAt('older')} looks`)
})

test('a requester of many requests keeps no other waiting', async (t) => {
  requirement('approver.storm-bounded')
  const cluster = newCluster()
  const username = 'system:node:node-x'
  for (let number = 0; number < 400; number += 1) {
    const asked = { commonName: username, addresses: ['10.77.0.50'] }
    cluster.put(plural, storedRequest(asked, { name: `storm-${number}`, spec: { username } }))
  }
  const running = start(t, { cluster })
  running.cluster.put(plural, storedRequest())
  await eventually('the other is approved', () => running.typesOf('csr-1').length === 1)
  const looked = cluster.requests.filter(({ path }) => path.includes('/storm-'))
  assert.ok(new Set(looked.map(({ path }) => path)).size <= 16, `${looked.length} looks`)
})

test('a node that claims the address of another is named, in the event and in the count', async (t) => {
  requirement('approver.names-proved')
  const cluster = newCluster()
  cluster.put('nodes', nodeObject('evil', ['InternalIP', ownAddress]))
  cluster.put(plural, storedRequest())
  const metrics = createMetrics()
  const running = start(t, { cluster, metrics })
  await eventually('it is counted', async () =>
    /verdicts_total\{[^}]*"ClaimedByAnotherNode"[^}]*\} 1/.test(await metrics.page()),
  )
  await eventually('it is told', () =>
    cluster.requests.some(({ body }) => {
      const { reason, note, message } = (body ?? {}) as Record<string, unknown>
      return reason === 'ClaimedByAnotherNode' && /node evil, too/.test(String(note ?? message))
    }),
  )
  assert.deepEqual(running.typesOf('csr-1'), [])
})

test('of what piled up while nobody answered, the request is approved that its node waits for', async (t) => {
  requirement('approver.storm-bounded')
  const cluster = newCluster()
  const at = (minute: number, name: string): RawObject => {
    const made = storedRequest(undefined, { name })
    const creationTimestamp = new Date(Date.parse('2026-11-30T00:00:00Z') + minute * 60_000)
      .toISOString()
      .replace('.000', '')
    return { ...made, metadata: { ...made.metadata, creationTimestamp } }
  }
  // By name they come in another order than by time.
  const stale = Array.from({ length: 40 }, (_, index) => `csr-${(index * 17) % 40}`)
  for (const [index, name] of stale.entries()) cluster.put(plural, at(index, name))
  cluster.put(plural, at(41, 'csr-20-live'))
  const running = start(t, { cluster, approvalsPerHour: 2 })
  await eventually('it is approved', () => running.typesOf('csr-20-live').length === 1)
  cluster.put(plural, at(42, 'csr-later'))
  await eventually('so is the next', () => running.typesOf('csr-later').length === 1)
  assert.deepEqual(
    stale.filter((name) => running.typesOf(name).length > 0),
    [],
  )
})

test('a ledger that takes no more ends the approver', async (t) => {
  requirement('approver.recorded-first')
  const failed = Promise.withResolvers<Error>()
  const ledger = { ...memoryLedger(), failed: failed.promise } as MemoryLedger
  const running = start(t, { ledger })
  await eventually('it is ready', () => isReady(running.approver.conditions()))
  failed.resolve(new Error('the disk is full'))
  await assert.rejects(running.ended, { message: 'the disk is full' })
  assert.equal(isReady(running.approver.conditions()), false)
})

test('while the nodes are not followed nothing is approved', async (t) => {
  requirement('approver.names-proved')
  const cluster = newCluster()
  cluster.fail(
    ({ path, query }) => path.endsWith('/nodes') && query !== undefined,
    { kind: 'drop' },
    1000,
  )
  const running = start(t, { cluster })
  cluster.put(plural, storedRequest())
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.deepEqual(running.typesOf('csr-1'), [])
  assert.equal(isReady(running.approver.conditions()), false)
})
