/** The log on a file: what is on disk, and a disk that is full. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { createDecisionLog, openDecisionLog } from '../../src/policy/decision-log.ts'
import type { DecisionLog } from '../../src/policy/decision-log.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import { openEventFile } from '../../src/policy/event-file.ts'
import type { EventFileHandle } from '../../src/policy/event-file.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { eventually } from '../support/eventually.ts'
import { requirement } from '../requirements.ts'
import { callTexts } from './call-input.ts'

const engine = await loadPolicyBundle()
const evaluated = createAuthorizer(engine).decide(callTexts())

interface Event {
  readonly lost?: { readonly events: number }
}

function record(log: DecisionLog, times = 1): void {
  for (let time = 0; time < times; time += 1) {
    const event = { decisionId: 'd-1', path: entrypoints.decision, requestedBy: 'x' }
    log.record({ ...event, evaluated })
  }
}

for (const whenFull of ['block', 'shed-and-count'] as const) {
  test(`a disk that is full for a while costs no event that was taken (${whenFull})`, async () => {
    requirement('policy.log-never-silent')
    let full = false
    let written = ''
    const retries: (() => void)[] = []
    const delay = (milliseconds: number): Promise<unknown> =>
      new Promise<void>((resolve) => {
        if (milliseconds < 1000) setImmediate(resolve)
        else retries.push(resolve)
      })
    const handle = {
      async write(octets: Buffer): Promise<{ bytesWritten: number; buffer: Buffer }> {
        if (full) throw new Error('ENOSPC: no space left on device')
        written += octets.toString()
        return { bytesWritten: octets.length, buffer: octets }
      },
      datasync: async () => {},
      close: async () => {},
      stat: async () => ({ size: 0 }),
    } as unknown as EventFileHandle
    const bufferOctetsMax = 100_000
    const file = await openEventFile({
      file: 'unused',
      bufferOctetsMax,
      log: silentLog,
      openHandle: async () => handle,
      isMoved: async () => false,
      looking: () => new Promise(() => {}),
      delay,
    })
    let lost = 0
    const log = createDecisionLog(file, {
      engine,
      labels: () => ({}),
      now: Date.now,
      log: silentLog,
      metrics: { ...silentMetrics, count: () => void (lost += 1) },
      whenFull,
      bufferOctetsMax,
      delay,
      waitMilliseconds: 0,
    })
    record(log)
    await log.flush()
    full = true
    record(log)
    await assert.rejects(log.flush(), { code: 'policy/log' })
    assert.equal(log.available, whenFull === 'shed-and-count')
    assert.equal(log.keeping, false)
    assert.equal(await log.whenAvailable(), whenFull === 'shed-and-count')
    record(log, 200)
    full = false
    await eventually('all is written', async () => {
      for (const retry of retries.splice(0)) retry()
      await log.flush().catch(() => {})
      return log.keeping
    })
    await log[Symbol.asyncDispose]()
    const events = written
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Event)
    const told = events.reduce((sum, event) => sum + (event.lost?.events ?? 0), 0)
    assert.ok(lost > 0)
    assert.equal(told, lost)
    assert.equal(events.filter((event) => event.lost === undefined).length + lost, 202)
  })
}

test('a log on disk holds what was recorded before it was closed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-decisions-'))
  const file = join(folder, 'decisions.jsonl')
  try {
    const options = {
      engine,
      labels: () => ({}),
      now: Date.now,
      log: silentLog,
      metrics: silentMetrics,
    }
    {
      await using log = await openDecisionLog({ ...options, file })
      record(log)
      await log.flush()
      assert.equal((await readFile(file, 'utf8')).split('\n').length, 2)
      record(log)
    }
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { req_id: number }).req_id),
      [1, 2],
    )
    assert.match(lines[0] ?? '', /"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
