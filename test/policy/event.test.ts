import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import type { Evaluated } from '../../src/policy/authorizer.ts'
import { createDecisionLog } from '../../src/policy/decision-log.ts'
import { askCall, textOf } from '../../src/policy/asked.ts'
import type { DecisionLog } from '../../src/policy/decision-log.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import { applyMask, parseMask } from '../../src/policy/mask.ts'
import { fromJson } from '../../src/policy/plan/json.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { CountersignError } from '../../src/errors.ts'
import { requirement } from '../requirements.ts'
import { callInput, callTexts, listInput, listTexts, textsOf, toolResource } from './call-input.ts'
import { keepLines } from './event-lines.ts'

const grants = { tenants: { acme: { files: { tools: { read: {} } } } } }
const loaded = await loadPolicyBundle({ data: { grants } })
/** It looks each time whether what is asked is one question, as a text and as a value. */
const engine: PolicyEngine = {
  ...loaded,
  evaluate(entrypoint, input, document) {
    let value: unknown
    try {
      value = fromJson(input as string)
    } catch {
      return loaded.evaluate(entrypoint, input, document)
    }
    assert.deepEqual(document?.(fromJson), value)
    return loaded.evaluate(entrypoint, input, document)
  },
}
const authorizer = createAuthorizer(engine, { elapsed: () => 0 })

interface Kept {
  readonly log: DecisionLog
  readonly lines: readonly string[]
  readonly counted: string[]
  readonly events: () => Record<string, unknown>[]
}

/** A decision log whose lines are kept here, with what it counts. */
function keep(given: PolicyEngine = engine, lists: 'digest' | 'full' = 'digest'): Kept {
  const { file, lines } = keepLines()
  const counted: string[] = []
  const log = createDecisionLog(file, {
    engine: given,
    labels: () => ({ id: 'gateway-0' }),
    now: () => Date.UTC(2026, 10, 22, 9, 0, 0, 5) + 0.25,
    log: silentLog,
    metrics: { ...silentMetrics, count: (_, labels) => void counted.push(labels?.['code'] ?? '') },
    lists,
  })
  const events = (): Record<string, unknown>[] =>
    lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { log, lines, counted, events }
}

function record(log: DecisionLog, evaluated: Evaluated<unknown>, path?: string): void {
  const requestedBy = 'spiffe://example.test/ns/research/sa/reader'
  log.record({ decisionId: 'd-1', path: path ?? entrypoints.decision, evaluated, requestedBy })
  // What was recorded is masked and appended before anything is waited for.
  void log.flush()
}

function digestOf(value: unknown): { sha256: string; octets: number } {
  const text = JSON.stringify(value)
  const sha256 = createHash('sha256').update(text).digest('hex')
  return { sha256, octets: Buffer.byteLength(text) }
}

test("an event has OPA's fields, on one line", () => {
  const { log, lines, events } = keep()
  const evaluated = authorizer.decide(callTexts())
  record(log, evaluated)
  assert.equal(lines[0]?.includes('\n'), false)
  assert.deepEqual(events()[0], {
    labels: { id: 'gateway-0' },
    decision_id: 'd-1',
    bundles: { countersign: { revision: engine.revision }, data: { revision: engine.digest } },
    path: 'countersign/mcp/decision',
    requested_by: 'spiffe://example.test/ns/research/sa/reader',
    timestamp: '2026-11-22T09:00:00.005250000Z',
    input: callInput(),
    result: { allow: true, reasons: [], obligations: [] },
    metrics: { timer_rego_query_eval_ns: 0 },
    req_id: 1,
  })
})

test('arguments give way to their digest and size', () => {
  requirement('policy.log-masks-arguments')
  for (const given of [{ token: 'hunter2' }, 'hunter2', ['hunter2'], { deep: { x: 'hunter2' } }]) {
    const { log, lines, events } = keep()
    record(log, authorizer.decide(callTexts({ arguments: given })))
    assert.equal(lines[0]?.includes('hunter2'), false)
    const event = events()[0] as { input: { context: { arguments: unknown } }; masked: unknown }
    assert.deepEqual(event.input.context.arguments, digestOf(given))
    assert.deepEqual(event.masked, ['/input/context/arguments'])
  }
})

test('arguments stay as they are where an operator has said so', async () => {
  const plain = await loadPolicyBundle({ data: { log: { arguments: 'plain' } } })
  const { log, events } = keep(plain)
  record(log, authorizer.decide(callTexts({ arguments: { path: 'a' } })))
  const event = events()[0] as { input: { context: { arguments: unknown } }; masked?: unknown }
  assert.deepEqual(event.input.context.arguments, { path: 'a' })
  assert.equal(event.masked, undefined)
})

