import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLedgerRecord } from '../../../src/ledger/record.ts'
import { parseSubjectKey } from '../../../src/pki/subject-key.ts'
import { requirement } from '../../requirements.ts'
import { askedOf } from '../asked.ts'
import { World } from './issuance-world.ts'
import { absent, declared, evidenceOf } from '../workload.ts'

test('a request is issued in the order that the record demands', async () => {
  requirement('signer.no-record-no-signature')
  const world = new World(askedOf())
  assert.deepEqual(await world.step(), { kind: 'done', as: 'issued' })
  assert.deepEqual(world.trace, [
    'gather',
    'policy',
    'prepare',
    'issuance-intent',
    'sign',
    'Issued',
    'issuance-result',
  ])
  world.checkSettled()
  assert.deepEqual(world.history.intents.requests(), [])
  assert.equal(world.events[0]?.reason, 'CertificateIssued')
})

test('every record is one that a ledger takes', async () => {
  const issued = new World(askedOf())
  await issued.run()
  const scopes = Array.from({ length: 32 }, (_, index) => `s${index}:${'t'.repeat(128)}`).join(',')
  const annotations = { 'countersign.dev/tool-scopes': scopes }
  const refused = new World(askedOf({ annotations }))
  refused.live = evidenceOf({
    pod: { certificates: [{ ...declared, annotations: { ...annotations } }] },
  })
  await refused.run()
  const many = Array.from({ length: 400 }, (_, index) => [`example.com/${index}`, ''])
  const crowded = new World(askedOf({ annotations: Object.fromEntries(many) }))
  await crowded.run()
  const [refusal] = crowded.records
  assert.ok(refusal?.kind === 'issuance-refusal')
  assert.equal(refusal.fields.length, 16)
  const [, told] = refused.records
  assert.ok(told?.kind === 'issuance-refusal' && Buffer.byteLength(told.message) <= 8192)
  for (const record of [...crowded.records, ...issued.records, ...refused.records]) {
    assert.deepEqual(parseLedgerRecord(JSON.parse(JSON.stringify(record))), record)
  }
})

test('the intent holds what the auditor asks for', async () => {
  const world = new World(askedOf())
  await world.run()
  const [intent] = world.intents()
  assert.ok(intent !== undefined)
  const { evidence, ...rest } = intent
  assert.ok(evidence.some(({ check, field }) => check === 'volume-declared' && field === 'volume'))
  assert.deepEqual(rest.pod, { name: 'worker-0', uid: 'pod-uid' })
  assert.deepEqual(rest.namespace, { name: 'team-a', uid: 'namespace-uid' })
  assert.deepEqual(rest.projectedPaths, ['credential-bundle.pem'])
  assert.equal(rest.requester, 'not-shown')
  assert.equal(rest.policyRevision, 'r1')
  assert.equal(rest.notBefore, '2026-11-20T09:58:30.000Z')
  assert.match(rest.evidenceDigest, /^[0-9a-f]{64}$/)
})

test('what a cache says against a pod is asked of the API server, which may know better', async () => {
  const world = new World(askedOf())
  world.cached = { ...evidenceOf({ live: false }), pod: absent }
  assert.deepEqual(await world.step(), { kind: 'done', as: 'issued' })
  assert.deepEqual(world.trace.slice(0, 3), ['gather', 'gather-live', 'policy'])
})

test('a proven violation is recorded, then denied', async () => {
  const world = new World(askedOf())
  world.cached = evidenceOf({ live: false, pod: { terminating: true } })
  world.live = evidenceOf({ pod: { terminating: true } })
  assert.deepEqual(await world.step(), { kind: 'done', as: 'denied' })
  assert.deepEqual(world.trace, [
    'gather',
    'gather-live',
    'issuance-refusal',
    'Denied',
    'issuance-refusal',
  ])
  const outcomes = world.records.map((record) => 'outcome' in record && record.outcome)
  assert.deepEqual(outcomes, ['unknown', 'published'])
  assert.equal(new Set(world.records.map(({ issuanceId }) => issuanceId)).size, 1)
  assert.match(world.events[0]?.message ?? '', /^PodTerminating: pod: asked pod "worker-0"/)
})

