import { CountersignError, quoted } from '../../../errors.ts'
import { isTestName, openRegoSuite } from '../../../policy/author/rego-suite.ts'
import type { CaseResult, RegoSuite, TestResult } from '../../../policy/author/rego-suite.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { buildBundle, checkTypes } from './build-plan.ts'
import { isCompiled, planIn } from './open-plan.ts'
import { findOpa } from './opa.ts'
import { readWhole } from './read-bundle.ts'
import { readRuleHeads } from './rego-sources.ts'
import type { RuleHead } from './rego-sources.ts'
import { listSources } from './source-files.ts'
import { parseThreshold, reaches, tellCoverage } from './tell-coverage.ts'

export interface PolicyTestOptions {
  readonly opa?: string
  readonly run?: string
  readonly json?: boolean
  readonly verbose?: boolean
  readonly coverage?: boolean
  /** Percent. */
  readonly threshold?: string
}

interface Skipped {
  readonly path: string
  readonly file: string
  readonly outcome: 'skip'
}

type Told = TestResult | Skipped

/** Runs the tests of sources or of a bundle on the engine that enforces. Throws `Refused` where one does not pass. */
export async function runPolicyTest(
  places: readonly string[],
  options: PolicyTestOptions,
  terminal: Terminal,
): Promise<void> {
  const wanted = parsePattern(options.run)
  const threshold = parseThreshold(options.threshold)
  const isCovered = options.coverage === true || threshold !== undefined
  const compiled = await isCompiled(places)
  const { suite, skipped, functions } = await (compiled
    ? openCompiled(places[0] ?? '', isCovered)
    : openSources(places, options, isCovered, terminal))
  const results: Told[] = suite.paths
    .filter((path) => wanted.test(path))
    .map((path) => suite.run(path))
  results.push(...skipped.filter(({ path }) => wanted.test(path)))
  if (results.length === 0) {
    throw new CountersignError(
      'policy/source',
      'no test is there, want=rules that begin with test_',
    )
  }
  const counts = countsOf(results)
  const coverage = suite.coverage()
  const uncalled = functions.filter((path) => !suite.rules.has(path))
  const isEnough = coverage === undefined || reaches(coverage, uncalled, threshold)
  const ok = counts.fail + counts.error === 0 && isEnough
  if (options.json === true) {
    terminal.out(
      `${JSON.stringify({ version: 1, ok, engine: 'plan', ...counts, tests: results, coverage: coverage && { ...coverage, uncalled } })}\n`,
    )
  } else {
    tell(results, counts, options, terminal)
    if (coverage !== undefined) tellCoverage(coverage, uncalled, terminal)
  }
  if (!ok) throw new Refused()
}

function parsePattern(pattern = ''): RegExp {
  try {
    return new RegExp(pattern)
  } catch (cause) {
    throw new CountersignError(
      'cli/usage',
      `--run: want=regular expression got=${quoted(pattern)}`,
      {
        cause,
      },
    )
  }
}

interface Opened {
  readonly suite: RegoSuite
  readonly skipped: readonly Skipped[]
  /** Of the sources, as far as rows of them are to be counted: what nothing calls is in no plan. */
  readonly functions: readonly string[]
}

async function openCompiled(place: string, isCovered: boolean): Promise<Opened> {
  const suite = openSuite(await readWhole(place), isCovered)
  if (suite.paths.length > 0) return { suite, skipped: [], functions: [] }
  throw new CountersignError('policy/bundle', 'bundle has no test among its entrypoints', {
    hint: 'test the folder of its sources instead, or build the bundle with each test as an --entrypoint',
  })
}

