import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openIssuance } from '../../../src/cli/signer/open-issuance.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { createToldDifferences } from '../../../src/policy/author/told-differences.ts'
import type { PolicyEngine } from '../../../src/policy/engine.ts'
import type { Shadow } from '../../../src/policy/shadow/shadow.ts'
import { issuanceInput } from '../../policy/issuance-input.ts'
import { openCollector, type Received } from '../../policy/upload/collector.ts'
import { requirement } from '../../requirements.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-issuance-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const named = {
  trustDomain: parseTrustDomain('example.org'),
  cluster: 'east',
  replica: 'signer-0',
  signerName: 'countersign.dev/identity',
}
const parts = { log: silentLog, metrics: silentMetrics, now: () => Date.UTC(2026, 10, 22, 9) }

/** A candidate that denies whatever it is asked about, and tells so at once. */
function denyingShadow(): { readonly shadow: Shadow; readonly asked: string[] } {
  const asked: string[] = []
  let tell: Parameters<Shadow['onDifference']>[0] = () => {}
  const candidate = { revision: 'candidate', digest: 'd2' }
  const shadow: Partial<Shadow> = {
    isAsking: true,
    asked: { content: { files: new Map(), digest: '' }, name: candidate },
    onDifference: (listener) => void (tell = listener),
    add(_, { decisionId, subject }) {
      asked.push(decisionId)
      const difference = { change: 'narrowed', rule: 'no', from: 'allow', to: 'deny no' } as const
      tell({ ...difference, decisionId, subject, resource: 'countersign.dev/identity' })
    },
  }
  return { shadow: shadow as Shadow, asked }
}

function policyOf(
  engine: PolicyEngine,
  shadow?: Shadow,
): Parameters<typeof openIssuance>[1]['policy'] {
  const candidate =
    shadow && ({ shadow } as NonNullable<Parameters<typeof openIssuance>[1]['policy']['candidate']>)
  return { engine, candidate }
}

test('decisions and what a candidate says of them are in one log, from which policy shadow joins them', async () => {
  requirement('policy.issuance-logged')
  const file = join(folder, 'decisions.jsonl')
  const engine = await loadPolicyBundle()
  const { shadow, asked } = denyingShadow()
  const decisionLog = {
    file,
    fileBytesMax: 16_777_216,
    files: 2,
    whenFull: 'block',
    drops: 'forbid',
  } as const
  {
    await using issuance = await openIssuance(
      { ...named, decisionLog },
      { ...parts, policy: policyOf(engine, shadow) },
    )
    assert.deepEqual(issuance.conditions(), [
      { name: 'decision-log', ok: true, reason: 'takes decisions' },
    ])
    const { allow, decisionId } = issuance.policy.decide(issuanceInput)
    issuance.policy.decide(issuanceInput, { supposed: true })
    assert.deepEqual([allow, asked], [true, [decisionId]])
  }
  const text = await readFile(file, 'utf8')
  const events = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  assert.equal(events.length, 2)
  const told = createToldDifferences('candidate')
  for (const event of events) told.add(event)
  for (const event of events) told.join(event)
  const { subject } = issuanceInput
  const [group] = told.groups
  assert.deepEqual(
    [group?.change, group?.subject, group?.resource, group?.decisionId],
    ['narrowed', subject.id, 'countersign.dev/identity', asked[0]],
  )
})

test('without a log a certificate is known by its pod, and there is no condition', async () => {
  const { shadow, asked } = denyingShadow()
  const policy = policyOf(await loadPolicyBundle(), shadow)
  await using issuance = await openIssuance(named, { ...parts, policy })
  assert.equal(issuance.policy.decide(issuanceInput).decisionId, undefined)
  assert.deepEqual([asked, issuance.conditions()], [[issuanceInput.subject.properties.pod.uid], []])
})

test('a log that cannot be opened is an error at once', async () => {
  const decisionLog = {
    file: join(folder, 'none', 'decisions.jsonl'),
    fileBytesMax: 16_777_216,
    files: 2,
    whenFull: 'block',
    drops: 'forbid',
  } as const
  const policy = policyOf(await loadPolicyBundle())
  await assert.rejects(openIssuance({ ...named, decisionLog }, { ...parts, policy }), {
    code: 'policy/log',
  })
})

test('decisions go to a receiver as a gateway’s do, the last of them at the end', async () => {
  requirement('policy.upload-loses-nothing')
  await using collector = await openCollector()
  const decisionLog = {
    file: join(folder, 'sent.jsonl'),
    fileBytesMax: 16_777_216,
    files: 2,
    whenFull: 'shed-and-count',
    drops: 'forbid',
    upload: {
      url: collector.url,
      resource: 'logs/signer',
      responseHeaderTimeoutSeconds: 10,
      reporting: { minDelaySeconds: 600, maxDelaySeconds: 600, uploadSizeLimitBytes: 32_768 },
    },
  } as const
  const policy = policyOf(await loadPolicyBundle())
  let decisionId: string | undefined
  {
    await using issuance = await openIssuance({ ...named, decisionLog }, { ...parts, policy })
    assert.deepEqual(
      issuance.conditions().map(({ name, ok, reason }) => [name, ok, reason]),
      [
        ['decision-log', true, 'takes decisions'],
        ['decision-log-upload', true, 'decisions are sent'],
      ],
    )
    assert.deepEqual(issuance.uploadStatus(), {})
    ;({ decisionId } = issuance.policy.decide(issuanceInput))
  }
  assert.deepEqual(collector.ids(), [decisionId])
  const [{ path, events }] = collector.taken as [Received]
  assert.equal(path, '/logs/signer')
  assert.deepEqual(events[0]?.['labels'], { id: 'signer-0', signer: 'countersign.dev/identity' })
})