test('a verdict is counted once, however often the request is looked at', async () => {
  const world = new World(askedOf())
  world.decision = { allow: true, reasons: [], lifetimeSecondsMax: 3599 }
  for (let look = 0; look < 3; look += 1) await world.step()
  assert.deepEqual(world.verdicts, [{ verdict: 'wait', reason: '' }])
  world.decision = { allow: true, reasons: [] }
  await world.step()
  assert.deepEqual(world.verdicts.slice(1), [{ verdict: 'issue', reason: '' }])
})

test('a request for a pod that is over is denied and recorded, without an alarm', async () => {
  requirement('signer.ended-is-no-attack')
  const world = new World(askedOf())
  world.cached = evidenceOf({ live: false, pod: { phase: 'Succeeded' } })
  world.live = evidenceOf({ pod: { phase: 'Succeeded' } })
  assert.deepEqual(await world.step(), { kind: 'done', as: 'denied' })
  assert.equal(world.status?.conditions[0].reason, 'PodEnded')
  assert.deepEqual(world.events, [])
  assert.deepEqual(world.verdicts, [{ verdict: 'ended', reason: 'PodEnded' }])
  assert.equal(world.records.length, 2)
})

test('what the request itself breaks is denied without looking at the cluster', async () => {
  const world = new World(askedOf({ annotations: { 'example.com/x': 'y' } }))
  assert.deepEqual(await world.step(), { kind: 'done', as: 'denied' })
  assert.deepEqual(world.trace, ['issuance-refusal', 'Denied', 'issuance-refusal'])
  assert.equal(world.status?.conditions[0].reason, 'InvalidUnverifiedUserAnnotations')
})

test('the policy refuses on live evidence only, and its reasons are told', async () => {
  requirement('signer.policy-only-narrows')
  const world = new World(askedOf())
  const reason = { code: 'namespace-denied', message: 'not here', audience: 'operator' as const }
  world.decision = { allow: false, reasons: [reason], decisionId: 'd-1' }
  assert.deepEqual(await world.step(), { kind: 'done', as: 'denied' })
  assert.deepEqual(world.trace.slice(0, 4), ['gather', 'policy', 'gather-live', 'policy'])
  assert.equal(world.status?.conditions[0].reason, 'RefusedByPolicy')
  assert.match(world.status?.conditions[0].message ?? '', /proved namespace-denied: not here;/)
  assert.match(world.status?.conditions[0].message ?? '', /revision r1, decision d-1/)
})

test('a policy without an answer makes the request wait, and is asked again', async () => {
  requirement('signer.policy-only-narrows')
  const world = new World(askedOf())
  world.faultAt = new Map([
    [1, 'fail'],
    [3, 'fail'],
  ])
  const outcome = await world.step()
  assert.deepEqual(outcome, {
    kind: 'again',
    why: 'issuance policy: gives no answer: policy/abort',
    grave: true,
  })
  assert.equal(world.records.length, 0)
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
})

test('the policy shortens a life and never lengthens it', async () => {
  requirement('signer.policy-only-narrows')
  for (const [lifetimeSecondsMax, given] of [
    [3600, 3600],
    [7199, 7199],
    [86_400, 7200],
  ] as const) {
    const world = new World(askedOf({ maxExpirationSeconds: 7200 }))
    world.decision = { allow: true, reasons: [], lifetimeSecondsMax }
    await world.run()
    const [intent] = world.intents()
    assert.ok(intent !== undefined)
    assert.equal(intent.lifetimeSeconds, given)
    const { notBefore = '', notAfter = '' } = world.status ?? {}
    assert.equal(Date.parse(notAfter) - Date.parse(notBefore), given * 1000)
  }
})

test('a policy that shortens a life below what the API server takes makes the request wait', async () => {
  const world = new World(askedOf())
  world.decision = { allow: true, reasons: [], lifetimeSecondsMax: 3599 }
  assert.deepEqual(await world.step(), {
    kind: 'again',
    why: 'issuance policy: gives too short a life, want=3600.. got=3599',
    grave: true,
  })
})