async function openSources(
  places: readonly string[],
  options: PolicyTestOptions,
  isCovered: boolean,
  { signal }: Terminal,
): Promise<Opened> {
  const opa = findOpa(options.opa, process.env, signal)
  const sources = await listSources(places)
  await checkTypes(opa, places)
  const heads = await readRuleHeads(opa, sources)
  const tests = heads.flatMap(testOf)
  const entrypoints = tests.filter(({ isLater }) => !isLater).map(({ path }) => path)
  const skipped = tests
    .filter(({ isLater }) => isLater)
    .map(({ path, file }) => ({ path, file, outcome: 'skip' as const }))
  if (entrypoints.length === 0) return { suite: emptySuite, skipped, functions: [] }
  const rules = isCovered ? heads.filter(isRule) : []
  const content = await buildBundle(opa, places, {
    target: 'plan',
    // A rule that no test asks for would be in no plan, and so in no count: its package is asked for, too.
    entrypoints: [...new Set([...entrypoints, ...packagesOf(rules)])].toSorted(),
  })
  const suite = withoutTwins(openSuite(content, isCovered), entrypoints)
  const functions = rules.filter(({ isFunction }) => isFunction).map(pathOf)
  return { suite, skipped, functions: [...new Set(functions)].toSorted() }
}

function isRule(head: RuleHead): boolean {
  return !head.file.endsWith('_test.rego') && testOf(head).length === 0
}

/** Of those alone that have a rule: a package of functions is worth nothing by itself. */
function packagesOf(heads: readonly RuleHead[]): readonly string[] {
  return heads
    .filter(({ isFunction }) => !isFunction)
    .map(({ packagePath }) => packagePath.join('/'))
}

function pathOf({ packagePath, ref }: RuleHead): string {
  return [...packagePath, ...ref].join('/')
}

function openSuite(content: BundleContent, coverage: boolean): RegoSuite {
  const { plan, dataText } = planIn(content)
  return openRegoSuite(plan, dataText, { coverage })
}

const emptySuite: RegoSuite = {
  paths: [],
  rules: new Set(),
  coverage: () => undefined,
  run() {
    throw new Error('there is no test to run')
  },
}

/** Rules of one name are one rule to the engine, which cannot say of each whether it holds. */
function withoutTwins(suite: RegoSuite, paths: readonly string[]): RegoSuite {
  const twins = new Set(paths.filter((path, at) => paths.indexOf(path) !== at))
  const message = 'several rules have the name of this test, want=one rule for each'
  return {
    ...suite,
    run(path) {
      const result = suite.run(path)
      return twins.has(path) ? { ...result, outcome: 'error', message } : result
    },
  }
}

interface TestHead {
  readonly path: string
  readonly file: string
  readonly isLater: boolean
}

const laterName = /^todo_test_/

/** As in OPA, a test is named by its path up to the name that makes it one. */
function testOf({ packagePath, ref, file }: RuleHead): readonly TestHead[] {
  const at = ref.findIndex((name) => isTestName(name) || laterName.test(name))
  if (at === -1) return []
  const path = [...packagePath, ...ref.slice(0, at + 1)].join('/')
  return [{ path, file, isLater: laterName.test(ref[at] ?? '') }]
}

type Counts = Readonly<Record<Told['outcome'], number>>

/** Each case counts, as in OPA. */
function countsOf(results: readonly Told[]): Counts {
  const counts = { pass: 0, fail: 0, error: 0, skip: 0 }
  for (const result of results) {
    const cases = result.outcome === 'skip' ? [] : (result.cases ?? [])
    for (const { outcome } of cases.length > 0 ? cases : [result]) counts[outcome] += 1
  }
  return counts
}

function tell(
  results: readonly Told[],
  counts: Counts,
  { verbose }: PolicyTestOptions,
  terminal: Terminal,
): void {
  for (const result of results) {
    if (verbose !== true && (result.outcome === 'pass' || result.outcome === 'skip')) continue
    terminal.out(`${result.outcome.toUpperCase().padEnd(5)} ${lineOf(result)}\n`)
    if (result.outcome === 'skip') continue
    for (const each of result.cases ?? []) {
      if (verbose === true || each.outcome === 'fail') terminal.out(caseLine(each))
    }
  }
  const { pass, fail, error, skip: later } = counts
  const rest = later > 0 ? `, ${later} for later` : ''
  terminal.out(`${pass} pass, ${fail} fail, ${error} end with an error${rest}\n`)
}

function lineOf(result: Told): string {
  if (result.outcome === 'skip') return `${result.path} (${result.file})`
  const place = `${result.path} (${result.file}:${result.row})`
  return result.message === undefined ? place : `${place}\n      ${result.message}`
}

function caseLine({ name, outcome }: CaseResult): string {
  return `      ${outcome} ${quoted(name.join(' / '), 200)}\n`
}
