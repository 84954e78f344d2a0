import { differencePath } from '../shadow/shadowed-log.ts'

/** Differences of a candidate that are alike, of those that a decision log tells. */
export interface ToldGroup {
  readonly change: string
  readonly rule: string
  /** Revision of the candidate. */
  readonly candidate: string
  readonly subject: string
  readonly resource: string
  readonly from: string
  readonly to: string
  /** The first of the decisions. */
  readonly decisionId: string
  count: number
}

/** However long a log is, memory stays as it is. */
const groupsMax = 1000

type Json = Readonly<Record<string, unknown>>

/** Gathers what gateways have told of a candidate, of the one of this revision alone where it is given. */
export function createToldDifferences(revision: string | undefined): {
  /** False: this is no event of a decision log. */
  add(event: unknown): boolean
  readonly groups: readonly ToldGroup[]
  /** Differences that are alike none of those that are kept apart. */
  readonly ungrouped: number
} {
  const groups = new Map<string, ToldGroup>()
  let ungrouped = 0

  function group(difference: Json): void {
    const text = (name: string): string => String(difference[name])
    const candidate = String(recordOf(difference['candidate'])['revision'])
    if (revision !== undefined && candidate !== revision) return
    const names = ['change', 'rule', 'subject', 'resource', 'from', 'to'].map(text)
    const key = JSON.stringify([candidate, ...names])
    const present = groups.get(key)
    if (present !== undefined) present.count += 1
    else if (groups.size >= groupsMax) ungrouped += 1
    else {
      const [change = '', rule = '', subject = '', resource = '', from = '', to = ''] = names
      const decisionId = text('of')
      const told = { change, rule, candidate, subject, resource, from, to, decisionId, count: 1 }
      groups.set(key, told)
    }
  }
  return {
    add(event) {
      const { decision_id: id, path, shadow } = recordOf(event)
      if (typeof id !== 'string' || typeof path !== 'string') return false
      if (path === differencePath) group(recordOf(shadow))
      return true
    },
    get groups() {
      return [...groups.values()].toSorted((a, b) => b.count - a.count)
    },
    get ungrouped() {
      return ungrouped
    },
  }
}

function recordOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}