test('a key that was issued to another pod is refused to this one', async () => {
  const world = new World(askedOf())
  await world.run()
  const thief = new World(
    askedOf({ uid: 'second-request', pod: { name: 'worker-0', uid: 'second-uid' } }),
  )
  thief.cached = evidenceOf({ live: false, pod: { uid: 'second-uid' } })
  thief.live = evidenceOf({ pod: { uid: 'second-uid' } })
  thief.records.push(...world.records)
  await thief.restart()
  assert.deepEqual(await thief.step(), { kind: 'done', as: 'denied' })
  assert.equal(thief.status?.conditions[0].reason, 'KeyAlreadyIssued')
})

test('of two pods that show one key in the same moment the second waits, and is then refused', async () => {
  const world = new World(askedOf())
  world.meanwhile = () => {
    const { sha256 } = parseSubjectKey(keyOf(world))
    world.history.keys.remember(sha256, { podUid: 'other-pod', requestUid: 'r' }, world.now + 1e9)
  }
  assert.deepEqual(await world.step(), { kind: 'again', why: 'key was taken by another pod' })
  assert.deepEqual(world.records, [])
  assert.deepEqual(await world.step(), { kind: 'done', as: 'denied' })
  assert.equal(world.status?.conditions[0].reason, 'KeyAlreadyIssued')
})

function keyOf(world: World): Uint8Array {
  const { key } = world.asked.spec
  assert.ok(key?.kind === 'proof')
  return key.spki
}

test('the same pod may ask again with its key', async () => {
  const world = new World(askedOf())
  await world.run()
  const again = new World(askedOf({ uid: 'second-request' }))
  again.records.push(...world.records)
  await again.restart()
  assert.deepEqual(await again.run(), { kind: 'done', as: 'issued' })
})

test('a lost answer is looked up before anything is sent again', async () => {
  const world = new World(askedOf())
  world.faultAt = new Map([[5, 'fail-but-persist']])
  assert.deepEqual(await world.step(), { kind: 'done', as: 'settled' })
  assert.deepEqual(world.trace.slice(5), ['Issued!fail-but-persist', 'read', 'issuance-result'])
  world.checkSettled()
  assert.equal(world.intents().length, 1)
})

test('a write that was lost on its way is sent again with the same octets', async () => {
  const world = new World(askedOf())
  world.faultAt = new Map([[5, 'fail']])
  assert.deepEqual(await world.step(), { kind: 'done', as: 'issued' })
  assert.equal(world.intents().length, 1)
  world.checkSettled()
})

test('a write that arrives after we gave up is what the record says in the end', async () => {
  const world = new World(askedOf())
  world.faultAt = new Map([5, 7, 9, 11].map((call) => [call, 'late']))
  const outcome = await world.step()
  assert.deepEqual(outcome, { kind: 'again', why: 'certificate is not published: unknown' })
  assert.equal(world.records.length, 1, 'nobody knows yet, so nothing is recorded')
  assert.deepEqual(await world.run(), { kind: 'done', as: 'settled' })
  world.checkSettled()
  const published = world
    .intents()
    .filter((intent) => world.resultsOf(intent)[0]?.outcome === 'published')
  assert.equal(published.length, 1)
})

test('a certificate that grew old while waiting is not sent again', async () => {
  const world = new World(askedOf())
  world.delaySecondsMore = 200
  world.faultAt = new Map([[5, 'fail']])
  assert.equal((await world.step()) === 'crashed', false)
  assert.deepEqual(world.trace.slice(5), ['Issued!fail', 'read'])
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
  world.checkSettled()
  assert.equal(world.intents().length, 2)
})

test('a concurrent change is read again, and the same certificate fits the new state', async () => {
  const world = new World(askedOf())
  world.faultAt = new Map([[5, 'conflict']])
  assert.deepEqual(await world.step(), { kind: 'done', as: 'issued' })
  assert.deepEqual(world.trace.slice(5), ['Issued!conflict', 'read', 'Issued', 'issuance-result'])
})

test('a stale certificate is signed anew under a new intent and serial number', async () => {
  const world = new World(askedOf())
  world.faultAt = new Map([[5, 'stale']])
  assert.deepEqual(await world.step(), {
    kind: 'again',
    why: 'notBefore is too far from the clock of the API server: told to (signer/stale)',
    grave: true,
  })
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
  const serials = world.intents().map(({ serialNumber }) => serialNumber)
  assert.equal(new Set(serials).size, 2)
  world.checkSettled()
})

