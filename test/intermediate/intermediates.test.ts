import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createIntermediates,
  type Intermediates,
  type IntermediatesOptions,
} from '../../src/intermediate/intermediates.ts'
import { silentLog } from '../../src/log.ts'
import { createMetrics, type Metrics, type MetricsPage } from '../../src/metrics.ts'
import { staticAuthoritySource } from '../../src/pki/authority.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { intermediateWorld, plural, rules, storedRequest } from './intermediate-world.ts'

async function* none(): AsyncGenerator<never> {}

interface Started extends AsyncDisposable {
  readonly intermediates: Intermediates
  readonly world: ReturnType<typeof intermediateWorld>
  readonly metrics: Metrics & MetricsPage
  readonly ended: Promise<void>
}

function start(changed: Partial<IntermediatesOptions> = {}): Started {
  const world = intermediateWorld()
  const metrics = createMetrics()
  const intermediates = createIntermediates({
    client: world.cluster,
    rules,
    authorities: staticAuthoritySource(world.hub.authority),
    ledger: world.ledger,
    records: none(),
    replica: 'intermediates-0',
    clockProblem: () => world.unfit,
    log: silentLog,
    metrics,
    now: () => world.now,
    ...changed,
  })
  const stop = new AbortController()
  const ended = intermediates.run(stop.signal)
  ended.catch(() => {})
  return {
    intermediates,
    world,
    metrics,
    ended,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended.catch(() => {})
    },
  }
}

test('what the other signer asks for is answered as it comes, the newest of several alone', async () => {
  requirement('intermediate.requester-proved')
  await using started = start()
  const { world, intermediates } = started
  const old = storedRequest({ name: 'csr-0' })
  world.cluster.put(plural, {
    ...old,
    metadata: { ...old.metadata, creationTimestamp: '2026-11-30T10:00:00Z' },
  })
  world.cluster.put(plural, storedRequest())
  world.cluster.put(
    plural,
    storedRequest({ name: 'csr-x', spec: { username: 'system:serviceaccount:x:y' } }),
  )
  await eventually('the newest has its CA', () => world.issued() !== undefined)
  assert.equal(world.issued('csr-0'), undefined)
  assert.deepEqual(world.conditions('csr-x'), [])
  await eventually('it is told', () =>
    world.cluster.list('events').some(({ reason }) => reason === 'CaIssued'),
  )
  assert.match(
    await started.metrics.page(),
    /countersign_intermediate_verdicts_total\{verdict="issued"\} 1/,
  )
  await eventually('all conditions hold', () => intermediates.conditions().every(({ ok }) => ok))
})

test('a request that fails is tried again by itself', async () => {
  await using started = start({ random: () => 0 })
  const { world } = started
  world.cluster.fail(({ path }) => path.endsWith('/status'), { kind: 'refuse', status: 500 }, 2)
  world.cluster.put(plural, storedRequest())
  await eventually('it has its CA', () => world.issued() !== undefined)
  await eventually('that is recorded', () => world.records().at(-1) === 'issued published')
})

test('it ends with its ledger, and says so', async () => {
  requirement('intermediate.recorded-before-signed')
  await using started = start()
  const { world } = started
  world.ledger.breakNext()
  world.cluster.put(plural, storedRequest())
  await assert.rejects(started.ended, { code: 'ledger/unavailable' })
  assert.equal(world.issued(), undefined)
})

test('a wrong clock and a CA that may have none below it are told of, and sign nothing', async () => {
  await using started = start()
  const { world, intermediates } = started
  world.unfit = 'the clock here is not that of the API server'
  const { ok, reason } =
    intermediates.conditions().find(({ name }) => name === 'clock') ?? assert.fail()
  assert.deepEqual([ok, reason], [false, world.unfit])
})
