import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { DecisionLogConfig } from '../../src/cli/decision-log.ts'
import { openOwnDecisionLog, uploadConditions } from '../../src/cli/open-decision-log.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { parseHead } from '../../src/policy/checkpoints/segment-head.ts'
import { verifyLog } from '../../src/policy/checkpoints/verify-log.ts'
import { openCollector, refuse, take } from '../policy/upload/collector.ts'
import { openFolder } from '../policy/upload/folder.ts'
import { eventually } from '../support/eventually.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'

const engine = await loadPolicyBundle()
const reporting = { minDelaySeconds: 1, maxDelaySeconds: 1, uploadSizeLimitBytes: 32_768 }

function open(
  decisionLog: Pick<DecisionLogConfig, 'file'> & Partial<DecisionLogConfig>,
): ReturnType<typeof openOwnDecisionLog> {
  const rotation = { fileBytesMax: 16_777_216, files: 2 }
  const config = { ...rotation, whenFull: 'block', drops: 'forbid', ...decisionLog } as const
  return openOwnDecisionLog(config, {
    origin: 'example.test/decisions/gateway-0',
    worker: '2',
    labels: () => ({ id: 'spiffe://example.test/gateway', worker: '2' }),
    engine,
    inputOctetsMax: 1024,
    now: Date.now,
    log: silentLog,
    metrics: silentMetrics,
  })
}

test('a log is kept here alone where nobody is configured to have it', async () => {
  await using place = await openFolder()
  await using opened = await open({ file: place.file })
  assert.equal(opened.upload, undefined)
  assert.deepEqual(uploadConditions(opened), [])
})

test('a receiver has what was recorded, at the end of the gateway at the latest', async () => {
  await using place = await openFolder()
  await using collector = await openCollector()
  const { url } = collector
  const upload = { url, resource: 'logs', responseHeaderTimeoutSeconds: 10, reporting }
  {
    await using opened = await open({ file: place.file, upload })
    opened.decisionLog.note('countersign/test', { noted: 1 })
    assert.deepEqual(uploadConditions(opened), [
      { name: 'decision-log-upload', ok: true, reason: 'decisions are sent' },
    ])
  }
  const [event] = collector.taken.flatMap(({ events }) => events)
  assert.ok(event !== undefined)
  assert.equal(event['path'], 'countersign/test')
  assert.equal((event['labels'] as { worker?: string }).worker, '2')
})

test('a receiver that takes nothing is a warning, with what it says', async () => {
  await using place = await openFolder()
  await using collector = await openCollector()
  collector.answer(refuse(401))
  const { url } = collector
  const upload = { url, resource: 'logs', responseHeaderTimeoutSeconds: 10, reporting }
  await using opened = await open({ file: place.file, upload })
  opened.decisionLog.note('countersign/test', {})
  await opened.decisionLog.flush()
  await eventually('it is tried', () => opened.upload?.problem !== undefined)
  assert.deepEqual(uploadConditions(opened), [
    {
      name: 'decision-log-upload',
      ok: false,
      optional: true,
      reason: 'decisions are kept, and not sent: receiver answers 401, want=2xx',
    },
  ])
  collector.answer(take)
  await eventually('it is taken', () => uploadConditions(opened)[0]?.ok === true)
})

test('what is written is signed in the name of its writer, and its worker', async () => {
  await using place = await openFolder()
  const keyFile = `${place.folder}/log-key.pem`
  const checkpoints = { keyFile, makeKey: true, everySeconds: 10 }
  {
    await using opened = await open({ file: place.file, checkpoints })
    opened.decisionLog.note('countersign/test', { noted: 1 })
  }
  const {
    problems,
    checkpoints: found,
    size,
  } = await verifyLog(place.file, { witnesses: [], kept: [] })
  assert.deepEqual([problems, size], [[], 2])
  assert.equal(found[0]?.origin, 'example.test/decisions/gateway-0/2')
  const [head] = (await readFile(place.file, 'utf8')).split('\n')
  assert.deepEqual(parseHead(Buffer.from(head ?? '')), { firstIndex: 0, subtrees: [], before: [] })
  assert.match(head ?? '', /"labels":\{"id":"spiffe:\/\/example\.test\/gateway","worker":"2"\}/)
  await assert.rejects(
    open({ file: place.file, checkpoints: { ...checkpoints, origin: 'example.test/other' } }),
    { code: 'ledger/corrupt' },
  )
})
