import type { PolicyEngine } from '../engine.ts'
import { missingOf } from '../shadow/differ.ts'
import { createDecisionGroups, type DecisionGroup } from './decision-groups.ts'
import {
  guardedInput,
  HiddenRead,
  lostAt,
  nameOf,
  parseLoggedDecision,
  parseResult,
} from './logged-decision.ts'
import type { LoggedDecision, Result } from './logged-decision.ts'

/** How the candidate answers what was decided. */
export type Change =
  | 'same'
  | 'widened'
  | 'narrowed'
  | 'reasons'
  | 'obligations'
  /** It reads what the event does not show, or the event does not show the answer, or nothing at all. */
  | 'not-replayable'

/** Decisions that changed alike. */
export interface ChangedGroup extends DecisionGroup {
  readonly change: Exclude<Change, 'same'>
}

/** What has come of a whole log. */
export interface Replayed {
  readonly counts: Readonly<Record<Change, number>>
  /** Events that no rule could be asked about: lists, decisions without policy. */
  readonly notAsked: number
  /** Events that the log says it lost. */
  readonly lost: number
  readonly groups: readonly ChangedGroup[]
  /** Decisions that changed in more ways than are kept apart. */
  readonly ungrouped: number
}

/** Asks a candidate what was decided before, one event after the other. */
export interface Replay {
  /** False: this is no event of a decision log. */
  add(event: unknown): boolean
  readonly replayed: Replayed
}

export function createReplay({ evaluate }: Pick<PolicyEngine, 'evaluate'>): Replay {
  const counts = {
    same: 0,
    widened: 0,
    narrowed: 0,
    reasons: 0,
    obligations: 0,
    'not-replayable': 0,
  }
  const groups = createDecisionGroups<ChangedGroup>()
  let [notAsked, lost] = [0, 0]

  return {
    add(event) {
      const decision = parseLoggedDecision(event)
      if (decision === undefined) return false
      if (typeof decision === 'string') {
        const lostHere = lostAt(event)
        if (lostHere > 0) lost += lostHere
        else if (decision === 'minimal') counts['not-replayable'] += 1
        else notAsked += 1
        return true
      }
      const { change, to } = ask(decision, evaluate)
      counts[change] += 1
      if (change !== 'same') {
        const { subject, resource } = nameOf(decision)
        const from = textOf(decision.result)
        groups.add({ change, subject, resource, from, to, decisionId: decision.id })
      }
      return true
    },
    get replayed() {
      const { sorted, ungrouped } = groups
      return { counts, notAsked, lost, groups: sorted, ungrouped }
    },
  }
}

function ask(
  decision: LoggedDecision,
  evaluate: PolicyEngine['evaluate'],
): { readonly change: Change; readonly to: string } {
  if (decision.hiddenResult.length > 0)
    return { change: 'not-replayable', to: 'the event does not show the answer' }
  let now: Result | undefined
  let failure = 'no decision'
  try {
    const input = guardedInput(decision)
    now = parseResult(evaluate(decision.path, noText, () => input))
  } catch (error) {
    const hidden = hiddenRead(error)
    if (hidden !== undefined) return { change: 'not-replayable', to: hidden.message }
    failure = error instanceof Error ? error.message : typeof error
  }
  return { change: changeOf(decision.result, now), to: now === undefined ? failure : textOf(now) }
}

/** The engine reads the value alone. */
function noText(): never {
  throw new Error('a replay has no text of its input')
}

/** The engine says of any error in rules that an evaluation ended early, and keeps what it was. */
function hiddenRead(error: unknown): HiddenRead | undefined {
  if (error instanceof HiddenRead) return error
  return error instanceof Error && error.cause !== undefined ? hiddenRead(error.cause) : undefined
}

/** What gives no decision allows nothing, and a permit that stands under less than before allows more. */
function changeOf(before: Result | undefined, now: Result | undefined): Change {
  const [was, is] = [before?.allow === true, now?.allow === true]
  if (was !== is) return is ? 'widened' : 'narrowed'
  const [then = [], since = []] = [before?.obligations, now?.obligations]
  if (is && missingOf(then, since, String) !== undefined) return 'widened'
  const [lived, lives] = [lifetimeOf(before), lifetimeOf(now)]
  if (is && lived !== lives) return lives > lived ? 'widened' : 'narrowed'
  if (before?.reasons.join() !== now?.reasons.join()) return 'reasons'
  return then.join() === since.join() ? 'same' : 'obligations'
}

/** A certificate that lives longer is more than one that lives shorter. */
function lifetimeOf(result: Result | undefined): number {
  return result?.lifetimeSecondsMax ?? Infinity
}

function textOf(result: Result | undefined): string {
  if (result === undefined) return 'no decision'
  const { allow, reasons, obligations, lifetimeSecondsMax } = result
  const under = obligations.length === 0 ? '' : ` under [${obligations.join()}]`
  const life = lifetimeSecondsMax === undefined ? '' : ` for ${lifetimeSecondsMax} s`
  return allow ? `allow${life}${under}` : `deny ${reasons.join(' ')}`.trim()
}
