import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import type { Evaluated } from '../../src/policy/authorizer.ts'
import { createDecisionLog, openDecisionLog } from '../../src/policy/decision-log.ts'
import type { DecisionLog } from '../../src/policy/decision-log.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { CountersignError } from '../../src/errors.ts'
import { requirement } from '../requirements.ts'
import { callInput, listInput, toolResource } from './call-input.ts'

const grants = { tenants: { acme: { files: { tools: { read: {} } } } } }
const engine = await loadPolicyBundle({ data: { grants } })
const authorizer = createAuthorizer(engine, { elapsed: () => 0 })

interface Kept {
  readonly log: DecisionLog
  readonly lines: string[]
  readonly counted: string[]
  readonly events: () => Record<string, unknown>[]
}

/** A decision log whose file is a list of lines, with room for so many. */
function keep(given: PolicyEngine = engine, room = Number.POSITIVE_INFINITY): Kept {
  const lines: string[] = []
  const counted: string[] = []
  const file = {
    get available() {
      return lines.length < room
    },
    append: (line: string) => lines.length < room && lines.push(line) > 0,
    flush: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  const log = createDecisionLog(file, {
    engine: given,
    labels: () => ({ id: 'gateway-0' }),
    now: () => Date.UTC(2026, 10, 22, 9, 0, 0, 5) + 0.25,
    log: silentLog,
    metrics: { ...silentMetrics, count: (_, labels) => void counted.push(labels?.['code'] ?? '') },
  })
  const events = (): Record<string, unknown>[] =>
    lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { log, lines, counted, events }
}

function record(log: DecisionLog, evaluated: Evaluated<unknown>, path?: string): void {
  const requestedBy = 'spiffe://example.test/ns/research/sa/reader'
  log.record({ decisionId: 'd-1', path: path ?? entrypoints.decision, evaluated, requestedBy })
}

function digestOf(value: unknown): { sha256: string; octets: number } {
  const text = JSON.stringify(value)
  const sha256 = createHash('sha256').update(text).digest('hex')
  return { sha256, octets: Buffer.byteLength(text) }
}

test('an event names the grants that decided it, and follows them as they change', () => {
  let digest = 'a'.repeat(64)
  const following: PolicyEngine = {
    revision: engine.revision,
    get digest() {
      return digest
    },
    evaluate: (entrypoint, input) => engine.evaluate(entrypoint, input),
  }
  const { log, events } = keep(following)
  record(log, authorizer.decide(callInput()))
  digest = 'b'.repeat(64)
  record(log, authorizer.decide(callInput()))
  assert.deepEqual(
    events().map(({ bundles }) => (bundles as { data: { revision: string } }).data.revision),
    ['a'.repeat(64), 'b'.repeat(64)],
  )
})

test("an event has OPA's fields, on one line", () => {
  const { log, lines, events } = keep()
  const evaluated = authorizer.decide(callInput())
  record(log, evaluated)
  assert.equal(lines[0]?.includes('\n'), false)
  assert.deepEqual(events()[0], {
    labels: { id: 'gateway-0' },
    decision_id: 'd-1',
    bundles: { countersign: { revision: engine.revision }, data: { revision: engine.digest } },
    path: 'countersign/mcp/decision',
    requested_by: 'spiffe://example.test/ns/research/sa/reader',
    timestamp: '2026-11-22T09:00:00.005250000Z',
    input: evaluated.input,
    result: { allow: true, reasons: [], obligations: [] },
    metrics: { timer_rego_query_eval_ns: 0 },
    req_id: 1,
  })
})

test('arguments give way to their digest and size', () => {
  requirement('policy.log-masks-arguments')
  for (const given of [{ token: 'hunter2' }, 'hunter2', ['hunter2'], { deep: { x: 'hunter2' } }]) {
    const { log, lines, events } = keep()
    const input = callInput({ arguments: given })
    record(log, authorizer.decide(input))
    assert.equal(lines[0]?.includes('hunter2'), false)
    const event = events()[0] as { input: { context: { arguments: unknown } }; masked: unknown }
    assert.deepEqual(event.input.context.arguments, digestOf(given))
    assert.deepEqual(event.masked, ['/input/context/arguments'])
    assert.deepEqual(input.context.arguments, given, "the caller's own input is as it was")
  }
})

test('arguments stay as they are where an operator has said so', async () => {
  const plain = await loadPolicyBundle({ data: { log: { arguments: 'plain' } } })
  const { log, events } = keep(plain)
  record(log, authorizer.decide(callInput({ arguments: { path: 'a' } })))
  const event = events()[0] as { input: { context: { arguments: unknown } }; masked?: unknown }
  assert.deepEqual(event.input.context.arguments, { path: 'a' })
  assert.equal(event.masked, undefined)
})

test('a list is kept by names and servers', () => {
  const { log, events } = keep()
  const resource = toolResource('files', 'read')
  const annotated = { ...resource, properties: { server: 'files', annotations: { title: 'Read' } } }
  record(log, authorizer.filter(listInput([annotated])), entrypoints.list)
  const event = events()[0] as { input: { resources: unknown }; result: unknown }
  assert.deepEqual(event.input.resources, [resource])
  assert.deepEqual(event.result, { allowed: [0], count: 1 })
})

const failing: Readonly<Record<string, readonly [PolicyEngine['evaluate'], string]>> = {
  'ends in an abort': [
    () => {
      throw new CountersignError('policy/abort', 'hunter2')
    },
    'policy/abort',
  ],
  'throws something else': [
    () => {
      throw new TypeError('hunter2')
    },
    'unknown',
  ],
  'gives no list': [() => ({ mask: true }), 'policy/result'],
  'names no pointer': [() => ['input'], 'policy/result'],
  'goes through text': [
    () => [{ op: 'upsert', path: '/input/action/name/x', value: 1 }],
    'policy/result',
  ],
}

for (const [name, [evaluate, code]] of Object.entries(failing)) {
  test(`a mask that ${name} leaves a minimal event: who, what, and the digest of the arguments`, () => {
    requirement('policy.log-masks-arguments')
    const { log, lines, events, counted } = keep({ ...engine, evaluate })
    const given = { token: 'hunter2' }
    const input = callInput({ arguments: given })
    const { subject, action, resource } = input
    const annotated = { ...resource.properties, annotations: { title: 'hunter2' } }
    const called = { ...input, resource: { ...resource, properties: annotated } }
    record(log, authorizer.decide(called))
    assert.equal(lines[0]?.includes('hunter2'), false)
    const [event] = events()
    assert.equal(event?.['decision_id'], 'd-1')
    assert.deepEqual(event?.['result'], { allow: true })
    assert.deepEqual(event?.['error'], { message: 'event cannot be masked', mask: code })
    const context = { arguments: digestOf(given) }
    assert.deepEqual(event?.['input'], { subject, action, resource, context })
    assert.deepEqual(counted, [code])
  })
}

test('a decision whose input was refused is kept too, without its arguments', () => {
  const { log, events } = keep()
  const given = { path: '\ud83d' }
  const input = callInput({ arguments: given })
  record(log, authorizer.decide(input))
  const [event] = events()
  const { subject, action, resource } = input
  const context = { arguments: digestOf(given) }
  assert.deepEqual(event?.['input'], { subject, action, resource, context })
  assert.deepEqual(event?.['result'], { allow: false })
  assert.deepEqual(event?.['error'], {
    message: 'policy/input: input has a string with a lone surrogate',
    mask: 'policy/input',
  })
})

test('a list whose mask fails is kept without its resources, and a long name is cut', () => {
  const { log, events } = keep({ ...engine, evaluate: () => 'no mask' })
  const input = listInput([toolResource('files', 'read')])
  record(log, authorizer.filter(input), entrypoints.list)
  record(log, authorizer.decide(callInput({ tool: 'x'.repeat(100_000) })))
  const [list, call] = events() as { input: { resource?: { id: string } } }[]
  assert.deepEqual(list?.input, { subject: input.subject, action: input.action, context: {} })
  assert.equal(call?.input.resource?.id, 'x'.repeat(256))
})

/** Arrays within arrays. */
function nested(depth: number): unknown {
  let value: unknown = []
  for (let level = 1; level < depth; level += 1) value = [value]
  return value
}

const largest: Readonly<Record<string, unknown>> = {
  // The input and its context are two levels, the arguments are the third.
  'the deepest arguments': { d: nested(61) },
  'the most octets': '\u0001'.repeat(43_000),
}

for (const [name, given] of Object.entries(largest)) {
  test(`${name} that a decision takes, the mask takes too`, () => {
    requirement('policy.log-masks-arguments')
    const input = callInput({ arguments: given })
    const unasked: Evaluated<unknown> = { value: null, input, result: null, seconds: 0 }
    for (const evaluated of [authorizer.decide(input), unasked]) {
      const { log, events, counted } = keep()
      assert.equal(evaluated.error, undefined)
      record(log, evaluated)
      const event = events()[0] as { input: { context: { arguments: unknown } } }
      assert.deepEqual(event.input.context.arguments, digestOf(given))
      assert.deepEqual(counted, [])
    }
  })
}

test('the largest result stands beside the largest input', () => {
  const { log, events, counted } = keep()
  const evaluated = authorizer.decide(callInput({ arguments: '\u0001'.repeat(43_000) }))
  record(log, { ...evaluated, result: { text: 'x'.repeat(1024 * 1024), deep: nested(80) } })
  assert.deepEqual(counted, [])
  assert.ok('input' in (events()[0] ?? {}))
})

test('a failed evaluation is kept with its error, and events are numbered', () => {
  const { log, events } = keep()
  const error = 'policy/abort: evaluation ended early'
  const failed = { ...authorizer.decide(callInput()), result: null, error }
  for (let times = 0; times < 2; times += 1) record(log, failed)
  assert.deepEqual(events()[0]?.['error'], { message: error })
  assert.equal(events()[0]?.['result'], null)
  assert.deepEqual(
    events().map((event) => event['req_id']),
    [1, 2],
  )
})

test('an event without room is counted and never thrown, and the log says that it is unavailable', () => {
  const { log, lines, counted } = keep(engine, 1)
  assert.equal(log.available, true)
  for (let times = 0; times < 3; times += 1) record(log, authorizer.decide(callInput()))
  assert.equal(log.available, false)
  assert.equal(lines.length, 1)
  assert.deepEqual(counted, ['policy/log', 'policy/log'])
})

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
      record(log, authorizer.decide(callInput()))
      await log.flush()
      assert.equal((await readFile(file, 'utf8')).split('\n').length, 2)
      record(log, authorizer.decide(callInput()))
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
