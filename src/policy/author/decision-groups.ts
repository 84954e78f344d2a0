/** Decisions that another policy decides otherwise, all alike. */
export interface DecisionGroup {
  readonly change: string
  readonly subject: string
  readonly resource: string
  readonly from: string
  readonly to: string
  /** The first of them. */
  readonly decisionId: string
  count: number
}

/** Groups that are kept apart: however long a log is, memory stays as it is. */
const groupsMax = 1_000

export interface DecisionGroups<G extends DecisionGroup> {
  add(decision: Omit<G, 'count'>): void
  /** Those of most decisions first. */
  readonly sorted: readonly G[]
  /** Decisions that are alike none of those that are kept apart. */
  readonly ungrouped: number
}

export function createDecisionGroups<G extends DecisionGroup>(): DecisionGroups<G> {
  const groups = new Map<string, G>()
  let ungrouped = 0
  return {
    add(decision) {
      const key = JSON.stringify({ ...decision, decisionId: undefined })
      const present = groups.get(key)
      if (present !== undefined) present.count += 1
      else if (groups.size >= groupsMax) ungrouped += 1
      else groups.set(key, { ...decision, count: 1 } as G)
    },
    get sorted() {
      return [...groups.values()].toSorted((a, b) => b.count - a.count)
    },
    get ungrouped() {
      return ungrouped
    },
  }
}
