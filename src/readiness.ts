/** One thing that a program needs, as it is at this moment. */
export interface Condition {
  /** Such as `policy`, or `watch pods`. */
  readonly name: string
  readonly ok: boolean
  /** One line: what is there; or what is missing, since when, and what to do. The same text as long as nothing changes. */
  readonly reason: string
  /** Work goes on without it: while it is not ok it is a warning. */
  readonly optional?: boolean
}

/** Whether a program may be sent work. */
export function isReady(conditions: readonly Condition[]): boolean {
  return conditions.every(({ ok, optional }) => ok || optional === true)
}
