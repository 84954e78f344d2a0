/**
 * Runs OPA's own conformance cases, of the version that `test/tools` pins, on the plans of their rules: `npm run test:rego-conformance`.
 * It needs Go, and ends with what agreed, what differed and what needs something that we do not provide.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { createBuiltins } from '../../src/policy/plan/builtins/builtins.ts'
import { compilePlan } from '../../src/policy/plan/compile.ts'
import { formatJson, fromJson } from '../../src/policy/plan/json.ts'
import { Meter, PolicyFault } from '../../src/policy/plan/meter.ts'
import { parsePlan, UnsupportedPlan } from '../../src/policy/plan/plan.ts'
import { isArray, objectFrom, setFrom, sorted, textOf } from '../../src/policy/plan/values.ts'
import type { Value } from '../../src/policy/plan/values.ts'
import { buildTools } from '../tools/build.ts'

interface Case {
  readonly note: string
  readonly plan?: object
  readonly error?: string
  readonly data?: Value
  readonly input?: Value
  readonly inputTerm?: Typed
  readonly wantDefined?: boolean
  readonly wantResult?: readonly Readonly<Record<string, Value>>[]
  readonly wantErrorCode?: string
  readonly wantError?: string
  readonly strictError?: boolean
  readonly sortBindings?: boolean
  readonly ignoreGeneratedVars?: boolean
}

/** A value with its type; of what has members a list of such, of an object a list of pairs. */
type Typed = readonly [type: string, members: unknown]

/** OPA's own exceptions for what runs plans: an integer as a path of `data` (its v1/test/wasm/assets, issue 3711). */
const exceptions = new Set(
  ['v0', 'v1'].flatMap((version) =>
    ['data/nested integer', 'data/toplevel integer'].map((note) => `${version}/${note}`),
  ),
)

/** A number has a value here and no spelling (docs/POLICY.md): OPA knows `1e2` from `100`. */
const spelled: ReadonlySet<string> = new Set([
  'v0/sprintf/float/exponent',
  'v1/sprintf/float/exponent',
])

/** They ask for zones whose clocks were changed, of which we say nothing: each release of the tz database has others. */
const ofChangedClocks = new Set(
  ['v0', 'v1'].flatMap((version) =>
    ['clock with NY tz', 'date with LA tz', 'diff', 'format'].map(
      (note) => `${version}/time/${note}`,
    ),
  ),
)

const meter = new Meter()

function valueOf(typed: Typed): Value {
  const [type, members] = typed
  if (type === 'plain') return members as Value
  if (type === 'array') return (members as Typed[]).map(valueOf)
  if (type === 'set') return setFrom((members as Typed[]).map(valueOf), meter)
  const pairs = members as (readonly [Typed, Typed])[]
  return objectFrom(
    pairs.map(([key, value]) => [valueOf(key), valueOf(value)] as const),
    meter,
  )
}

/** Rows as a set: in one text, whatever their order. */
function textOfRows(rows: readonly object[], { sortBindings, ignoreGeneratedVars }: Case): string {
  const prepared = rows.map((row) =>
    objectFrom(
      (Object.entries(row) as [string, Value][])
        .filter(([name]) => ignoreGeneratedVars !== true || !/^(?:__|\$)/.test(name))
        .map(([name, value]) => {
          const isSorted = sortBindings === true && isArray(value)
          return [name, isSorted ? sorted(value, (member) => member, meter) : value] as const
        }),
      meter,
    ),
  )
  return textOf(setFrom(prepared, meter), meter)
}

