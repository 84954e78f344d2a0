import { parseReasons } from '../decision.ts'
import { timeOf } from '../decision-time.ts'
import { fuelOf } from '../engine.ts'
import { refusedPlan } from '../plan-engine.ts'
import { createBuiltins } from '../plan/builtins/builtins.ts'
import { compilePlan, type Program } from '../plan/compile.ts'
import { fromJson, toJson } from '../plan/json.ts'
import { parsePlan } from '../plan/plan.ts'
import { dot, isObject, type Value } from '../plan/values.ts'
import { guardedInput, HiddenRead, type LoggedDecision } from './logged-decision.ts'
import { changesOf, type Asked, type NearChange } from './near-changes.ts'

/** Why a call was refused, and with what it would not have been. */
export interface NearestPermits {
  /** What whoever called may read: nothing that it has not named itself. */
  readonly agent: readonly string[]
  /** What operators may read. */
  readonly operator: readonly string[]
  /** Ways to a permit, each tried on the rules: all of one way, and nothing of it is too much. */
  readonly ways: readonly (readonly string[])[]
  /** False: rules read what the event does not show, so there may be more ways. */
  readonly isWhole: boolean
}

/** A call that lacks more than that is far from any permit. */
const changesMax = 3

/** Tries what would have to be another for the rules to permit a call that they refuse. Throws `HiddenRead` where they say nothing of it. */
export function nearestPermits(
  decision: LoggedDecision,
  policy: { readonly plan: unknown; readonly dataText: string },
): NearestPermits {
  const program = compiled(policy.plan)
  const asked: Asked = { input: decision.input, data: fromJson(policy.dataText) }
  let isWhole = true

  function decide({ input, data }: Asked): Value | undefined {
    const evaluator = program.withData(data)
    const rows = evaluator.run(
      decision.path,
      guardedInput({ ...decision, input }),
      fuelOf(decision.path),
    )
    const value = rows.length === 1 ? dot(rows[0], 'result') : undefined
    return value === undefined ? undefined : (toJson(value, evaluator.meter) as Value)
  }
  function permits(changes: readonly NearChange[]): boolean {
    try {
      const changed = decide(changes.reduce((so, { apply }) => apply(so), asked))
      return isObject(changed) && dot(changed, 'allow') === true
    } catch (error) {
      // Rules that fail permit nothing.
      if (isHidden(error)) isWhole = false
      return false
    }
  }

  const reasons = reasonsOf(decide(asked))
  const changes = changesOf(asked)
  const ways: (readonly NearChange[])[] = []
  for (const some of subsetsOf(changes, changesMax)) {
    const isMore = ways.some((way) => way.every((change) => some.includes(change)))
    if (!isMore && permits(some)) ways.push(some)
  }
  const own = ways.flatMap((way) => {
    const texts = way.map(({ agentText }) => agentText)
    return texts.every((text) => text !== undefined) ? [texts.join(', ')] : []
  })
  return {
    agent: [...reasons.agent, ...new Set(own)],
    operator: reasons.operator,
    ways: ways.map((way) => way.map(({ text }) => text)),
    isWhole,
  }
}

function compiled(plan: unknown): Program {
  try {
    return compilePlan(parsePlan(plan), { builtins: createBuiltins, timeOf })
  } catch (error) {
    throw refusedPlan(error)
  }
}

function isHidden(error: unknown): boolean {
  return error instanceof Error && (error instanceof HiddenRead || isHidden(error.cause))
}

function reasonsOf(value: Value | undefined): Pick<NearestPermits, 'agent' | 'operator'> {
  const reasons = isObject(value) ? dot(value, 'reasons') : undefined
  const told = reasons === undefined ? [] : parseReasons(reasons)
  const of = (audience: 'agent' | 'operator'): readonly string[] =>
    told
      .filter((reason) => reason.audience === audience)
      .map(({ code, message }) => `${message} (${code})`)
  return { agent: of('agent'), operator: of('operator') }
}

/** Small ones first, so that whatever is found is no more than needed. */
function subsetsOf<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  const bySize: (readonly T[])[][] = [[[]]]
  for (let size = 1; size <= Math.min(most, all.length); size += 1) {
    const smaller = bySize[size - 1] ?? []
    bySize.push(
      smaller.flatMap((some) => {
        const last = some.at(-1)
        const from = last === undefined ? 0 : all.indexOf(last) + 1
        return all.slice(from).map((each) => [...some, each])
      }),
    )
  }
  return bySize.slice(1).flat()
}
