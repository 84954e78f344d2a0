import { warning, type CheckName, type Judgement, type Status } from './check.ts'
import type { Facts } from './facts.ts'
import { checks } from './table.ts'

/** What one check found, safe to print: no control characters, and no more of it than somebody reads. */
export interface CheckReport extends Judgement {
  readonly name: CheckName
}

/** The document of `--json` (docs/OPERATING.md). Members are added, never changed, as long as `version` stays. */
export interface Report {
  readonly version: 1
  readonly release: string
  readonly server: string
  readonly namespace: string
  /** RFC 3339. */
  readonly checkedAt: string
  /** The worst of the checks. */
  readonly status: Status
  readonly counts: Readonly<Record<Status, number>>
  readonly checks: readonly CheckReport[]
}

const evidenceMax = 20
const lineCharactersMax = 400

/** Judges every fact by every check. Nothing in the facts makes it throw. */
export function examine(facts: Facts, server: string): Report {
  const reports = checks.map(({ name, judge }) => ({ name, ...bounded(judged(judge, facts)) }))
  return {
    version: 1,
    release: facts.release,
    server,
    namespace: facts.namespace,
    checkedAt: formatTime(facts.now),
    ...counted(reports),
    checks: reports,
  }
}

/** RFC 3339, in whole seconds. */
export function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/** The worst of them, and how many there are of each. */
export function counted(reports: readonly Judgement[]): Pick<Report, 'status' | 'counts'> {
  const counts = { ok: 0, warning: 0, problem: 0 }
  for (const { status } of reports) counts[status] += 1
  const status = counts.problem > 0 ? 'problem' : counts.warning > 0 ? 'warning' : 'ok'
  return { status, counts }
}

/** An object may be odd in a way that nobody thought of: that is one check less, not all of them. */
function judged(judge: (facts: Facts) => Judgement, facts: Facts): Judgement {
  try {
    return judge(facts)
  } catch (error) {
    const evidence = error instanceof Error ? [error.message] : []
    const hint =
      'an object of the cluster is odd in a way that this doctor does not know: tell its makers'
    return warning('not checked: the check itself broke', { evidence, hint })
  }
}

/** What was found, fit for a terminal and of a length that somebody reads. */
export function bounded({ status, summary, evidence, hint }: Judgement): Judgement {
  const more = evidence.length - evidenceMax
  const shown = evidence.slice(0, evidenceMax).map(printable)
  return {
    status,
    summary: printable(summary),
    evidence: more > 0 ? [...shown, `and ${more} more`] : shown,
    ...(hint === undefined ? {} : { hint: printable(hint) }),
  }
}

/** One line without what a terminal takes for a command, or turns round: names and messages come from whoever may write objects. */
function printable(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return line.length > lineCharactersMax ? `${line.slice(0, lineCharactersMax)}…` : line
}
