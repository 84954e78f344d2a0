import { CountersignError, quoted } from '../../../errors.ts'
import type { Coverage, RowRange } from '../../../policy/author/row-coverage.ts'
import type { Terminal } from '../../terminal.ts'
import { printableName } from './printable.ts'

/** Percent, or undefined where nobody asks for any. Throws `cli/usage`. */
export function parseThreshold(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const percent = /^\d{1,3}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (percent <= 100) return percent
  throw new CountersignError('cli/usage', `--threshold: want=0..100 got=${quoted(text)}`)
}

/** A function that nothing calls has no rows in a plan: all of the rules is more than all of those rows. */
export function reaches(
  { coverage }: Coverage,
  uncalled: readonly string[],
  threshold = 0,
): boolean {
  return coverage >= threshold && (threshold < 100 || uncalled.length === 0)
}

/** What is covered in part, and all of it. */
export function tellCoverage(
  { files, coverage, covered_lines, not_covered_lines }: Coverage,
  uncalled: readonly string[],
  { out }: Terminal,
): void {
  for (const [file, { coverage: percent, not_covered }] of Object.entries(files)) {
    if (not_covered.length === 0) continue
    out(`${printableName(file)} ${percent} %, not covered: ${rowsOf(not_covered)}\n`)
  }
  for (const path of uncalled) out(`${printableName(path)} is called by nothing\n`)
  out(`${coverage} % of ${covered_lines + not_covered_lines} rows are covered\n`)
}

function rowsOf(ranges: readonly RowRange[]): string {
  return ranges
    .map(({ start, end }) => (start.row === end.row ? `${start.row}` : `${start.row}-${end.row}`))
    .join(', ')
}
