import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import type { DecisionInput } from '../../src/policy/authorizer.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Metrics } from '../../src/metrics.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { requirement } from '../requirements.ts'
import { callInput, listInput, toolResource } from './call-input.ts'

const unavailable = {
  allow: false,
  reasons: [
    { code: 'policy-unavailable', message: 'the call cannot be authorized now', audience: 'agent' },
  ],
  obligations: [],
}

function engineThat(evaluate: PolicyEngine['evaluate']): PolicyEngine {
  return { revision: 'r1', digest: 'd1', evaluate }
}

function fails(error: unknown): PolicyEngine {
  return engineThat(() => {
    throw error
  })
}

interface Counted {
  readonly metrics: Metrics
  readonly seen: string[]
}

function countedMetrics(): Counted {
  const seen: string[] = []
  const note = (name: string, labels: object): number =>
    seen.push(`${name} ${JSON.stringify(labels)}`)
  return {
    seen,
    metrics: {
      count: (name, labels = {}) => void note(name, labels),
      observe: (name, _value, labels = {}) => void note(name, labels),
      set: () => {},
    },
  }
}

test('an answer comes with its input, its raw result and its time', () => {
  const result = { allow: true, reasons: [], obligations: [] }
  const { metrics, seen } = countedMetrics()
  let clock = 0
  const elapsed = (): number => (clock += 250)
  const authorizer = createAuthorizer(
    engineThat(() => result),
    { metrics, elapsed },
  )
  const input = callInput()
  const evaluated = authorizer.decide(input)
  const inputText = JSON.stringify(input)
  assert.deepEqual(evaluated, { value: result, input, inputText, result, seconds: 0.25 })
  assert.equal(authorizer.revision, 'r1')
  assert.equal(authorizer.digest, 'd1')
  assert.deepEqual(seen, [
    'countersign_policy_evaluation_seconds {"entrypoint":"countersign/mcp/decision"}',
  ])
})

const failures: Readonly<Record<string, readonly [PolicyEngine, string, string]>> = {
  'an abort': [
    fails(new CountersignError('policy/abort', 'evaluation ended early')),
    'policy/abort',
    'policy/abort: evaluation ended early',
  ],
  'an undefined result': [
    fails(new CountersignError('policy/undefined', 'entrypoint is undefined')),
    'policy/undefined',
    'policy/undefined: entrypoint is undefined',
  ],
  'an error of another kind': [fails(new TypeError('x')), 'unknown', 'unknown: x'],
  'a thrown string': [fails('text'), 'unknown', 'unknown: unknown'],
  'true instead of a decision': [
    engineThat(() => true),
    'policy/result',
    'policy/result: decision is of the wrong type, want=object got=boolean',
  ],
  'truthy text for allow': [
    engineThat(() => ({ allow: 'yes', reasons: [], obligations: [] })),
    'policy/result',
    'policy/result: allow is of the wrong type, want=boolean got=string',
  ],
}

for (const [name, [engine, code, error]] of Object.entries(failures)) {
  test(`${name} is a refusal that is counted`, () => {
    requirement('policy.cannot-fail-open')
    const { metrics, seen } = countedMetrics()
    const evaluated = createAuthorizer(engine, { metrics }).decide(callInput())
    assert.deepEqual(evaluated.value, unavailable)
    assert.equal(evaluated.error, error)
    assert.deepEqual(seen, [`countersign_policy_errors_total ${JSON.stringify({ code })}`])
  })
}

