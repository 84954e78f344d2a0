import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { certificateSigningRequests } from '../../../src/kubernetes/certificate-signing-request.ts'
import type { PodCertificateRequest } from '../../../src/kubernetes/pod-certificate-request.ts'
import { parseLedgerRecord, type IssuanceApproval } from '../../../src/ledger/record.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import {
  createHistory,
  isLeftOpen,
  readHistory,
  type History,
} from '../../../src/signer/issue/history.ts'
import { createApproving } from '../../../src/signer/issue/issuance.ts'
import type { Outcome } from '../../../src/signer/issue/issuance-options.ts'
import { certificatesPerHour } from '../../../src/signer/issue/pod-pace.ts'
import type { Approval } from '../../../src/signer/issue/ports.ts'
import { approvalMessage } from '../../../src/signer/verdict/condition.ts'
import { askedByPod } from '../../../src/signer/watch/asked-by-pod.ts'
import { overWhenApproved } from '../../../src/signer/watch/approving-requests.ts'
import { requirement } from '../../requirements.ts'
import { memoryLedger, type MemoryLedger } from '../../support/memory-ledger.ts'
import { signerName } from '../asked.ts'
import { boundExtra, newKey, signingRequest } from '../signing-request.ts'
import { agreeing, evidenceOf, profile } from '../workload.ts'

const { signal } = new AbortController()
const start = Date.parse('2026-11-20T10:00:00Z')

const key = newKey()

/** One that pod `worker-0` has made itself, with one key. */
function requestOf(
  changed: {
    readonly name?: string
    readonly annotations?: Readonly<Record<string, string>>
    readonly conditions?: readonly object[]
    /** Its UID; its name, too. */
    readonly pod?: string
  } = {},
): PodCertificateRequest {
  const { name, annotations, conditions = [], pod } = changed
  const bound = (key: string): string => `authentication.kubernetes.io/pod-${key}`
  const other = pod === undefined ? {} : { [bound('name')]: [pod], [bound('uid')]: [pod] }
  const spec = { extra: { ...boundExtra, ...other } }
  const raw = signingRequest(name, {
    key,
    spec,
    annotations: annotations ?? {},
    status: { conditions },
  })
  return overWhenApproved(askedByPod(certificateSigningRequests.parse(raw)))
}

/** An approver, the cluster that it asks, and what it has written there. */
interface World {
  readonly ledger: MemoryLedger
  readonly written: string[]
  history: History
  now: number
  /** What the API server says to an approval that it has taken. */
  answer: Approval | undefined
  changed: string | undefined
  /** What pod and service account declare. */
  annotations: Readonly<Record<string, string>>
  /** Of the namespace. */
  labels: Readonly<Record<string, string>>
  current: PodCertificateRequest
  approvals(): readonly IssuanceApproval[]
  outcomes(): readonly string[]
  handle(request?: PodCertificateRequest): Promise<Outcome>
  restart(): Promise<void>
}

function open(): World {
  const ledger = memoryLedger()
  const written: string[] = []
  const world: World = {
    ledger,
    written,
    history: createHistory(() => world.now),
    now: start,
    answer: undefined,
    changed: undefined,
    annotations: {},
    labels: {},
    current: requestOf(),
    approvals: () => ledger.records.filter((record) => record.kind === 'issuance-approval'),
    outcomes: () => world.approvals().map(({ outcome }) => outcome),
    async handle(request = world.current) {
      return createApproving({
        profile: { ...profile, cluster: 'test' },
        ledger,
        issuancePolicy: { decide: agreeing.decide },
        history: world.history,
        ports: {
          gather: async ({ spec: { pod } }, { live }) =>
            evidenceOf({
              live,
              pod: { ...pod, signingRequests: { signerName, annotations: world.annotations } },
              namespace: { labels: world.labels },
              serviceAccount: { annotations: world.annotations },
            }),
          changed: () => world.changed,
          read: async () => world.current,
          async approve(target, verdict) {
            assert.equal(world.outcomes().at(-1), 'unknown', 'an approval before its record')
            written.push(`Approved ${verdict.pod.uid}`)
            const message = approvalMessage(verdict)
            const conditions = [{ type: 'Approved', status: 'True', message }]
            const approved = requestOf({ conditions })
            if (world.answer === undefined || world.answer.kind === 'unknown') {
              world.current = approved
            }
            return world.answer ?? { kind: 'approved', request: target }
          },
          async publish(_target, status) {
            const [{ type, reason }] = status.conditions
            written.push(`${type} ${reason}`)
            return { kind: 'written' }
          },
          emitEvent: () => {},
        },
        requester: () => 'pod',
        modeOf: () => 'enforce',
        replica: 'approver-0',
        now: () => world.now,
        randomBytes,
        metrics: silentMetrics,
        log: silentLog,
      }).handle(request, signal)
    },
    async restart() {
      const records = ledger.records.map((record, index) => ({ index, record }))
      world.history = await readHistory(
        (async function* () {
          yield* records
        })(),
        () => world.now,
      )
    },
  }
  return world
}

test('what is proved is approved after it was recorded, and recorded as approved', async () => {
  requirement('signer.approver-proves')
  const world = open()
  assert.deepEqual(await world.handle(), { kind: 'done', as: 'approved' })
  assert.deepEqual(world.written, ['Approved pod-uid'])
  assert.deepEqual(world.outcomes(), ['unknown', 'published'])
  const [approval] = world.approvals()
  assert.ok(approval)
  assert.deepEqual(parseLedgerRecord(JSON.parse(JSON.stringify(approval))), approval)
  assert.equal(approval.spiffeId, 'spiffe://example.org/ns/team-a/sa/worker')
  assert.match(
    approval.message,
    /^spiffe:.* for pod team-a\/worker-0 on node1, policy revision r1: /,
  )
  assert.equal('serialNumber' in approval, false)
  assert.deepEqual(await world.handle(), { kind: 'done', as: 'settled' })
  assert.equal(world.approvals().length, 2)
})

