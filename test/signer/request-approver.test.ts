import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { LedgerRecord } from '../../src/ledger/record.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { isReady } from '../../src/readiness.ts'
import { createRequestApprover } from '../../src/signer/request-approver.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import type { FakeCluster } from '../support/fake-cluster.ts'
import { memoryLedger } from '../support/memory-ledger.ts'
import { signerName } from './asked.ts'
import { populatedCluster, profile } from './signer-world.ts'
import { declare, signingRequest } from './signing-request.ts'
import { agreeing } from './workload.ts'

interface ApproverWorld extends AsyncDisposable {
  readonly cluster: FakeCluster
  readonly records: readonly LedgerRecord[]
  /** Of the conditions of a request. */
  types(name?: string): readonly string[]
}

async function start(cluster: FakeCluster): Promise<ApproverWorld> {
  const ledger = memoryLedger()
  const approver = createRequestApprover({
    client: cluster,
    signerName,
    profile,
    issuancePolicy: { decide: agreeing.decide },
    replica: 'approver-0',
    ledger,
    records: async function* () {},
    log: silentLog,
    metrics: silentMetrics,
    now: Date.now,
    randomBytes,
  })
  const stop = new AbortController()
  const ended = approver.run(stop.signal)
  await eventually('the approver is ready', () => isReady(approver.conditions()))
  return {
    cluster,
    records: ledger.records,
    types(name = 'csr-1') {
      const { status } = cluster.get('certificatesigningrequests', name) as {
        status?: { conditions?: { type: string }[] }
      }
      return (status?.conditions ?? []).map(({ type }) => type)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}

/** Pod `worker-0` may ask. */
function declaring(): FakeCluster {
  const cluster = populatedCluster()
  declare(cluster)
  return cluster
}

test('an approver approves what the signer would issue, and writes no certificate', async () => {
  requirement('signer.approver-proves')
  const cluster = declaring()
  cluster.put('certificatesigningrequests', signingRequest())
  await using world = await start(cluster)
  await eventually('it is approved', () => world.types().includes('Approved'))
  await eventually('and recorded', () => world.records.length === 2)
  assert.deepEqual(
    world.records.map((record) => [record.kind, 'outcome' in record && record.outcome]),
    [
      ['issuance-approval', 'unknown'],
      ['issuance-approval', 'published'],
    ],
  )
  const written = cluster.requests.filter(({ method }) => method !== 'GET' && method !== 'POST')
  assert.deepEqual(
    written.map(({ path }) => path.split('/').at(-1)),
    ['approval'],
  )
})

test('an approver denies what the signer would deny, and leaves what others have approved', async () => {
  requirement('signer.approver-proves')
  const cluster = populatedCluster()
  const byHand = { type: 'Approved', status: 'True', reason: 'ByHand', message: 'by a person' }
  const status = { conditions: [byHand] }
  cluster.put('certificatesigningrequests', signingRequest('by-hand', { status }))
  await using world = await start(cluster)
  cluster.put('certificatesigningrequests', signingRequest('csr-1'))
  await eventually('it is denied', () => world.types().includes('Denied'))
  assert.deepEqual(world.types('by-hand'), ['Approved'])
  assert.deepEqual(new Set(world.records.map(({ request }) => request.name)), new Set(['csr-1']))
})