const oddLists: Readonly<Record<string, readonly [unknown, string]>> = {
  true: [true, 'list is of the wrong type, want=object got=boolean'],
  'a bare list': [[0], 'list is of the wrong type, want=object got=array'],
  'another count': [{ allowed: [], count: 1 }, 'list was judged in part, want=2'],
  'no count': [{ allowed: [] }, 'list was judged in part, want=2'],
  'no indices': [{ count: 2 }, 'allowed is of the wrong type, want=array'],
  'true for the indices': [{ allowed: true, count: 2 }, 'allowed is of the wrong type, want=array'],
  'an index past the end': [
    { allowed: [2], count: 2 },
    'allowed has a member that is no index of the list, or has it twice',
  ],
  'a negative index': [
    { allowed: [-1], count: 2 },
    'allowed has a member that is no index of the list, or has it twice',
  ],
  'half an index': [
    { allowed: [0.5], count: 2 },
    'allowed has a member that is no index of the list, or has it twice',
  ],
  'an index as text': [
    { allowed: ['0'], count: 2 },
    'allowed has a member that is no index of the list, or has it twice',
  ],
  'an index twice': [
    { allowed: [0, 0], count: 2 },
    'allowed has a member that is no index of the list, or has it twice',
  ],
  'another member': [
    { allowed: [0], count: 2, all: true },
    'list has an unknown member, want=allowed|count got="all"',
  ],
}

const two = [toolResource('files', 'read'), toolResource('files', 'write')]

for (const [name, [result, message]] of Object.entries(oddLists)) {
  test(`${name} for a list shows nothing`, () => {
    requirement('policy.cannot-fail-open')
    const evaluated = createAuthorizer(engineThat(() => result)).filter(listInput(two))
    assert.deepEqual(evaluated.value, [false, false])
    assert.equal(evaluated.error, `policy/result: ${message}`)
  })
}

test('indices come in any order and answers in the order of the list', () => {
  const three = [...two, toolResource('files', 'drop')]
  const engine = engineThat(() => ({ allowed: [2, 0], count: 3 }))
  assert.deepEqual(createAuthorizer(engine).filter(listInput(three)).value, [true, false, true])
})

test('hostile arguments are refused before the policy sees them', async () => {
  requirement('policy.cannot-fail-open')
  const grants = { tenants: { acme: { files: { tools: { read: {} } } } } }
  const authorizer = createAuthorizer(await loadPolicyBundle({ data: { grants } }))
  const deep = JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) as unknown
  for (const [hostile, message] of [
    [{ path: '\ud83d' }, 'policy/input: input has a string with a lone surrogate'],
    [{ '\ude00': 1 }, 'policy/input: input has a string with a lone surrogate'],
    [deep, 'policy/input: input is too deep, want=..64'],
    [{ path: 'x'.repeat(300_000) }, /^policy\/input: input is too large, want=..262144 octets/],
  ] as const) {
    const evaluated = authorizer.decide(callInput({ arguments: hostile }))
    assert.deepEqual(evaluated.value, unavailable)
    if (typeof message === 'string') assert.equal(evaluated.error, message)
    else assert.match(evaluated.error ?? '', message)
  }
  const fine = { path: 'x"\\\u0000\u2028🙂', ['__proto__']: { allow: true } }
  assert.equal(authorizer.decide(callInput({ arguments: fine })).value.allow, true)
})

test('a list of two thousand tools fits, and one past the bound shows nothing', async () => {
  const grants = { tenants: { acme: { files: { prefixes: { '': {} } } } } }
  const authorizer = createAuthorizer(await loadPolicyBundle({ data: { grants } }))
  const tools = Array.from({ length: 2000 }, (_, index) => toolResource('files', `tool_${index}`))
  const evaluated = authorizer.filter(listInput(tools))
  assert.equal(evaluated.error, undefined)
  assert.ok(evaluated.value.every(Boolean))
  const long = tools.map((tool) => ({ ...tool, id: tool.id.repeat(80) }))
  const refused = authorizer.filter(listInput(long))
  assert.match(refused.error ?? '', /^policy\/input: input is too large, want=..1048576 octets/)
  assert.equal(refused.value.some(Boolean), false)
})

test('an input that is missing what it should have is refused, not thrown', async () => {
  const authorizer = createAuthorizer(await loadPolicyBundle())
  for (const odd of [{}, { subject: null }, { subject: 'x', resource: [] }]) {
    const { value, error } = authorizer.decide(odd as unknown as DecisionInput)
    assert.equal(error, undefined)
    assert.equal(value.allow, false)
    assert.equal(value.reasons[0]?.code, 'role-not-allowed')
  }
})