test('the digest is of the octets, in the place of the arguments and where policy reads it', () => {
  requirement('policy.octets-decided')
  const written = '{ "n":\t12345678901234567890,\r\n "s":"\\u0061" }'
  const { log, events } = keep()
  record(log, authorizer.decide(textsOf(callInput(), written)))
  const sha256 = createHash('sha256').update(written).digest('hex')
  const event = events()[0] as { input: { context: object } }
  assert.deepEqual(event.input.context, {
    ...callInput().context,
    arguments: { sha256, octets: written.length },
    argumentsSha256: sha256,
  })
})

test('arguments that stay are on one line, with their numbers as they were written', async () => {
  const plain = await loadPolicyBundle({ data: { log: { arguments: 'plain' } } })
  const written = '{ "n":\n12345678901234567890,\r\n "s":"\\u0061\\n", "d":1.50 }'
  const { log, lines } = keep(plain)
  record(log, authorizer.decide(textsOf(callInput(), written)))
  assert.equal(/[\r\n]/.test(lines[0] ?? ''), false)
  assert.ok(lines[0]?.includes(written.replaceAll(/[\r\n]/g, ' ')))
})

test('a list is kept by its digest and counts, with the names of some that were hidden', () => {
  const shown = Array.from({ length: 900 }, () => toolResource('files', 'read'))
  const hidden = Array.from({ length: 101 }, (_, index) => toolResource('web', `t${index}`))
  const { log, lines, events } = keep()
  const texts = listTexts([...hidden, ...shown])
  record(log, authorizer.filter(texts), entrypoints.list)
  const [event] = events()
  const { subject, action, context } = listInput([])
  const text = `[${texts.resources.map((each) => each.text).join(',')}]`
  assert.deepEqual(event?.['input'], { subject, action, context })
  assert.deepEqual(event?.['result'], { count: 1001 })
  assert.deepEqual(event?.['erased'], ['/input/resources', '/result/allowed'])
  assert.deepEqual(event?.['list'], {
    asked: 1001,
    shown: 900,
    sha256: createHash('sha256').update(text).digest('hex'),
    octets: text.length,
    hidden: hidden.slice(0, 16).map(({ id }) => `web:${id}`),
  })
  assert.ok((lines[0]?.length ?? 0) < 2000, 'as long as any other event')
})

test('a list that is kept in full is kept by names and servers', () => {
  const { log, events } = keep(engine, 'full')
  const resource = toolResource('files', 'read')
  const annotated = { ...resource, properties: { server: 'files', annotations: { title: 'Read' } } }
  record(log, authorizer.filter(listTexts([annotated])), entrypoints.list)
  const event = events()[0] as { input: { resources: unknown }; result: unknown; masked: unknown }
  assert.deepEqual(event.input.resources, [resource])
  assert.deepEqual(event.result, { allowed: [0], count: 1 })
  assert.deepEqual(event.masked, ['/input/resources'])
})

test('a list that could not be judged is kept with what policy said instead', () => {
  const odd = { allowed: [7], count: 1 }
  const { log, events } = keep()
  const judged = createAuthorizer({ ...engine, evaluate: () => odd })
  record(log, judged.filter(listTexts([toolResource('files', 'read')])), entrypoints.list)
  const event = events()[0] as { result: unknown; erased: unknown; list: { hidden: unknown } }
  assert.deepEqual(event.result, odd)
  assert.deepEqual(event.erased, ['/input/resources'])
  assert.deepEqual(event.list.hidden, ['files:read'])
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
    record(log, authorizer.decide(textsOf(called)))
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
  record(log, authorizer.decide(textsOf(input)))
  const [event] = events()
  const { subject, action, resource } = input
  const context = { arguments: digestOf(given) }
  assert.deepEqual(event?.['input'], { subject, action, resource, context })
  assert.deepEqual(event?.['result'], { allow: false })
  assert.deepEqual(event?.['error'], {
    message:
      'policy/abort: evaluation ended early, got="SyntaxError: text has half a surrogate pair"',
    mask: 'policy/abort',
  })
})

