import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { argumentsText, askCall } from '../../src/policy/asked.ts'
import type { CallTexts } from '../../src/policy/asked.ts'
import { given } from '../../src/policy/document.ts'
import type { InputText } from '../../src/policy/input.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Metrics } from '../../src/metrics.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { requirement } from '../requirements.ts'
import { callTexts, listTexts, toolResource } from './call-input.ts'

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
      remove: () => {},
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
  const texts = callTexts()
  const evaluated = authorizer.decide(texts)
  const asked = askCall(texts)
  const policy = { revision: 'r1', digest: 'd1' }
  const rest = { asked, result, error: undefined, seconds: 0.25, policy }
  assert.deepEqual(evaluated, { value: result, ...rest })
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
    const evaluated = createAuthorizer(engine, { metrics }).decide(callTexts())
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
    const evaluated = createAuthorizer(engineThat(() => result)).filter(listTexts(two))
    assert.deepEqual(evaluated.value, [false, false])
    assert.equal(evaluated.error, `policy/result: ${message}`)
  })
}

test('indices come in any order and answers in the order of the list', () => {
  const three = [...two, toolResource('files', 'drop')]
  const engine = engineThat(() => ({ allowed: [2, 0], count: 3 }))
  assert.deepEqual(createAuthorizer(engine).filter(listTexts(three)).value, [true, false, true])
})

const hostile: readonly (readonly [object, RegExp])[] = [
  [{ path: '\ud83d' }, /^policy\/abort: evaluation ended early, got=/],
  [{ '\ude00': 1 }, /^policy\/abort: evaluation ended early, got=/],
  [{ path: 'x'.repeat(300_000) }, /^policy\/input: input is too large, want=..262144 octets/],
]

for (const engine of ['plan', 'wasm'] as const) {
  test(`hostile arguments are refused by the ${engine}, and the next call is decided`, async () => {
    requirement('policy.cannot-fail-open')
    const grants = { tenants: { acme: { files: { tools: { read: {} } } } } }
    const authorizer = createAuthorizer(await loadPolicyBundle({ data: { grants }, engine }))
    for (const [given, message] of hostile) {
      const evaluated = authorizer.decide(callTexts({ arguments: given }))
      assert.deepEqual(evaluated.value, unavailable)
      assert.match(evaluated.error ?? '', message)
    }
    const fine = { path: 'x"\\\u0000\u2028🙂', ['__proto__']: { allow: true } }
    assert.equal(authorizer.decide(callTexts({ arguments: fine })).value.allow, true)
  })
}

test('a list of two thousand tools fits, and one past the bound shows nothing', async () => {
  const grants = { tenants: { acme: { files: { prefixes: { '': {} } } } } }
  const authorizer = createAuthorizer(await loadPolicyBundle({ data: { grants } }))
  const tools = Array.from({ length: 2000 }, (_, index) => toolResource('files', `tool_${index}`))
  const evaluated = authorizer.filter(listTexts(tools))
  assert.equal(evaluated.error, undefined)
  assert.ok(evaluated.value.every(Boolean))
  const long = tools.map((tool) => ({ ...tool, id: tool.id.repeat(80) }))
  const refused = authorizer.filter(listTexts(long))
  assert.match(refused.error ?? '', /^policy\/input: input is too large, want=..1048576 octets/)
  assert.equal(refused.value.some(Boolean), false)
})

test('an input that is missing what it should have is refused, not thrown', async () => {
  const authorizer = createAuthorizer(await loadPolicyBundle())
  for (const odd of ['null', '"x"', '{}', '[]', '{"type":"identity"}']) {
    const text = odd as CallTexts['subject']
    const { value, error } = authorizer.decide({ ...callTexts(), subject: text, resource: text })
    assert.equal(error, undefined)
    assert.equal(value.allow, false)
    assert.equal(value.reasons[0]?.code, 'role-not-allowed')
  }
})

/** Of a number that a double does not hold, as the gateway has it. */
const doubled = {
  ...callTexts(),
  arguments: argumentsText(Buffer.from('{"n":9007199254740993}'), { n: 9007199254740992 }),
}

test('arguments that are read in two ways are allowed when policy allows both in one way', () => {
  requirement('policy.octets-decided')
  const permit = { allow: true, reasons: [], obligations: [] }
  const obliged = { ...permit, obligations: [{ id: 'a', type: 'b', properties: {} }] }
  const refusal = { ...permit, allow: false }
  for (const [exact, rounded, allow, code] of [
    [permit, permit, true, undefined],
    [obliged, obliged, true, undefined],
    [permit, refusal, false, 'number-ambiguous'],
    [permit, obliged, false, 'number-ambiguous'],
    [permit, { allow: 1 }, false, 'policy-unavailable'],
    [refusal, permit, false, undefined],
  ] as const) {
    const asked: string[] = []
    const authorizer = createAuthorizer(
      engineThat((_, input) => {
        asked.push(/"n":\d+/.exec(given(input as InputText))?.[0] ?? '')
        return asked.length === 1 ? exact : rounded
      }),
    )
    const evaluated = authorizer.decide(doubled)
    assert.equal(evaluated.value.allow, allow)
    assert.equal(evaluated.value.reasons[0]?.code, code)
    const both = ['"n":9007199254740993', '"n":9007199254740992']
    assert.deepEqual(asked, exact.allow ? both : both.slice(0, 1))
  }
})

test('a decision that comes again is the same one, and of another answer it is another', () => {
  const permit = Object.freeze({ allow: true, reasons: [], obligations: [] })
  const refusal = Object.freeze({ allow: false, reasons: [], obligations: [] })
  const answers: unknown[] = [permit, permit, refusal, permit, Object.freeze({ allow: 1 }), permit]
  const authorizer = createAuthorizer(engineThat(() => answers.shift()))
  const decisions = Array.from({ length: 6 }, () => authorizer.decide(callTexts()).value.allow)
  assert.deepEqual(decisions, [true, true, false, true, false, true])
})
