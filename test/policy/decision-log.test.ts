import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import type { Evaluated } from '../../src/policy/authorizer.ts'
import { createDecisionLog } from '../../src/policy/decision-log.ts'
import type { DecisionLog, WhenFull } from '../../src/policy/decision-log.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { requirement } from '../requirements.ts'
import { callTexts } from './call-input.ts'

const grants = { tenants: { acme: { files: { tools: { read: {} } } } } }
const engine = await loadPolicyBundle({ data: { grants } })
const authorizer = createAuthorizer(engine, { elapsed: () => 0 })
const evaluated = authorizer.decide(callTexts())

/** A file that takes lines into memory, and writes them away when it is told to. */
class TestFile {
  readonly lines: string[] = []
  waitingOctets = 0
  available = true
  room = Number.POSITIVE_INFINITY

  append(line: string): boolean {
    if (this.waitingOctets + line.length > this.room) return false
    this.lines.push(line)
    this.waitingOctets += line.length
    return true
  }

  /** Of any file: everything is written. */
  async flush(): Promise<void> {
    this.waitingOctets = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface Opened {
  readonly log: DecisionLog
  readonly file: TestFile
  readonly counted: string[]
  readonly told: string[]
  /** What the gauge showed. */
  readonly waiting: number[]
  /** Lets so much time pass, with what is due in it. */
  readonly pass: (milliseconds: number) => Promise<void>
}

interface Event {
  readonly req_id: number
  readonly path: string
  readonly timestamp: string
  readonly lost?: { readonly events: number; readonly from: string; readonly until: string }
}

const start = Date.UTC(2026, 10, 22, 9)

function open(
  options: { whenFull?: WhenFull; bufferOctetsMax?: number; engine?: PolicyEngine } = {},
): Opened {
  const file = new TestFile()
  const counted: string[] = []
  const told: string[] = []
  const waiting: number[] = []
  let clock = 0
  let due: { readonly at: number; readonly resolve: () => void }[] = []
  const log = createDecisionLog(file, {
    engine,
    labels: () => ({ id: 'gateway-0' }),
    now: () => start + clock,
    elapsed: () => clock,
    delay: (milliseconds) =>
      new Promise<void>((resolve) => due.push({ at: clock + milliseconds, resolve })),
    log: { ...silentLog, error: (_, text) => told.push(text), warn: (_, text) => told.push(text) },
    metrics: {
      ...silentMetrics,
      count: (name) => void counted.push(name),
      set: (_, value) => void waiting.push(value),
    },
    waitMilliseconds: 500,
    ...options,
  })
  async function pass(milliseconds: number): Promise<void> {
    const end = clock + milliseconds
    for (;;) {
      // What is due may take some turns of the loop.
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
      const [first] = due.toSorted((a, b) => a.at - b.at)
      if (first === undefined || first.at > end) break
      clock = first.at
      due = due.filter((each) => each !== first)
      first.resolve()
    }
    clock = end
  }
  return { log, file, counted, told, waiting, pass }
}

function record(log: DecisionLog, given: Evaluated<unknown> = evaluated, times = 1): void {
  for (let time = 0; time < times; time += 1) {
    const event = { decisionId: 'd-1', path: entrypoints.decision, requestedBy: 'x' }
    log.record({ ...event, evaluated: given })
  }
}

function eventsOf({ file }: Opened): readonly Event[] {
  return file.lines.map((line) => JSON.parse(line) as Event)
}

test('an event names the grants that decided it, and follows them as they change', async () => {
  let digest = 'a'.repeat(64)
  const following: PolicyEngine = {
    revision: engine.revision,
    get digest() {
      return digest
    },
    evaluate: (entrypoint, input) => engine.evaluate(entrypoint, input),
  }
  const opened = open({ engine: following })
  const decide = (): Evaluated<unknown> => createAuthorizer(following).decide(callTexts())
  record(opened.log, decide())
  digest = 'b'.repeat(64)
  record(opened.log, decide())
  await opened.log.flush()
  assert.deepEqual(
    opened.file.lines.map((line) => /"data":\{"revision":"(.)/.exec(line)?.[1]),
    ['a', 'b'],
  )
})

test('events are masked and written together, five milliseconds after the first, with the time of each', async () => {
  const opened = open()
  record(opened.log)
  await opened.pass(4)
  record(opened.log)
  assert.deepEqual(opened.file.lines, [])
  await opened.pass(1)
  assert.deepEqual(
    eventsOf(opened).map(({ req_id, timestamp }) => [req_id, timestamp.slice(-11)]),
    [
      [1, ':00.000000000Z'.slice(-11)],
      [2, ':00.004000000Z'.slice(-11)],
    ],
  )
})

test('sixty-four events wait for no clock, and more than that have a turn of the loop each', async () => {
  const opened = open()
  record(opened.log, evaluated, 63)
  await opened.pass(0)
  assert.equal(opened.file.lines.length, 0)
  record(opened.log, evaluated, 100)
  assert.equal(opened.file.lines.length, 0, 'whoever records does not wait')
  await new Promise(setImmediate)
  assert.equal(opened.file.lines.length, 64)
  await opened.pass(0)
  assert.deepEqual(
    eventsOf(opened).map((event) => event.req_id),
    Array.from({ length: 163 }, (_, index) => index + 1),
  )
})

test('a turn ends at 128 KiB of input, and an event that is longer has one of its own', async () => {
  for (const [length, lines] of [
    [50_000, 2],
    [200_000, 1],
  ] as const) {
    const opened = open()
    const large = authorizer.decide(callTexts({ arguments: { text: 'x'.repeat(length) } }))
    record(opened.log, large, 20)
    await new Promise(setImmediate)
    assert.equal(opened.file.lines.length, lines)
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
    assert.equal(opened.file.lines.length, 20)
  }
})

test('events that are not masked yet count as waiting', () => {
  requirement('policy.log-never-silent')
  const opened = open({ bufferOctetsMax: 20_000 })
  const { log, counted } = opened
  let available = 0
  for (; log.available && available < 100; available += 1) record(log)
  assert.ok(available > 2 && available < 100)
  record(log, evaluated, available - 2)
  assert.deepEqual(counted, [], 'half of the room is for those who asked before')
  record(log, evaluated, 20)
  assert.ok(counted.length > 15)
  assert.ok(counted.every((name) => name === 'countersign_decision_log_lost_total'))
})

for (const whenFull of ['block', 'shed-and-count'] as const) {
  test(`what is lost is counted, and told in the log as soon as there is room (${whenFull})`, async () => {
    requirement('policy.log-never-silent')
    const opened = open({ bufferOctetsMax: 20_000, whenFull })
    const { log, file, counted, told } = opened
    file.available = false
    record(log, evaluated, 30)
    await opened.pass(5000)
    const kept = file.lines.length
    record(log, evaluated, 10)
    await opened.pass(1000)
    assert.equal(log.available, whenFull === 'shed-and-count')
    assert.equal(log.keeping, false)
    assert.equal(
      eventsOf(opened).some(({ lost }) => lost !== undefined),
      false,
    )
    const lost = counted.length
    assert.deepEqual(told, ['decision log is full and events are lost'])
    file.available = true
    file.waitingOctets = 0
    await opened.pass(1000)
    const events = eventsOf(opened)
    assert.equal(events.length - 1, 40 - lost)
    assert.ok(events.length > kept)
    assert.deepEqual(events.at(-1)?.lost?.events, lost)
    assert.equal(events.at(-1)?.path, 'countersign/log/lost')
    assert.ok((events.at(-1)?.lost?.from ?? '') <= (events.at(-1)?.lost?.until ?? ''))
    assert.equal(events.at(-1)?.req_id, 41)
    assert.equal(log.keeping, true)
    assert.deepEqual(told.slice(1), ['decision log has room again'])
    record(log)
    await opened.pass(5)
    assert.equal(eventsOf(opened).at(-1)?.req_id, 42)
  })
}

test('of any course of failures, what is written and what is told as lost are all events', async () => {
  requirement('policy.log-never-silent')
  const step = fc.oneof(
    fc.record({ kind: fc.constant('record' as const), times: fc.integer({ min: 1, max: 70 }) }),
    fc.record({ kind: fc.constant('pass' as const), times: fc.integer({ min: 0, max: 1500 }) }),
    fc.constant({ kind: 'break' as const, times: 0 }),
    fc.constant({ kind: 'mend' as const, times: 0 }),
  )
  const course = fc.array(step, { maxLength: 25 })
  const property = fc.asyncProperty(
    course,
    fc.constantFrom('block', 'shed-and-count'),
    async (steps, whenFull) => {
      const opened = open({ bufferOctetsMax: 40_000, whenFull })
      const { file, log } = opened
      let recorded = 0
      for (const { kind, times } of steps) {
        if (kind === 'record') {
          record(log, evaluated, times)
          recorded += times
        } else if (kind === 'pass') await opened.pass(times)
        else {
          file.available = kind === 'mend'
          file.room = kind === 'mend' ? Number.POSITIVE_INFINITY : 10_000
          if (kind === 'mend') file.waitingOctets = 0
        }
      }
      file.available = true
      file.room = Number.POSITIVE_INFINITY
      for (let write = 0; write < 3; write += 1) {
        file.waitingOctets = 0
        await opened.pass(2000)
      }
      const events = eventsOf(opened)
      const lost = events.reduce((sum, event) => sum + (event.lost?.events ?? 0), 0)
      const told = events.filter((event) => event.lost !== undefined).length
      assert.equal(lost, opened.counted.length)
      assert.equal(events.length - told + lost, recorded)
      assert.deepEqual(new Set(events.map(({ req_id }) => req_id)).size, events.length)
    },
  )
  await fc.assert(property, { numRuns: 60 })
})

test('who finds no room waits for it, and is refused when there is none for half a second', async () => {
  requirement('policy.log-never-silent')
  const opened = open()
  const { file, log } = opened
  file.available = false
  const answers: boolean[] = []
  const wait = (): void => void log.whenAvailable().then((there) => answers.push(there))
  wait()
  await opened.pass(490)
  assert.deepEqual(answers, [])
  file.available = true
  await opened.pass(10)
  assert.deepEqual(answers, [true])
  file.available = false
  wait()
  await opened.pass(300)
  wait()
  await opened.pass(210)
  assert.deepEqual(answers, [true, false, false])
  wait()
  await opened.pass(0)
  assert.deepEqual(answers, [true, false, false, false], 'nobody waits behind a disk that is full')
  file.available = true
  await opened.pass(10)
  file.available = false
  wait()
  await opened.pass(20)
  assert.equal(answers.length, 4, 'a new lack has a new wait')
})

test('those who waited go on one at a time, each while there is room after what the last one took', async () => {
  const opened = open()
  const { file, log } = opened
  file.available = false
  let admitted = 0
  const room = 3
  for (let each = 0; each < 20; each += 1) {
    void log.whenAvailable().then((there) => {
      admitted += Number(there)
      file.available = admitted % room > 0
    })
  }
  const seen: number[] = []
  for (let look = 0; look < 3; look += 1) {
    file.available = true
    await opened.pass(10)
    seen.push(admitted)
  }
  assert.deepEqual(seen, [3, 6, 9])
})

test('an event that is lost may be followed by nothing, unless events may be lost', () => {
  requirement('policy.log-never-silent')
  for (const [whenFull, counts] of [
    ['block', false],
    ['shed-and-count', true],
  ] as const) {
    const { log } = open({ whenFull, bufferOctetsMax: 3000 })
    const event = { decisionId: 'd-1', path: entrypoints.decision, requestedBy: 'x', evaluated }
    assert.equal(log.record(event), true)
    for (let more = 0; more < 10; more += 1) log.record(event)
    assert.equal(log.record(event), counts, whenFull)
  }
})

test('the gauge shows what waits, until that is nothing', async () => {
  const opened = open()
  const { file, log, waiting } = opened
  record(log)
  await opened.pass(5)
  await opened.pass(1000)
  assert.equal(waiting.length, 2)
  assert.ok(waiting.every((octets) => octets > 0))
  file.waitingOctets = 0
  await opened.pass(5000)
  assert.deepEqual(waiting.slice(2), [0])
})

test('an event that cannot be written at all is lost, and the others are not', async () => {
  requirement('policy.log-never-silent')
  const opened = open()
  const { file, log, counted } = opened
  const asked = { kind: 'list', before: '{', resources: [{ text: '{' }], after: '' }
  const broken = { ...evaluated, asked } as unknown as Evaluated<unknown>
  record(log)
  record(log, broken)
  record(log)
  await opened.pass(1005)
  assert.deepEqual(
    eventsOf(opened).map(({ req_id, lost }) => lost?.events ?? req_id),
    [1, 3, 1],
  )
  assert.equal(counted.filter((name) => name === 'countersign_decision_log_lost_total').length, 1)
  assert.equal(file.lines.length, 3)
})

test('a log that is closed keeps what was recorded, takes nothing more, and lets nobody wait', async () => {
  const opened = open()
  const { file, log, told, counted } = opened
  record(log)
  file.available = false
  const waiting = log.whenAvailable()
  await log[Symbol.asyncDispose]()
  await log[Symbol.asyncDispose]()
  assert.equal(file.lines.length, 1)
  assert.equal(await waiting, false)
  assert.equal(await log.whenAvailable(), false)
  assert.equal(log.available, false)
  assert.equal(log.keeping, false)
  record(log)
  await opened.pass(10_000)
  assert.equal(file.lines.length, 1)
  assert.deepEqual(counted, ['countersign_decision_log_lost_total'])
  assert.deepEqual(told, ['decision log is full and events are lost'])
})

test('a log that ends with lost events says so', async () => {
  requirement('policy.log-never-silent')
  const { file, log, told } = open({ bufferOctetsMax: 1000 })
  file.available = false
  record(log)
  await log[Symbol.asyncDispose]()
  assert.deepEqual(told, [
    'decision log is full and events are lost',
    'decision log ends with lost events',
  ])
})
