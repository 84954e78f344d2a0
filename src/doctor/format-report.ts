import type { Judgement, Status } from './check.ts'
import type { Report } from './report.ts'

const marks: Readonly<Record<Status, string>> = { ok: 'ok', warning: 'WARNING', problem: 'PROBLEM' }

/** For people: a line a check, and below it what was seen and what to do. What is well is said in one line. */
export function formatReport(report: Report): string {
  const { release, server, namespace } = report
  return formatChecks(`countersign ${release} at ${server}, namespace ${namespace}`, report)
}

/** The same below any heading. */
export function formatChecks(
  heading: string,
  report: {
    readonly checks: readonly (Judgement & { readonly name: string })[]
    readonly counts: Readonly<Record<Status, number>>
  },
): string {
  const lines = report.checks.flatMap(({ name, status, summary, evidence, hint }) => [
    `${marks[status].padEnd(8)}${name.padEnd(25)}${summary}`,
    ...(status === 'ok' ? [] : evidence.map((line) => `        - ${line}`)),
    ...(hint === undefined ? [] : [`        hint: ${hint}`]),
  ])
  const { ok, warning, problem } = report.counts
  const counted = `${ok} ok, ${warning} ${warning === 1 ? 'warning' : 'warnings'}, ${problem} ${problem === 1 ? 'problem' : 'problems'}`
  return `${[heading, ...lines, counted].join('\n')}\n`
}
