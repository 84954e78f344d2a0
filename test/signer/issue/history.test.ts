import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import type { IssuanceIntent, IssuanceResult, LedgerRecord } from '../../../src/ledger/record.ts'
import { createHistory, readHistory } from '../../../src/signer/issue/history.ts'

function intentOf(
  issuanceId: string,
  request: string,
  key: { readonly spki: string; readonly pod: string },
): IssuanceIntent {
  const named = { name: 'n', uid: 'u' }
  return {
    kind: 'issuance-intent',
    time: '2026-11-20T10:00:00.000Z',
    replica: 'signer-0',
    issuanceId,
    request: { uid: request, namespace: 'team-a', name: `req-${request}`, signerName: 's/s' },
    pod: { name: key.pod, uid: key.pod },
    serviceAccount: named,
    node: named,
    namespace: named,
    requester: 'not-shown',
    keyType: 'ECDSAP256',
    spkiSha256: key.spki,
    maxExpirationSeconds: 86_400,
    lifetimeSeconds: 3600,
    annotations: {},
    projectedPaths: [],
    spiffeId: 'spiffe://example.org/ns/team-a/sa/worker',
    models: [],
    toolScopes: [],
    dnsNames: [],
    serialNumber: '01',
    notBefore: '2026-11-20T10:00:00.000Z',
    notAfter: '2026-11-20T11:00:00.000Z',
    beginRefreshAt: '2026-11-20T10:30:00.000Z',
    evidenceDigest: '',
    profileDigest: '',
    policyRevision: '',
    policyDigest: '',
    evidence: [],
  }
}

function resultOf(intent: IssuanceIntent): IssuanceResult {
  const { time, replica, issuanceId, request } = intent
  const head = { time, replica, issuanceId, request }
  return {
    kind: 'issuance-result',
    ...head,
    outcome: 'published',
    detail: '',
    latencySeconds: 0,
    intentIndex: 0,
  }
}

function keyOf(text: string): string {
  return hash('sha256', text, 'hex')
}

async function* ledgerOf(
  ...records: LedgerRecord[]
): AsyncGenerator<{ index: number; record: LedgerRecord }> {
  for (const [index, record] of records.entries()) yield { index, record }
}

test('a ledger read again gives the keys of all intents and the intents without a result', async () => {
  const first = intentOf('1', 'a', { spki: keyOf('k1'), pod: 'p1' })
  const second = intentOf('2', 'b', { spki: keyOf('k2'), pod: 'p2' })
  const history = await readHistory(ledgerOf(first, second, resultOf(first)), () =>
    Date.parse(first.time),
  )
  assert.equal(history.keys.ownerOf(keyOf('k1')), 'p1')
  assert.equal(history.keys.ownerOf(keyOf('k2')), 'p2')
  assert.equal(history.keys.ownerOf(keyOf('k3')), undefined)
  assert.deepEqual(history.intents.requests(), [second.request])
  assert.deepEqual(history.intents.of('b'), [{ index: 1, intent: second }])
  assert.deepEqual(history.intents.of('a'), [])
})

test('a request with several open intents is told once, and until the last is closed', () => {
  const { intents } = createHistory(() => 0)
  const one = { index: 0, intent: intentOf('1', 'a', { spki: keyOf('k'), pod: 'p' }) }
  const two = { index: 1, intent: intentOf('2', 'a', { spki: keyOf('k'), pod: 'p' }) }
  intents.add(one)
  intents.add(two)
  assert.deepEqual(intents.of('a'), [one, two])
  assert.equal(intents.requests().length, 1)
  intents.close('1')
  intents.close('never seen')
  assert.deepEqual(intents.of('a'), [two])
  intents.close('2')
  assert.deepEqual(intents.requests(), [])
})
