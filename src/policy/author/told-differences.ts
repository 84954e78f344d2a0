import { differencePath, extentPath } from '../shadow/shadowed-log.ts'
import { createDecisionGroups, type DecisionGroup, type DecisionGroups } from './decision-groups.ts'

/** Differences of a candidate that are alike, of those that a decision log tells. */
export interface ToldGroup extends DecisionGroup {
  readonly rule: string
  /** Revision of the candidate. */
  readonly candidate: string
}

/** However long a log is, memory stays as it is. */
const notesMax = 20_000

/** What the event of the decision does not show, or is in none of the logs. */
const notShown = 'not-shown'

type Json = Readonly<Record<string, unknown>>

type Note = Pick<ToldGroup, 'change' | 'rule' | 'candidate' | 'from' | 'to' | 'decisionId'>

export interface ToldDifferences {
  /** False: this is no event of a decision log. */
  add(event: unknown): boolean
  /** Once all are added, each event again: who asked, and for what, is told as the decision's own event shows it. */
  join(event: unknown): void
  readonly groups: readonly ToldGroup[]
  /** Differences that are alike none of those that are kept apart. */
  readonly ungrouped: number
  /** Changes of which there are more than were told. */
  readonly untold: readonly string[]
  /** Decisions that a candidate was asked about, at the least. */
  readonly asked: number
}

/** Gathers what gateways have told of a candidate, of the one of this revision alone where it is given. */
export function createToldDifferences(revision: string | undefined): ToldDifferences {
  const notes: Note[] = []
  const named = new Map<string, Pick<ToldGroup, 'subject' | 'resource'> | undefined>()
  const untold = new Set<string>()
  let [unkept, asked] = [0, 0]

  function keep(path: string, shadow: Json): void {
    const text = (name: string): string => String(shadow[name])
    const candidate = String(recordOf(shadow['candidate'])['revision'])
    if (revision !== undefined && candidate !== revision) return
    if (path === extentPath) {
      if (shadow['untold'] !== undefined) untold.add(text('untold'))
      asked = Math.max(asked, Number(shadow['asked'] ?? 0) || 0)
      return
    }
    asked = Math.max(asked, 1)
    if (notes.length >= notesMax) {
      unkept += 1
      return
    }
    const [change = '', rule = '', from = '', to = ''] = ['change', 'rule', 'from', 'to'].map(text)
    const decisionId = text('of')
    notes.push({ change, rule, from, to, candidate, decisionId })
    named.set(decisionId, undefined)
  }
  return {
    add(event) {
      const { decision_id: id, path, shadow } = recordOf(event)
      if (typeof id !== 'string' || typeof path !== 'string') return false
      if (path === differencePath || path === extentPath) keep(path, recordOf(shadow))
      return true
    },
    join(event) {
      const { decision_id: id, requested_by: subject = notShown, input } = recordOf(event)
      if (typeof id !== 'string' || !named.has(id)) return
      named.set(id, { subject: String(subject), resource: resourceOf(recordOf(input)) })
    },
    get groups() {
      return grouped(notes, named).sorted
    },
    get ungrouped() {
      return unkept + grouped(notes, named).ungrouped
    },
    get untold() {
      return [...untold].toSorted()
    },
    get asked() {
      return asked
    },
  }
}

function grouped(
  notes: readonly Note[],
  named: ReadonlyMap<string, Pick<ToldGroup, 'subject' | 'resource'> | undefined>,
): DecisionGroups<ToldGroup> {
  const groups = createDecisionGroups<ToldGroup>()
  for (const note of notes) {
    const who = named.get(note.decisionId) ?? { subject: notShown, resource: notShown }
    groups.add({ ...note, ...who })
  }
  return groups
}

/** The door, of a list. */
function resourceOf({ resource, context }: Json): string {
  const { id, properties } = recordOf(resource)
  if (typeof id !== 'string') {
    const { door } = recordOf(context)
    return typeof door === 'string' ? door : notShown
  }
  const { server } = recordOf(properties)
  return typeof server === 'string' ? `${server}:${id}` : id
}

function recordOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}
