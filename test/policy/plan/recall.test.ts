import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createReader } from '../../../src/policy/document.ts'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { compilePlan } from '../../../src/policy/plan/compile.ts'
import type { Evaluator } from '../../../src/policy/plan/compile.ts'
import { fromJson, toJson } from '../../../src/policy/plan/json.ts'
import { parsePlan } from '../../../src/policy/plan/plan.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
import { Recall } from '../../../src/policy/plan/recall.ts'
import { dot } from '../../../src/policy/plan/values.ts'
import type { Value } from '../../../src/policy/plan/values.ts'
import { requirement } from '../../requirements.ts'
import { createQuestions } from '../questions.ts'

const bundle = join(import.meta.dirname, '..', '..', '..', 'policies', 'bundle')
const plan = parsePlan(JSON.parse(readFileSync(join(bundle, 'plan.json'), 'utf8')))
const builtins = createBuiltins
const what = ['resource', 'action'] as const
const forgetting = compilePlan(plan, { builtins })
const keeping = compilePlan(plan, { builtins, subject: 'subject', what })
const shipped = JSON.parse(readFileSync(join(bundle, 'data.json'), 'utf8')) as object
const fuel = 1_000_000

function dataOf(own: object): Value {
  return fromJson(JSON.stringify({ ...shipped, ...own }))
}

/** What an evaluation gave, and what it took. */
function ask(evaluator: Evaluator, entrypoint: string, input: Value): readonly [unknown, number] {
  try {
    const [row] = evaluator.run(entrypoint, input, fuel)
    const value = dot(row, 'result')
    const given = value === undefined ? undefined : toJson(value, evaluator.meter)
    return [given, fuel - evaluator.meter.left]
  } catch (error) {
    return [(error as Error).message, 0]
  }
}

const read = createReader()
const entrypoint = 'countersign/mcp/decision'

/** Of one caller, who asks for this tool. */
function inputOf(resource: Value, region: string): Value {
  return {
    subject: read(
      JSON.stringify({
        type: 'identity',
        id: 'spiffe://example.test/ns/a/sa/b',
        properties: { role: 'agent', tenant: 'acme', toolScopes: ['files:*'] },
      }),
    ),
    action: read('{"name":"tools/call"}'),
    resource,
    context: { arguments: { region }, door: 'mcp/files', era: 'modern', phase: 'request' },
  }
}

function toolOf(id: string): Value {
  return read(JSON.stringify({ type: 'tool', id, properties: { server: 'files' } }))
}

const conditions = { arguments: { region: ['north'] } }
const tenants = { acme: { files: { tools: { read: conditions, other: {} }, prefixes: {} } } }
const granted = dataOf({ grants: { tenants, subjects: {} } })

function isAllowed(evaluator: Evaluator, resource: Value, region = 'north'): unknown {
  const [given] = ask(evaluator, entrypoint, inputOf(resource, region))
  return (given as { readonly allow?: unknown }).allow
}

for (const seed of [4, 5]) {
  test(`what is kept of calls changes neither an answer nor what it takes, seed ${seed}`, () => {
    requirement('policy.steps-bounded')
    requirement('policy.caller-rules-kept')
    const questions = createQuestions(seed)
    for (let round = 0; round < 6; round += 1) {
      const own = questions.data()
      const data = dataOf(own)
      const used = keeping.withData(data)
      for (let count = 0; count < 60; count += 1) {
        const { entrypoint: rule, input } = questions.question(own)
        const plain = fromJson(JSON.stringify(input)) as Record<string, Value>
        const known = { ...plain }
        for (const name of ['subject', ...what]) {
          if (known[name] !== undefined) known[name] = read(JSON.stringify(known[name]))
        }
        const first = ask(forgetting.withData(data), rule, plain)
        for (let times = 0; times < 3; times += 1) {
          assert.deepEqual(ask(used, rule, known), first, `${rule} ${JSON.stringify(input)}`)
        }
      }
    }
  })
}

test('what is kept of a call is of its caller and its tool, and says nothing of arguments', () => {
  requirement('policy.caller-rules-kept')
  const evaluator = keeping.withData(granted)
  for (let times = 0; times < 3; times += 1) {
    assert.equal(isAllowed(evaluator, toolOf('read')), true)
    assert.equal(isAllowed(evaluator, toolOf('read'), 'south'), false)
    assert.equal(isAllowed(evaluator, toolOf('other'), 'south'), true)
    assert.equal(isAllowed(evaluator, toolOf('drop')), false)
  }
})

test('of a tool that may still change nothing is kept', () => {
  requirement('policy.caller-rules-kept')
  const evaluator = keeping.withData(granted)
  const tool = { type: 'tool', id: 'read', properties: { server: 'files' } }
  assert.equal(isAllowed(evaluator, tool), true)
  tool.id = 'drop'
  assert.equal(isAllowed(evaluator, tool), false)
})

test('calls of more tools than are kept are decided as the first was', () => {
  requirement('policy.caller-rules-kept')
  const evaluator = keeping.withData(granted)
  for (let times = 0; times < 2; times += 1) {
    for (let count = 0; count < 1500; count += 1) {
      assert.equal(isAllowed(evaluator, toolOf(`drop_${count}`)), false)
      if (count % 100 === 0) assert.equal(isAllowed(evaluator, toolOf('read')), true)
    }
  }
})

/** How often a function of one argument is made when it is asked for these texts twice, and what each asking took. */
function applyTwice(texts: readonly string[]): { made: number; steps: ReadonlySet<number> } {
  const meter = new Meter()
  const recall = new Recall(meter)
  const [subject, resource, action] = [read('{"id":"a"}'), read('{"id":"b"}'), read('{"id":"c"}')]
  let made = 0
  const steps = new Set<number>()
  for (const text of [...texts, ...texts]) {
    meter.left = fuel
    recall.begin(subject, [resource, action])
    recall.applied(
      0,
      (_input, _data, first) => {
        made += 1
        meter.spend(7)
        return first
      },
      undefined,
      undefined,
      text,
    )
    steps.add(fuel - meter.left)
  }
  return { made, steps }
}

test('of texts as long as arguments may be nothing is kept, and they take the steps that they would', () => {
  requirement('policy.caller-rules-kept')
  const seven = new Set([7])
  assert.deepEqual(applyTwice(['x'.repeat(256)]), { made: 1, steps: seven })
  assert.deepEqual(applyTwice(['x'.repeat(257)]), { made: 2, steps: seven })
  const many = Array.from({ length: 6 }, (_, index) => String(index).repeat(256))
  assert.deepEqual(applyTwice(many), { made: 10, steps: seven }, 'two of them with their results')
})

/** What is kept when everything else has been collected. */
function keptOctets(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

test('a rule that asked no other is kept in little more than the place of its value', () => {
  requirement('policy.caller-rules-kept')
  const meter = new Meter()
  const recall = new Recall(meter)
  const subject = read('{"id":"a"}')
  recall.begin(subject, [undefined, undefined])
  const rules = 20_000
  const before = keptOctets()
  for (let index = 0; index < rules; index += 1) {
    recall.ofSubject(index, () => true, undefined, undefined)
  }
  const octets = (keptOctets() - before) / rules
  assert.ok(octets < 120, `want=..120 got=${octets}`)
  assert.equal(
    recall.ofSubject(0, () => false, undefined, undefined),
    true,
  )
})
