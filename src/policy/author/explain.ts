import { timeOf } from '../decision-time.ts'
import { createBuiltins } from '../plan/builtins/builtins.ts'
import type { Builtins, Now } from '../plan/builtins/signature.ts'
import { compilePlan } from '../plan/compile.ts'
import type { BuiltinsOf, Program } from '../plan/compile.ts'
import { fromJson } from '../plan/json.ts'
import type { Meter } from '../plan/meter.ts'
import { parsePlan } from '../plan/plan.ts'
import type { Plan, Statement } from '../plan/plan.ts'
import { fuelOf } from '../engine.ts'
import { faultOf, refusedPlan, valueAt } from '../plan-engine.ts'
import { guardedInput, HiddenRead, parseResult } from './logged-decision.ts'
import type { LoggedDecision, Result } from './logged-decision.ts'
import { freeLocal, headsOf, probe, withBefore } from './rule-probes.ts'

/** A rule whose body held, or one of its bodies. */
export interface HeldRule {
  /** From the package on: `countersign/mcp/allow`. */
  readonly path: string
  readonly file: string
  readonly row: number
  /** No body held, so this is the value that the rule has then. */
  readonly isDefault: boolean
}

export interface Explained {
  /** What the same rules say of the same input; undefined where that is no decision. */
  readonly result: Result | undefined
  /** In the order in which they came to hold, each once. */
  readonly held: readonly HeldRule[]
}

/** Not part of OPA: what a probe calls, with the number of a place. */
const heldBuiltin = 'internal.rule_held'

/**
 * Evaluates a logged decision once more and tells which rules held. Throws `HiddenRead` where they rest on what the event does not show, and
 * what an evaluation throws.
 */
export function explainDecision(
  decision: LoggedDecision,
  policy: { readonly plan: unknown; readonly dataText: string },
): Explained {
  const seen = new Set<number>()
  const { plan, places } = probedPlan(policy.plan)
  const builtins = (meter: Meter, now: Now): Builtins => ({
    ...createBuiltins(meter, now),
    [heldBuiltin]: (place) => {
      seen.add(Number(place))
      return true
    },
  })
  const evaluator = compiled(plan, builtins).withData(fromJson(policy.dataText))
  let value: unknown
  try {
    value = valueAt(evaluator, decision.path, guardedInput(decision), fuelOf(decision.path))
  } catch (error) {
    if (error instanceof HiddenRead) throw error
    throw faultOf(error)
  }
  const result = value === undefined ? undefined : parseResult(value)
  const held = new Map(
    [...seen].flatMap((place) => {
      const rule = places[place]
      return rule === undefined ? [] : [[`${rule.path} ${rule.file} ${rule.row}`, rule] as const]
    }),
  )
  return { result, held: [...held.values()] }
}

function compiled(plan: Plan, builtins: BuiltinsOf): Program {
  try {
    return compilePlan(plan, { builtins, timeOf })
  } catch (error) {
    throw refusedPlan(error)
  }
}

/** A plan in which every rule says that it holds. */
function probedPlan(planJson: unknown): {
  readonly plan: Plan
  readonly places: readonly HeldRule[]
} {
  const places: HeldRule[] = []
  const plan = parse(planJson)
  const funcs = plan.funcs.map((func) => {
    const { path } = func
    if (path === undefined) return func
    const name = path.slice(1).join('/')
    const local = freeLocal(func)
    const { isHead, isDefault } = headsOf(func)
    const before = (statement: Statement): readonly Statement[] => {
      if (!isHead(statement)) return []
      const { file = 0, row = 0 } = statement.place ?? {}
      const held = { path: name, file: plan.files[file] ?? '', row }
      const number = places.push({ ...held, isDefault: isDefault(statement) }) - 1
      return probe(heldBuiltin, number, local)
    }
    return { ...func, blocks: func.blocks.map((block) => withBefore(block, before)) }
  })
  const builtins = [...plan.builtins, { name: heldBuiltin, hasResult: false }]
  return { plan: { ...plan, funcs, builtins }, places }
}

function parse(planJson: unknown): Plan {
  try {
    return parsePlan(planJson)
  } catch (error) {
    throw refusedPlan(error)
  }
}
