import { createBuiltins } from '../plan/builtins/builtins.ts'
import { compilePlan } from '../plan/compile.ts'
import type { BuiltinsOf, Evaluator } from '../plan/compile.ts'
import { fromJson, nameOf } from '../plan/json.ts'
import { fromInteger } from '../plan/numbers.ts'
import { parsePlan } from '../plan/plan.ts'
import type { Func, Plan } from '../plan/plan.ts'
import { isArray } from '../plan/values.ts'
import { faultOf, kept, refusedPlan, valueAt } from '../plan-engine.ts'
import { frozen } from '../document.ts'
import { reachedBuiltin, withRowProbes } from './row-coverage.ts'
import type { Coverage, RowProbes } from './row-coverage.ts'
import { caseBuiltin, caseRoot, withCaseProbes } from './test-cases.ts'

/** What `opa test` calls a test: a rule whose name begins so, and its path ends with it. */
const testName = /^test_/

/** Far more than a test that builds its own data takes. */
const testFuelMax = 10_000_000

export type Outcome = 'pass' | 'fail' | 'error'

/** What has become of one test. */
export interface TestResult {
  /** Of the rule, from the package on: `acme/files_test/test_read`. */
  readonly path: string
  readonly file: string
  readonly row: number
  readonly outcome: Outcome
  /** Of an error, why. */
  readonly message?: string
  /** Of a test that has cases. */
  readonly cases?: readonly CaseResult[]
  /** The steps that it took, the same ones each time. */
  readonly steps: number
}

export interface CaseResult {
  readonly name: readonly string[]
  readonly outcome: 'pass' | 'fail'
}

/** A suite that was compiled. */
export interface RegoSuite {
  /** Entrypoints that are tests, in order. */
  readonly paths: readonly string[]
  /** Paths of all rules and functions that the plan has. */
  readonly rules: ReadonlySet<string>
  run(path: string): TestResult
  /** Which rows the tests that were run have come to, those of tests and of their files apart; undefined where nobody asked. */
  coverage(): Coverage | undefined
}

/** Whether a rule is a test, by the last name of its path. */
export function isTestName(name: string | undefined): boolean {
  return name !== undefined && testName.test(name)
}

/**
 * Opens the tests among the entrypoints of a plan, to be run as the engine that enforces runs rules. Throws `policy/bundle` for a plan
 * that cannot be run.
 */
export function openRegoSuite(
  planJson: unknown,
  dataText: string,
  how: {
    readonly coverage?: boolean
    /** Milliseconds: what all tests take for the present. */
    readonly at?: number
  } = {},
): RegoSuite {
  const seen: Seen[] = []
  const { plan, unseen, rows, evaluator } = open(planJson, dataText, how, seen)
  const paths = plan.entrypoints.map(({ name }) => name)
  return {
    paths: paths.filter((path) => isTestName(path.split('/').at(-1))),
    rules: new Set(plan.funcs.map((func) => ruleNames(func).join('/'))),
    coverage: () => rows?.coverage(),
    run(path) {
      const funcs = plan.funcs.filter((func) => isUnder(func, path))
      const { meter } = evaluator
      const ended = (
        outcome: Outcome,
        more: Pick<TestResult, 'message' | 'cases'> = {},
      ): TestResult => {
        const steps = testFuelMax - Math.max(meter.left, 0)
        return { path, ...placeOf(plan, funcs[0]), outcome, ...more, steps }
      }
      seen.length = 0
      let value: unknown
      try {
        value = valueAt(evaluator, path, undefined, testFuelMax)
      } catch (error) {
        return ended('error', { message: faultOf(error).message })
      }
      if (funcs.some(({ name }) => unseen.has(name))) {
        return ended('error', { message: 'cases of this test cannot be told apart in its plan' })
      }
      const hasCases = funcs.some((func) => caseRoot(func) !== undefined)
      if (!hasCases) return ended(value === true ? 'pass' : 'fail')
      const prefix = path.split('/').length
      const names = seen.map(({ func, names: own }) => [
        ...ruleNames(plan.funcs[func]).slice(prefix),
        ...own,
      ])
      const cases = casesOf(value, names)
      const isGood = value !== undefined && cases.every(({ outcome }) => outcome === 'pass')
      return ended(isGood ? 'pass' : 'fail', { cases })
    },
  }
}

interface Opened {
  readonly plan: Plan
  readonly unseen: ReadonlySet<string>
  readonly rows: RowProbes | undefined
  readonly evaluator: Evaluator
}

function open(
  planJson: unknown,
  dataText: string,
  {
    coverage: isCovered = false,
    at = Date.now(),
  }: NonNullable<Parameters<typeof openRegoSuite>[2]>,
  seen: Seen[],
): Opened {
  try {
    const parsed = parsePlan(planJson)
    const { plan, unseen } = withCaseProbes(parsed, isTest)
    const rows = isCovered ? withRowProbes(plan, isRule) : undefined
    const builtins: BuiltinsOf = (meter, now) => ({
      ...createBuiltins(meter, now),
      [caseBuiltin]: (names) => {
        const [func, ...own] = isArray(names) ? names : []
        seen.push({ func: Number(func), names: own.map((name) => nameOf(name, meter)) })
        return true
      },
      [reachedBuiltin]: (number) => {
        rows?.reach(Number(number))
        return true
      },
    })
    // Nobody decides here: like those of `opa test`, tests have a clock.
    const time = fromInteger(BigInt(Math.trunc(at)) * 1_000_000n)
    const program = compilePlan(rows?.plan ?? plan, { builtins, timeOf: () => time, ...kept })
    return { plan, unseen, rows, evaluator: program.withData(frozen(fromJson(dataText))) }
  } catch (error) {
    throw refusedPlan(error)
  }
}

function isTest({ path = [] }: Func): boolean {
  return path.some(isTestName)
}

/** What tests are for, and not they themselves or what stands beside them for their sake. */
function isRule(func: Func, file: string): boolean {
  return !isTest(func) && !file.endsWith('_test.rego')
}

/** A case that was come to, in a function of the plan. */
interface Seen {
  readonly func: number
  readonly names: readonly string[]
}

/** The path of a rule without the group that OPA puts before it. */
function ruleNames(func: Func | undefined): readonly string[] {
  return func?.path?.slice(1) ?? []
}

/** Whether a rule gives a test its value, or a part of it. */
function isUnder(func: Func, path: string): boolean {
  return `${ruleNames(func).join('/')}/`.startsWith(`${path}/`)
}

function placeOf(
  plan: Plan,
  func: Func | undefined,
): { readonly file: string; readonly row: number } {
  const { file = 0, row = 0 } = func?.blocks[0]?.statements[0]?.place ?? {}
  return { file: plan.files[file] ?? '', row }
}

/** A case that was come to and is in no document has failed. */
function casesOf(value: unknown, seen: readonly (readonly string[])[]): readonly CaseResult[] {
  const found = new Map<string, CaseResult>()
  for (const name of seen) found.set(JSON.stringify(name), { name, outcome: 'fail' })
  for (const [name, leaf] of leavesOf(value)) {
    found.set(JSON.stringify(name), { name, outcome: leaf === true ? 'pass' : 'fail' })
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, result]) => result)
}

function* leavesOf(
  value: unknown,
  name: readonly string[] = [],
): Generator<readonly [readonly string[], unknown]> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isObject) {
    if (name.length > 0) yield [name, value]
    return
  }
  for (const [member, inner] of Object.entries(value)) yield* leavesOf(inner, [...name, member])
}