test('without a record nothing is approved', async () => {
  requirement('signer.approver-proves')
  const world = open()
  world.ledger.breakNext()
  assert.match(JSON.stringify(await world.handle()), /ledger is not available/)
  assert.deepEqual(world.written, [])
})

test('what does not hold any more when the record is written is not approved', async () => {
  requirement('signer.approver-proves')
  const world = open()
  world.changed = 'the pod is gone'
  assert.deepEqual(await world.handle(), { kind: 'again', why: 'the pod is gone' })
  assert.deepEqual(world.written, [])
  assert.deepEqual(world.outcomes(), ['unknown', 'unpublished'])
})

test('what is refused is denied, in the words that the pod is helped by', async () => {
  requirement('signer.approver-proves')
  const world = open()
  const annotations = { 'countersign.dev/tenant': 'acme' }
  assert.deepEqual(await world.handle(requestOf({ annotations })), { kind: 'done', as: 'denied' })
  assert.equal(world.written.length, 1)
  assert.match(world.written.join(), /^Denied /)
  assert.deepEqual(
    world.ledger.records.map(({ kind }) => kind),
    ['issuance-refusal', 'issuance-refusal'],
  )
})

for (const restarts of [false, true]) {
  test(`an answer that was lost is found in the request, restarts=${restarts}`, async () => {
    const world = open()
    world.answer = { kind: 'unknown', status: undefined, detail: 'no answer' }
    assert.equal((await world.handle()).kind, 'again')
    assert.deepEqual(world.outcomes(), ['unknown'])
    if (restarts) await world.restart()
    // As it was seen before: what was begun is read anew.
    assert.deepEqual(await world.handle(requestOf()), { kind: 'done', as: 'settled' })
    assert.deepEqual(world.outcomes(), ['unknown', 'published'])
    assert.equal(world.written.length, 1)
  })
}

test('an approval of somebody else is not said to be ours', async () => {
  const world = open()
  world.answer = { kind: 'conflict', status: 409, detail: 'changed' }
  assert.equal((await world.handle()).kind, 'again')
  world.current = requestOf({ conditions: [{ type: 'Approved', message: 'by a person' }] })
  assert.deepEqual(await world.handle(), { kind: 'done', as: 'settled' })
  assert.deepEqual(world.outcomes(), ['unknown', 'unpublished'])
  assert.equal(isLeftOpen(world.history, 'uid-of-csr-1'), false)
})

test('one that could not be written is tried again under the same record', async () => {
  const world = open()
  world.answer = { kind: 'not-permitted', status: 403, detail: 'forbidden' }
  assert.match(JSON.stringify(await world.handle()), /signer\/not-permitted/)
  world.answer = undefined
  assert.deepEqual(await world.handle(), { kind: 'done', as: 'approved' })
  assert.deepEqual(world.outcomes(), ['unknown', 'published'])
})

for (const restarts of [false, true]) {
  test(`a key that was approved for a pod is approved for no other, restarts=${restarts}`, async () => {
    requirement('signer.approver-proves')
    const world = open()
    await world.handle()
    if (restarts) await world.restart()
    const { history } = world
    const { spkiSha256 = '' } = world.approvals()[0] ?? {}
    assert.equal(history.keys.ownerOf(spkiSha256), 'pod-uid')
    world.current = requestOf({ name: 'csr-2' })
    assert.deepEqual(await world.handle(), { kind: 'done', as: 'denied' })
    assert.equal(world.written.at(-1), 'Denied KeyAlreadyIssued')
  })
}

test('of two pods with one key in the same moment one is approved', async () => {
  requirement('signer.approver-proves')
  const world = open()
  const second = requestOf({ name: 'csr-2', pod: 'worker-1' })
  const outcomes = await Promise.all([world.handle(), world.handle(second)])
  assert.deepEqual(outcomes, [
    { kind: 'done', as: 'approved' },
    { kind: 'again', why: 'key was taken by another pod' },
  ])
  assert.deepEqual(world.written, ['Approved pod-uid'])
})

test('what could be signed for nobody is denied, before an approval says otherwise', async () => {
  requirement('signer.approver-proves')
  const world = open()
  const scopes = Array.from(
    { length: 32 },
    (_, index) => `server-${'s'.repeat(54)}${String(index).padStart(2, '0')}:${'t'.repeat(127)}*`,
  )
  world.annotations = { 'countersign.dev/tool-scopes': scopes.join() }
  world.labels = Object.fromEntries(
    scopes.map((scope) => [`tools.countersign.dev/${scope.split(':')[0]}`, 'allow']),
  )
  const { annotations } = world
  assert.deepEqual(await world.handle(requestOf({ annotations })), { kind: 'done', as: 'denied' })
  assert.deepEqual(world.written, ['Denied InvalidUnverifiedUserAnnotations'])
  assert.match(JSON.stringify(world.ledger.records), /asked 0 models and 32 tool scopes;/)
})

test('a pod is approved so often within an hour, as it would be issued', async () => {
  const world = open()
  for (let index = 0; index < certificatesPerHour; index += 1) {
    world.history.pace.note('pod-uid', start)
  }
  assert.match(JSON.stringify(await world.handle()), /its pod has had 10 certificates/)
  assert.deepEqual(world.written, [])
})
