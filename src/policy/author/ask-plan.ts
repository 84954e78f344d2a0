import { timeOf } from '../decision-time.ts'
import { frozen } from '../document.ts'
import { createBuiltins } from '../plan/builtins/builtins.ts'
import { compilePlan } from '../plan/compile.ts'
import { fromJson } from '../plan/json.ts'
import { parsePlan } from '../plan/plan.ts'
import type { Value } from '../plan/values.ts'
import { faultOf, kept, refusedPlan, valueAt } from '../plan-engine.ts'

/** What a rule is worth, and what it took to say so. */
export interface Answer {
  /** Undefined where the rule is. */
  readonly value: unknown
  /** The same ones each time. */
  readonly steps: number
}

/** A plan that can be asked, as it was built. */
export interface AskedPlan {
  readonly entrypoints: readonly string[]
  /** Throws `policy/fuel` for more steps than these, and `policy/abort`. */
  ask(entrypoint: string, input: Value | undefined, fuel: number): Answer
}

/**
 * Opens a plan to be asked for one value after the other, by what enforces it. Throws `policy/bundle` for one that cannot be run.
 */
export function openAskedPlan(planJson: unknown, dataText: string): AskedPlan {
  const { entrypoints, evaluator } = open(planJson, dataText)
  return {
    entrypoints: [...entrypoints],
    ask(entrypoint, input, fuel) {
      try {
        const value = valueAt(evaluator, entrypoint, input, fuel)
        return { value, steps: fuel - evaluator.meter.left }
      } catch (error) {
        throw faultOf(error)
      }
    },
  }
}

function open(
  planJson: unknown,
  dataText: string,
): {
  readonly entrypoints: ReadonlySet<string>
  readonly evaluator: ReturnType<ReturnType<typeof compilePlan>['withData']>
} {
  try {
    const program = compilePlan(parsePlan(planJson), {
      builtins: createBuiltins,
      timeOf,
      ...kept,
    })
    const evaluator = program.withData(frozen(fromJson(dataText)))
    return { entrypoints: program.entrypoints, evaluator }
  } catch (error) {
    throw refusedPlan(error)
  }
}
