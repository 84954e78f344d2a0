import type { AuthorityVerdict, IssuanceApproval, NodeVerdict } from './record.ts'

/** The record of how it ended, of the one that was durable before; `latencySeconds` goes on from there. `at` in milliseconds. */
export function concluded<Verdict extends AuthorityVerdict | IssuanceApproval | NodeVerdict>(
  record: Verdict,
  outcome: Verdict['outcome'],
  at: number,
): Verdict {
  const sinceSeconds = Math.max(0, (at - Date.parse(record.time)) / 1000)
  const latencySeconds = record.latencySeconds + sinceSeconds
  return { ...record, time: new Date(at).toISOString(), outcome, latencySeconds }
}