test('a list whose mask fails is kept without its resources, and a long name is cut', () => {
  const { log, events } = keep({ ...engine, evaluate: () => 'no mask' })
  const { subject, action } = listInput([])
  record(log, authorizer.filter(listTexts([toolResource('files', 'read')])), entrypoints.list)
  record(log, authorizer.decide(callTexts({ tool: 'x'.repeat(100_000) })))
  const [list, call] = events() as { input: { resource?: { id: string } } }[]
  assert.deepEqual(list?.input, { subject, action, context: {} })
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
    const texts = callTexts({ arguments: given })
    const asked = askCall(texts)
    const unasked: Evaluated<unknown> = { value: null, asked, result: null, seconds: 0 }
    for (const evaluated of [authorizer.decide(texts), unasked]) {
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
  const evaluated = authorizer.decide(callTexts({ arguments: '\u0001'.repeat(43_000) }))
  record(log, { ...evaluated, result: { text: 'x'.repeat(1024 * 1024), deep: nested(80) } })
  assert.deepEqual(counted, [])
  assert.ok('input' in (events()[0] ?? {}))
})

const members = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }))
const change = fc.oneof(
  fc.record({
    op: fc.constant('upsert'),
    path: fc.constant('/input/context/arguments'),
    value: fc.jsonValue({ maxDepth: 2 }),
  }),
  fc.record({
    op: fc.constant('remove'),
    path: fc.constantFrom(
      '/input/context/arguments',
      '/input/context/arguments/a',
      '/result/reasons',
      '/input/none',
    ),
  }),
  fc.constantFrom('/input/subject', '/input'),
)

/** A mask that says this. */
function masking(changes: unknown): PolicyEngine {
  return { ...engine, evaluate: () => JSON.parse(JSON.stringify(changes)) as unknown }
}

/** It changes nothing, but two changes are not what the shipped rule says. */
const idle = { op: 'remove', path: '/input/absent' }

test('a line that is put together of pieces is the line that is written from the whole', () => {
  requirement('policy.log-masks-arguments')
  const property = fc.property(members, fc.jsonValue({ maxDepth: 2 }), (given, value) => {
    const upsert = { op: 'upsert', path: '/input/context/arguments', value }
    const evaluated = authorizer.decide(callTexts({ arguments: JSON.parse(JSON.stringify(given)) }))
    const [pieced, whole] = [[upsert], [upsert, idle]].map((changes) => {
      const { log, lines } = keep(masking(changes))
      record(log, evaluated)
      return lines[0]
    })
    assert.equal(pieced, whole)
  })
  fc.assert(property)
})

test('the line of a list in full is the same by pieces, too', () => {
  const tools = fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 })
  const property = fc.property(tools, fc.jsonValue({ maxDepth: 2 }), (names, value) => {
    const upsert = { op: 'upsert', path: '/input/resources', value }
    const evaluated = authorizer.filter(listTexts(names.map((name) => toolResource('files', name))))
    const [pieced, whole] = [[upsert], [upsert, idle]].map((changes) => {
      const { log, lines } = keep(masking(changes), 'full')
      record(log, evaluated, entrypoints.list)
      return lines[0]
    })
    assert.equal(pieced, whole)
  })
  fc.assert(property)
})

test('whatever a mask changes, a line is JSON, holds no more than is left, and names what was changed', () => {
  const property = fc.property(members, fc.array(change, { maxLength: 3 }), (given, changes) => {
    const evaluated = authorizer.decide(callTexts({ arguments: JSON.parse(JSON.stringify(given)) }))
    const { log, events, lines } = keep(masking(changes))
    record(log, evaluated)
    assert.equal(lines.length, 1)
    const [event] = events() as { input?: unknown; result?: unknown; error?: { mask?: string } }[]
    if (event?.error !== undefined) return
    const input: unknown = JSON.parse(textOf(evaluated.asked))
    const whole = { input, result: evaluated.result }
    const { input: left, result, ...named } = applyMask(whole, parseMask(changes))
    assert.deepEqual(event?.input, plain(left))
    assert.deepEqual(event?.result, plain(result))
    for (const [name, paths] of Object.entries(named)) {
      const said = (event as Record<string, unknown>)[name]
      assert.deepEqual(said, paths.length === 0 ? undefined : paths)
    }
  })
  fc.assert(property)
})

/** As JSON has it. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown)
}

test('a mask of another kind keeps numbers as they were written', () => {
  const written = '{"n":12345678901234567890,"d":1.50,"e":1E2,"z":-0,"token":"hunter2"}'
  const { log, lines } = keep(masking(['/input/context/arguments/token']))
  record(log, authorizer.decide(textsOf(callInput(), written)))
  const left = written.replace(',"token":"hunter2"', '')
  assert.ok(lines[0]?.includes(`"arguments":${left},`), lines[0])
})

test('a number is no place for a mask to go into', () => {
  for (const path of ['n/rawJSON', 'n/x']) {
    const { log, lines } = keep(
      masking([{ op: 'remove', path: `/input/context/arguments/${path}` }]),
    )
    record(log, authorizer.decide(textsOf(callInput(), '{"n":12345678901234567890}')))
    assert.ok(lines[0]?.includes('{"n":12345678901234567890}'))
  }
})