/** How a case differs from what OPA wants of it; undefined: it agrees. Throws `UnsupportedPlan`. */
function differenceOf(each: Case, text: string): string | undefined {
  if (ofChangedClocks.has(each.note)) throw new UnsupportedPlan('a zone whose clocks were changed')
  if (each.plan === undefined) throw new UnsupportedPlan(`no plan, got=${each.error}`)
  // Numbers of a plan are indices: as JavaScript has them.
  const { plan } = JSON.parse(text) as { readonly plan: object }
  const evaluator = compilePlan(parsePlan(plan), {
    builtins: createBuiltins,
    timeOf: () => 1_796_083_200_000_000_000,
    subject: 'subject',
  }).withData(each.data ?? {})
  const input = each.inputTerm === undefined ? each.input : valueOf(each.inputTerm)
  let rows: readonly object[] = []
  let fault: unknown
  try {
    const given = evaluator.run('eval', input, 5_000_000)
    rows = given.map((row) => fromJson(formatJson(row, meter)) as object)
  } catch (error) {
    fault = error
  }
  if (isAsWanted(each, rows, fault)) return undefined
  const { wantResult, wantErrorCode, wantDefined } = each
  const wanted = wantResult === undefined ? wantErrorCode : textOfRows(wantResult, each)
  const shown = fault === undefined ? textOfRows(rows, each) : inspect(fault)
  return `want=${wanted ?? wantDefined} got=${shown}`
}

function isAsWanted(each: Case, rows: readonly object[], fault: unknown): boolean {
  const { wantDefined, wantResult } = each
  if (wantDefined !== undefined) return fault === undefined && rows.length > 0 === wantDefined
  if (wantResult !== undefined) {
    return fault === undefined && textOfRows(wantResult, each) === textOfRows(rows, each)
  }
  // A builtin that fails is undefined for us, always.
  if (each.strictError === true) return fault === undefined && rows.length === 0
  if (each.wantErrorCode !== 'eval_conflict_error') return fault !== undefined
  return fault instanceof PolicyFault && fault.kind === 'conflict'
}

async function casesOfOpa(): Promise<readonly string[]> {
  const program = (await buildTools(['rego-cases'], console.log)).get('rego-cases') ?? ''
  const cwd = join(import.meta.dirname, '..', 'tools', 'rego-cases')
  const words = ['list', '-m', '-f', '{{.Dir}}', 'github.com/open-policy-agent/opa']
  const folder = spawnSync('go', words, { cwd, encoding: 'utf8' }).stdout.trim()
  const data = join(folder, 'v1', 'test', 'cases', 'testdata')
  const done = spawnSync(program, [data], { encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (done.status !== 0) throw new Error(`rego-cases: ${done.stderr}`)
  return done.stdout.trimEnd().split('\n')
}

const count = { agree: 0, differ: 0, excepted: 0, spelled: 0, unsupported: 0 }
const unsupported = new Map<string, number>()
for (const text of await casesOfOpa()) {
  const each = fromJson(text) as unknown as Case
  meter.left = 1e9
  try {
    const difference = differenceOf(each, text)
    if (difference === undefined) count.agree += 1
    else if (exceptions.has(each.note)) count.excepted += 1
    else if (spelled.has(each.note)) count.spelled += 1
    else {
      count.differ += 1
      console.log(`${each.note}: ${difference.slice(0, 500)}`)
    }
  } catch (error) {
    if (!(error instanceof UnsupportedPlan)) throw error
    count.unsupported += 1
    const reasons = /^builtins that are not provided, got=(.*)$/
      .exec(error.message)?.[1]
      ?.split(' ')
    for (const reason of reasons ?? [error.message.split('\n')[0] ?? '']) {
      unsupported.set(reason, (unsupported.get(reason) ?? 0) + 1)
    }
  }
}
const needed = [...unsupported].toSorted(([, a], [, b]) => b - a)
console.log(`not provided: ${needed.map(([name, times]) => `${name} (${times})`).join(', ')}`)
console.log(`OPA's own exceptions for plans: ${[...exceptions].join(', ')}`)
console.log(`of how a number is spelled: ${[...spelled].join(', ')}`)
console.log(
  `${count.agree} agree, ${count.differ} differ, ${count.unsupported} unsupported, ${count.excepted} excepted by OPA, ${count.spelled} of how a number is spelled`,
)
if (count.differ > 0 || count.agree < 3360) process.exitCode = 1
