import type { Func, Place, Plan, Statement } from '../plan/plan.ts'
import { freeLocal, headsOf, probe, withBefore } from './rule-probes.ts'

/** Not part of OPA: what a probe calls, with the number of a place. */
export const reachedBuiltin = 'internal.row_reached'

/** Rows of a source, first and last. */
export interface RowRange {
  readonly start: { readonly row: number }
  readonly end: { readonly row: number }
}

/** As `opa test --coverage` says it of one file, or of all. */
export interface CoverageCounts {
  readonly covered_lines: number
  readonly not_covered_lines: number
  /** Percent. */
  readonly coverage: number
}

export interface FileCoverage extends CoverageCounts {
  readonly covered: readonly RowRange[]
  readonly not_covered: readonly RowRange[]
}

export interface Coverage extends CoverageCounts {
  readonly files: Readonly<Record<string, FileCoverage>>
}

/** A plan that says which rows of its sources it comes to. */
export interface RowProbes {
  readonly plan: Plan
  /** Of the probe with this number. */
  reach(number: number): void
  readonly coverage: () => Coverage
}

/**
 * Puts probes before what begins in another place of the sources. A row counts as covered when all that begins in it was come to: of a body
 * each expression, and the head only where a body has held.
 */
export function withRowProbes(
  plan: Plan,
  isCounted: (func: Func, file: string) => boolean,
): RowProbes {
  const places = new Map<string, PlaceReached>()
  const numbered: PlaceReached[] = []
  const numberOf = (place: Place, isHead: boolean): number => {
    const key = `${keyOf(place)} ${isHead}`
    const known = places.get(key)
    if (known !== undefined) return known.number
    const { file, row } = place
    const made = { number: numbered.length, file: plan.files[file] ?? '', row, isReached: false }
    places.set(key, made)
    return numbered.push(made) - 1
  }
  const funcs = plan.funcs.map((func) => {
    const { isHead } = headsOf(func)
    const local = freeLocal(func)
    const before = (statement: Statement, at: number, all: readonly Statement[]) => {
      const { place } = statement
      if (place === undefined || place.row === 0) return []
      if (!isCounted(func, plan.files[place.file] ?? '')) return []
      // What else OPA puts at the place of a head runs whether or not a body holds.
      const isOwn = isHead(statement)
      const last = all[at - 1]
      if (!isOwn && last?.place !== undefined && keyOf(last.place) === keyOf(place)) return []
      return probe(reachedBuiltin, numberOf(place, isOwn), local)
    }
    return { ...func, blocks: func.blocks.map((block) => withBefore(block, before)) }
  })
  return {
    plan: {
      ...plan,
      funcs,
      builtins: [...plan.builtins, { name: reachedBuiltin, hasResult: false }],
    },
    reach(number) {
      const place = numbered[number]
      if (place !== undefined) place.isReached = true
    },
    coverage: () => coverageOf(numbered),
  }
}

interface PlaceReached {
  readonly number: number
  readonly file: string
  readonly row: number
  isReached: boolean
}

function keyOf({ file, row, column, endRow, endColumn }: Place): string {
  return [file, row, column, endRow, endColumn].join(':')
}

function coverageOf(places: readonly PlaceReached[]): Coverage {
  const files = new Map<string, Map<number, boolean>>()
  for (const { file, row, isReached } of places) {
    const rows = files.get(file) ?? new Map<number, boolean>()
    files.set(file, rows.set(row, isReached && rows.get(row) !== false))
  }
  const told = [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, rows]) => [file, fileCoverage(rows)] as const)
  const sum = (name: 'covered_lines' | 'not_covered_lines'): number =>
    told.reduce((count, [, each]) => count + each[name], 0)
  return {
    files: Object.fromEntries(told),
    ...countsOf(sum('covered_lines'), sum('not_covered_lines')),
  }
}

function fileCoverage(rows: ReadonlyMap<number, boolean>): FileCoverage {
  const sorted = [...rows].toSorted(([a], [b]) => a - b)
  const covered = sorted.filter(([, isCovered]) => isCovered).map(([row]) => row)
  const missed = sorted.filter(([, isCovered]) => !isCovered).map(([row]) => row)
  return {
    covered: rangesOf(covered),
    not_covered: rangesOf(missed),
    ...countsOf(covered.length, missed.length),
  }
}

function countsOf(covered: number, missed: number): CoverageCounts {
  const all = covered + missed
  // Two digits, cut: what is not whole is never told as whole, and neither is nothing.
  const coverage = all === 0 ? 0 : Math.floor((covered / all) * 10_000) / 100
  return { covered_lines: covered, not_covered_lines: missed, coverage }
}

/** Rows that follow each other are one range. */
function rangesOf(rows: readonly number[]): readonly RowRange[] {
  const ranges: { start: { row: number }; end: { row: number } }[] = []
  for (const row of rows) {
    const last = ranges.at(-1)
    if (last?.end.row === row - 1) last.end.row = row
    else ranges.push({ start: { row }, end: { row } })
  }
  return ranges
}
