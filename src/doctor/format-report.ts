import type { Status } from './check.ts'
import type { Report } from './report.ts'

const marks: Readonly<Record<Status, string>> = { ok: 'ok', warning: 'WARNING', problem: 'PROBLEM' }

/** For people: a line a check, and below it what was seen and what to do. What is well is said in one line. */
export function formatReport(report: Report): string {
  const lines = report.checks.flatMap(({ name, status, summary, evidence, hint }) => [
    `${marks[status].padEnd(8)}${name.padEnd(25)}${summary}`,
    ...(status === 'ok' ? [] : evidence.map((line) => `        - ${line}`)),
    ...(hint === undefined ? [] : [`        hint: ${hint}`]),
  ])
  const { ok, warning, problem } = report.counts
  const counted = `${ok} ok, ${warning} ${warning === 1 ? 'warning' : 'warnings'}, ${problem} ${problem === 1 ? 'problem' : 'problems'}`
  return `${[`countersign ${report.release} at ${report.server}, namespace ${report.namespace}`, ...lines, counted].join('\n')}\n`
}