test('a missing right is an alarm and a wait, never a verdict', async () => {
  requirement('signer.denied-only-proven')
  const world = new World(askedOf())
  world.faultAt = new Map([[5, 'not-permitted']])
  assert.deepEqual(await world.step(), {
    kind: 'again',
    why: 'this signer may not write its certificates: told to (signer/not-permitted)',
    grave: true,
  })
  assert.equal(world.status, undefined)
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
  world.checkSettled()
})

test('a request that is gone at the write is recorded as unpublished', async () => {
  const world = new World(askedOf())
  world.gone = true
  assert.deepEqual(await world.step(), { kind: 'done', as: 'gone' })
  const [intent] = world.intents()
  assert.ok(intent !== undefined)
  assert.equal(world.resultsOf(intent)[0]?.outcome, 'unpublished')
})

test('a request that is gone after a lost answer is recorded as unknown', async () => {
  const world = new World(askedOf())
  world.gone = true
  world.faultAt = new Map([[5, 'fail']])
  assert.deepEqual(await world.step(), { kind: 'done', as: 'gone' })
  const [intent] = world.intents()
  assert.ok(intent !== undefined)
  assert.equal(world.resultsOf(intent)[0]?.outcome, 'unknown')
})

test('a watch that lags behind our own write leads to no second signature', async () => {
  const world = new World(askedOf())
  const before = world.state
  world.faultAt = new Map([
    [6, 'fail'],
    [7, 'fail'],
  ])
  const unrecorded = { kind: 'again', why: 'result is not recorded yet', seconds: 5 }
  assert.deepEqual(await world.step(before), unrecorded)
  assert.deepEqual(await world.step(before), { kind: 'done', as: 'settled' })
  assert.equal(world.intents().length, 1)
  world.checkSettled()
})

test('an intent of a process that died is settled by the request, or as unknown when it is gone', async () => {
  for (const gone of [false, true]) {
    const world = new World(askedOf())
    world.faultAt = new Map([[5, 'crash-after']])
    assert.equal(await world.step(), 'crashed')
    world.gone = gone
    await world.settle()
    const [intent] = world.intents()
    assert.ok(intent !== undefined)
    const outcomes = world.resultsOf(intent).map(({ outcome }) => outcome)
    assert.deepEqual(outcomes, [gone ? 'unknown' : 'published'])
  }
})

test('a ceiling that no certificate has room for is refused', async () => {
  const scopes = Array.from(
    { length: 32 },
    (_, index) => `server-${'s'.repeat(54)}${String(index).padStart(2, '0')}:${'t'.repeat(127)}*`,
  )
  const annotations = { 'countersign.dev/tool-scopes': scopes.join(',') }
  const world = new World(askedOf({ annotations }))
  const labels = Object.fromEntries(
    scopes.map((scope) => [`tools.countersign.dev/${scope.split(':')[0]}`, 'allow']),
  )
  const [pod] = [evidenceOf().pod]
  assert.ok(pod?.state === 'found')
  const certificates = pod.object.certificates.map((source) => ({ ...source, annotations }))
  world.live = evidenceOf({
    pod: { certificates },
    namespace: { labels },
    serviceAccount: { annotations },
  })
  world.cached = { ...world.live, live: false }
  assert.deepEqual(await world.run(), { kind: 'done', as: 'denied' })
  assert.match(world.status?.conditions[0].message ?? '', /asked 0 models and 32 tool scopes;/)
})

test('what changes between evidence and signature is noticed, and nothing is signed on it', async () => {
  requirement('signer.evidence-holds-until-signed')
  const world = new World(askedOf())
  world.changed = '"worker-0" is gone since the evidence was read'
  assert.deepEqual(await world.step(), { kind: 'again', why: world.changed })
  assert.ok(!world.trace.includes('sign'), world.trace.join(' '))
  const [intent] = world.intents()
  assert.ok(intent !== undefined)
  const [result] = world.resultsOf(intent)
  assert.equal(result?.outcome, 'unpublished')
  assert.equal(result.detail, `not signed: ${world.changed}`)
  world.changed = undefined
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
  world.checkSettled()
})
