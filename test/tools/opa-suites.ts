/** What `opa test` says of suites, and what we say of the same ones. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Coverage } from '../../src/policy/author/row-coverage.ts'
import { runPolicy } from '../cli/command/policy/run-policy.ts'

/** By the path of each test: what has become of it, and of each of its cases. */
export type Verdicts = Readonly<Record<string, string>>

interface SubResult {
  readonly fail?: boolean
  readonly sub_results?: Readonly<Record<string, SubResult>>
}

interface OpaResult extends SubResult {
  readonly package: string
  readonly name: string
  readonly error?: unknown
  readonly skip?: boolean
}

/** Throws when opa itself fails. */
export function opaVerdicts(opa: string, places: readonly string[], cwd: string): Verdicts {
  // On a machine that is busy one test may take longer than the five seconds that it has by default.
  const words = ['test', '--timeout', '60s', '--format', 'json', ...places]
  const done = spawnSync(opa, words, { cwd, encoding: 'utf8' })
  if (done.status !== 0 && done.status !== 2) throw new Error(`${done.stdout}${done.stderr}`)
  const results = JSON.parse(done.stdout) as readonly OpaResult[]
  return sorted(
    results.flatMap(({ package: name, ...result }) => {
      const path = [...name.split('.').slice(1), ...result.name.split('.')].join('/')
      const own = result.skip === true ? 'skip' : outcomeOf(result)
      return [[path, own] as const, ...casesOf(result, path)]
    }),
  )
}

function outcomeOf({ error, fail }: Pick<OpaResult, 'error' | 'fail'>): string {
  if (error !== undefined) return 'error'
  return fail === true ? 'fail' : 'pass'
}

function casesOf(
  { sub_results: inner = {} }: SubResult,
  path: string,
): readonly (readonly [string, string])[] {
  return Object.entries(inner).flatMap(([name, result]) => {
    const own = `${path} ${JSON.stringify(name)}`
    const deeper = casesOf(result, own)
    return deeper.length > 0 ? deeper : [[own, outcomeOf(result)] as const]
  })
}

function sorted(entries: readonly (readonly [string, string])[]): Verdicts {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

export interface OwnResult {
  readonly path: string
  readonly outcome: string
  readonly cases?: readonly { readonly name: readonly string[]; readonly outcome: string }[]
}

/** The same of our results. */
export function verdictsOf(results: readonly OwnResult[]): Verdicts {
  return sorted(
    results.flatMap(({ path, outcome, cases = [] }) => [
      [path, outcome] as const,
      ...cases.map(
        (each) =>
          [[path, ...each.name.map((n) => JSON.stringify(n))].join(' '), each.outcome] as const,
      ),
    ]),
  )
}

/** Runs `countersign policy test` on sources. Throws where it says nothing of tests. */
export async function ownVerdicts(opa: string, places: readonly string[]): Promise<Verdicts> {
  const said = await runPolicy('test', '--opa', opa, '--json', ...places)
  if (said.out === '') throw new Error(said.err)
  return verdictsOf((JSON.parse(said.out) as { readonly tests: readonly OwnResult[] }).tests)
}

/** How many rows the tests of sources cover. Throws where it is not all of them. */
export async function coveredRows(
  opa: string,
  folder: string,
  names: readonly string[],
): Promise<number> {
  const places = names.map((name) => join(folder, name))
  const said = await runPolicy('test', '--opa', opa, '--threshold', '100', '--json', ...places)
  const { coverage } = JSON.parse(said.out) as { readonly coverage: Coverage }
  if (said.code !== 0) throw new Error(JSON.stringify(coverage))
  return coverage.covered_lines
}

/** Compares both on one suite, and gives how many tests and cases there are. Throws where they differ. */
export async function compareSuite(
  opa: string,
  folder: string,
  names: readonly string[],
): Promise<number> {
  const theirs = opaVerdicts(opa, names, folder)
  const ours = await ownVerdicts(
    opa,
    names.map((name) => join(folder, name)),
  )
  const paths = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])]
  const differing = paths.filter((path) => theirs[path] !== ours[path])
  if (differing.length === 0) return paths.length
  const shown = differing.map((path) => `${path}: opa=${theirs[path]} ours=${ours[path]}`)
  throw new Error(`opa test and policy test differ\n${shown.join('\n')}`)
}
