/** The log with what sends it: a receiver that is down, until the log is full, and after that. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as after } from 'node:timers/promises'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { createAuthorizer } from '../../../src/policy/authorizer.ts'
import { openDecisionLog, type DecisionLogFile } from '../../../src/policy/decision-log.ts'
import { entrypoints } from '../../../src/policy/engine.ts'
import { openUpload, type Upload } from '../../../src/policy/upload/upload.ts'
import { eventually } from '../../support/eventually.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { requirement } from '../../requirements.ts'
import { argumentsText } from '../../../src/policy/asked.ts'
import { callTexts } from '../call-input.ts'
import { openCollector, refuse, take, type Collector } from './collector.ts'
import { openFolder } from './folder.ts'

const engine = await loadPolicyBundle()
const secret = 'hunter2-in-the-clear'
const evaluated = createAuthorizer(engine).decide({
  ...callTexts(),
  arguments: argumentsText(Buffer.from(`{"password":"${secret}"}`)),
})

interface Opened extends AsyncDisposable {
  readonly log: DecisionLogFile
  readonly upload: Upload
}

/** Three files of some ten events each, however the receiver fares. */
async function open(
  file: string,
  { url }: Collector,
  whenFull: 'block' | 'shed-and-count',
): Promise<Opened> {
  await using opened = new AsyncDisposableStack()
  const parts = { file, log: silentLog, metrics: silentMetrics }
  const reporting = { minDelaySeconds: 1, maxDelaySeconds: 1, uploadSizeLimitBytes: 32_768 }
  const target = { url, resource: 'logs', responseHeaderTimeoutSeconds: 10, reporting }
  const upload = opened.use(await openUpload(target, parts))
  const log = opened.use(
    await openDecisionLog({
      ...parts,
      moveAside: upload.moveAside,
      rotation: { fileBytesMax: 16_384, files: 3 },
      whenFull,
      engine,
      labels: () => ({ id: 'gateway-0' }),
      now: Date.now,
      delay: (milliseconds) => after(Math.min(milliseconds, 20)),
    }),
  )
  upload.start()
  const all = opened.move()
  return { log, upload, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

async function fill(log: DecisionLogFile, until: () => boolean): Promise<readonly string[]> {
  const ids: string[] = []
  for (let number = 0; !until() && number < 500; number += 1) {
    const decisionId = `d-${number}`
    const event = { decisionId, path: entrypoints.decision, requestedBy: 'x', evaluated }
    assert.ok(log.record(event))
    ids.push(decisionId)
    await log.flush().catch(() => {})
  }
  return ids
}

test('a receiver that is down for long costs nothing, until the log is full: then nothing is decided (block)', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  collector.answer(refuse(503))
  await using opened = await open(place.file, collector, 'block')
  const ids = await fill(opened.log, () => !opened.log.available)
  await eventually('it was tried', () => opened.upload.problem !== undefined)
  assert.ok(ids.length > 12, `${ids.length}`)
  assert.equal(opened.upload.problem?.message, 'receiver answers 503, want=2xx')
  assert.deepEqual(opened.upload.status(), {
    code: 'decision_log_error',
    message: 'receiver answers 503, want=2xx',
    http_code: 503,
  })
  collector.answer(take)
  await eventually('there is room again', () => opened.log.available)
  await opened.log.flush()
  await eventually('all is sent', () => collector.ids().length >= ids.length)
  assert.deepEqual(collector.ids(), ids)
  assert.deepEqual(opened.upload.status(), {})
})

test('where calls go on, the receiver is told how many decisions are missing (shed-and-count)', async () => {
  requirement('policy.upload-loses-nothing')
  await using place = await openFolder()
  await using collector = await openCollector()
  collector.answer(refuse(503))
  await using opened = await open(place.file, collector, 'shed-and-count')
  const ids = await fill(opened.log, () => !opened.log.keeping)
  assert.ok(opened.log.available)
  collector.answer(take)
  await eventually('events are kept again', () => opened.log.keeping)
  await opened.log.flush()
  await eventually('all is sent', () => collector.ids().length >= ids.length)
  assert.deepEqual(collector.ids(), ids)
})

test('what is masked is neither on disk nor on the wire', async () => {
  requirement('policy.log-masks-arguments')
  await using place = await openFolder()
  await using collector = await openCollector()
  {
    await using opened = await open(place.file, collector, 'block')
    await fill(opened.log, () => collector.all.length > 0)
  }
  const names = await readdir(place.folder)
  assert.ok(names.includes('decisions.jsonl.sent'))
  const texts = await Promise.all(names.map((name) => readFile(`${place.folder}/${name}`, 'utf8')))
  const events = collector.taken.flatMap((received) => received.events)
  assert.ok(events.length > 0)
  for (const text of [...texts, JSON.stringify(events), JSON.stringify(collector.all)]) {
    assert.ok(!text.includes(secret))
  }
})
