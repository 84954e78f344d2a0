import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { PodCertificateRequest } from '../../../src/kubernetes/pod-certificate-request.ts'
import {
  afterLook,
  afterRequest,
  filesOf,
  isDue,
  pendingOf,
  type CredentialState,
} from '../../../dev/kubelet/credential.ts'
import { formatPem } from '../../../dev/pem.ts'

const minute = 60_000
const start = Date.UTC(2026, 0, 2, 3, 4, 5)
const { privateKey } = generateKeyPairSync('ed25519')
const random = (): number => 0.5
const certificate = formatPem('CERTIFICATE', Buffer.from('leaf'))

function request(type?: string, more: object = {}): PodCertificateRequest {
  const conditions =
    type === undefined ? [] : [{ type, status: 'True', reason: 'Why', message: 'because' }]
  const issued = {
    certificateChain: `some words\n${certificate}`,
    beginRefreshAt: new Date(start + 30 * minute),
    notAfter: new Date(start + 60 * minute),
  }
  const status = { conditions, ...(type === 'Issued' ? issued : {}), ...more }
  const metadata = { name: 'req-1', creationTimestamp: new Date(start) }
  return { metadata, spec: {}, status } as unknown as PodCertificateRequest
}

const initial: CredentialState = { kind: 'initial' }
const waiting = afterRequest(initial, pendingOf({ privateKey, request: request(), random }))
const clock = (milliseconds: number): { now: number; random: () => number } => ({
  now: start + milliseconds,
  random,
})
const fresh = afterLook(waiting, request('Issued'), clock(0))
const refreshing = afterRequest(fresh, pendingOf({ privateKey, request: request(), random }))

test('a source asks at once, then waits for the answer', () => {
  assert.ok(isDue(initial, start))
  assert.equal(waiting.kind, 'wait')
  assert.equal(isDue(waiting, start + 1e9), false)
  assert.equal(afterLook(waiting, request(), clock(0)), waiting)
  assert.deepEqual(filesOf(waiting), { problem: 'credential bundle is not issued yet' })
})

test('an issued certificate is written without the text around it, key and chain apart', () => {
  const files = filesOf(fresh)
  assert.ok('chain' in files)
  assert.equal(files.chain, certificate)
  assert.match(files.key, /^-----BEGIN PRIVATE KEY-----/)
})

test('the refresh is due at beginRefreshAt and up to five minutes after it', () => {
  // Half of the jitter: two and a half minutes.
  const due = start + 32.5 * minute
  assert.equal(isDue(fresh, due - 1), false)
  assert.ok(isDue(fresh, due))
})

test('during a refresh the old files stay', () => {
  assert.equal(refreshing.kind, 'waitrefresh')
  assert.deepEqual(filesOf(refreshing), filesOf(fresh))
  assert.equal(afterLook(refreshing, request(), clock(0)), refreshing)
})

for (const [type, outcome] of [
  ['Denied', 'denied'],
  ['Failed', 'failed'],
] as const) {
  for (const [when, state] of [
    ['the first request', waiting],
    ['a refresh', refreshing],
  ] as const) {
    test(`${type} on ${when} has no exit`, () => {
      const refused = afterLook(state, request(type), clock(0))
      assert.deepEqual(filesOf(refused), {
        problem: `PodCertificateRequest was permanently ${outcome}: reason="Why" message="because"`,
      })
      assert.equal(isDue(refused, start + 1e12), false)
      assert.equal(afterLook(refused, request('Issued'), clock(1e12)), refused)
    })
  }
}

test('a request that is not seen is taken for deleted after ten to fifteen minutes, not before', () => {
  const abandonAt = 12.5 * minute
  assert.equal(afterLook(waiting, undefined, clock(abandonAt)), waiting)
  assert.deepEqual(afterLook(waiting, undefined, clock(abandonAt + 1)), initial)
  const again = afterLook(refreshing, undefined, clock(abandonAt + 1))
  assert.deepEqual(again, fresh)
})
