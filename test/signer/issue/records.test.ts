import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatEntry } from '../../../src/ledger/entry.ts'
import { intentRecord, recordedMessage, refusalRecord } from '../../../src/signer/issue/records.ts'
import type { NamedFinding } from '../../../src/signer/verdict/verdict.ts'
import { approvalOf } from '../../ledger/records.ts'
import { askedOf } from '../asked.ts'
import { World } from './issuance-world.ts'
import { evidenceOf } from '../workload.ts'
import { requirement } from '../../requirements.ts'

const head = {
  time: '2026-11-20T10:00:00.000Z',
  replica: 'r'.repeat(253),
  issuanceId: 'a'.repeat(32),
}

/** Texts that grow when they are written as JSON, or are cut within a character. */
const hostile: readonly [string, string][] = [
  ['control characters', '\u0001'.repeat(40_000)],
  ['quotes', '"\\'.repeat(40_000)],
  ['halves of surrogate pairs', '\ud800'.repeat(40_000)],
  ['characters of four octets', '😀'.repeat(20_000)],
  ['a control character after many others', `${'é'.repeat(8000)}${'\u0000'.repeat(9000)}`],
]

for (const [title, text] of hostile) {
  test(`a refusal fits the ledger, whatever the request says: ${title}`, () => {
    requirement('signer.records-fit')
    const long = { name: 'n'.repeat(253), uid: 'u'.repeat(128) }
    const record = refusalRecord(
      head,
      askedOf({
        signerName: 's'.repeat(571),
        namespace: 'n'.repeat(63),
        name: 'n'.repeat(253),
        pod: long,
        serviceAccount: long,
        node: long,
        annotations: Object.fromEntries(
          ['role', 'tenant', 'models', 'tool-scopes'].map((key) => [
            `countersign.dev/${key}`,
            text,
          ]),
        ),
      }),
      {
        verdict: {
          kind: 'deny',
          reason: 'InvalidUnverifiedUserAnnotations',
          message: text,
          fields: Array.from({ length: 40 }, () => ({
            field: text,
            asked: text,
            proved: text,
            change: text,
          })),
          findings: [],
        },
        latencySeconds: 1,
      },
    )
    assert.ok(formatEntry(record).line.length < 65_600)
    assert.ok(record.message.endsWith('…'))
    assert.ok(JSON.stringify(record.message).length - 2 <= 8192)
    assert.ok(text.toWellFormed().startsWith(record.message.slice(0, -1)))
  })

  test(`a request with ${title} is answered`, async () => {
    requirement('signer.records-fit')
    const world = new World(askedOf({ annotations: { 'countersign.dev/role': text } }))
    assert.deepEqual(await world.run(), { kind: 'done', as: 'denied' })
  })
}

test('an intent fits the ledger at the bounds of all that is granted', async () => {
  requirement('signer.records-fit')
  const world = new World(askedOf())
  assert.deepEqual(await world.run(), { kind: 'done', as: 'issued' })
  const [intent] = world.intents()
  assert.ok(intent !== undefined)
  const finding: NamedFinding = {
    kind: 'proved',
    check: 'dns-names-selected',
    field: 'dnsNames',
    value: '\u0001'.repeat(9000),
    by: 'selectors',
  }
  const names = Array.from({ length: 32 }, (_, index) => `${index}`.padEnd(384, 'n'))
  const text = '\u0001'.repeat(9000)
  const refusal = { field: text, asked: text, proved: text, change: text }
  const { evidence, wouldDeny } = intentRecord(head, {
    verdict: {
      wouldDeny: { reason: 'ModelNotGranted', fields: Array.from({ length: 200 }, () => refusal) },
      ...intent,
      claims: { asked: askedOf(), key: { keyType: 'RSA4096' } },
      policy: { revision: 'r', digest: intent.policyDigest },
      spiffeId: { uri: intent.spiffeId },
      ceiling: { models: [], toolScopes: [] },
      findings: Array.from({ length: 200 }, () => finding),
    } as never,
    prepared: {
      ...intent,
      notBefore: new Date(0),
      notAfter: new Date(0),
      beginRefreshAt: new Date(0),
    } as never,
  })
  assert.ok(wouldDeny !== undefined)
  const annotations = Object.fromEntries(
    ['role', 'tenant', 'models', 'tool-scopes'].map((key) => [key, 'a'.repeat(6400)]),
  )
  const largest = {
    ...intent,
    evidence,
    wouldDeny,
    annotations,
    spiffeId: `spiffe://${'s'.repeat(2039)}`,
    dnsNames: names,
    models: [],
    toolScopes: ['t'.repeat(4096)],
    projectedPaths: ['p'.repeat(8188)],
  }
  assert.ok(evidence.length > 5)
  assert.equal(wouldDeny.fields.length, 4)
  assert.ok(formatEntry(largest).line.length < 65_600)
  const approval = {
    ...approvalOf(largest),
    // Who asks by itself has no volume, and so no paths.
    projectedPaths: [],
    message: recordedMessage('\u0001'.repeat(4096)),
  }
  assert.ok(formatEntry(approval).line.length < 65_600)
})

test('a pod whose paths fit no record is denied, and the pod is told what to change', async () => {
  requirement('signer.records-fit')
  const [pod] = [evidenceOf().pod]
  assert.ok(pod?.state === 'found')
  const paths = Array.from({ length: 40 }, (_, index) => `${'\u0001'.repeat(4000)}${index}`)
  const certificates = pod.object.certificates.map((source) => ({ ...source, paths }))
  const world = new World(askedOf())
  world.live = evidenceOf({ pod: { certificates } })
  world.cached = { ...world.live, live: false }
  assert.deepEqual(await world.run(), { kind: 'done', as: 'denied' })
  const [condition] = world.status?.conditions ?? []
  assert.equal(condition?.reason, 'VolumePathsTooLong')
  assert.match(
    condition?.message ?? '',
    /asked 40 paths of \d+ octets; proved a record has room for 8192/,
  )
})
