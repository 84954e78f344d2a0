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

/** The conditions of one program, always in the same order. */
export interface ConditionBoard {
  /** From now on the condition of that name is what the function says. */
  set(name: string, state: () => Omit<Condition, 'name'>): void
  list(): readonly Condition[]
}

export function createBoard(names: readonly string[]): ConditionBoard {
  const states = new Map<string, () => Omit<Condition, 'name'>>(
    names.map((name) => [name, () => ({ ok: false, reason: 'not begun yet' })]),
  )
  return {
    set: (name, state) => void states.set(name, state),
    list: () => [...states].map(([name, state]) => ({ ...state(), name })),
  }
}
