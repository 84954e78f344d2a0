import { CountersignError, quoted } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { timeOf } from './decision-time.ts'
import { createReader, frozen, given } from './document.ts'
import type { DocumentOf, Evaluate, Text } from './document.ts'
import { createBuiltins } from './plan/builtins/builtins.ts'
import { compilePlan } from './plan/compile.ts'
import type { BuiltPrograms, Evaluator, Kept, Program } from './plan/compile.ts'
import { fromJson, toJson } from './plan/json.ts'
import { PolicyFault } from './plan/meter.ts'
import { parsePlan } from './plan/plan.ts'
import { dot } from './plan/values.ts'
import type { Value } from './plan/values.ts'

/** The plan of a bundle, ready for any data. */
export interface PlanEngine {
  /** Whether the build has made its program; else it was made here. */
  readonly isBuilt: boolean
  withData(dataText: string): Evaluate
}

/** Of all engines of a process: a value is the same to each, nobody can change it, and what is kept does not grow with their number. */
const read = createReader()

/**
 * Evaluates by the plan of a bundle. Throws `policy/bundle` for a plan that has anything unknown in it.
 */
export function createPlanEngine(
  plan: unknown,
  options: {
    /** The steps that one evaluation may take. */
    readonly fuelOf: (entrypoint: string) => number
    readonly metrics: Metrics
    /** Told the steps of each evaluation, however it has ended. */
    readonly spent?: (steps: number) => void
    readonly built?: BuiltPrograms | undefined
  },
): PlanEngine {
  const { fuelOf, metrics, spent } = options
  const program = compile(plan, options.built)
  return {
    isBuilt: program.isBuilt,
    withData(dataText) {
      const evaluator = program.withData(frozen(fromJson(dataText)))

      function evaluate(entrypoint: string, text: Text, document?: DocumentOf): unknown {
        const input = document === undefined ? fromJson(given(text)) : document(read)
        return valueAt(evaluator, entrypoint, input, fuelOf(entrypoint))
      }
      return (entrypoint, text, document) => {
        if (!program.entrypoints.has(entrypoint)) {
          const shown = quoted(entrypoint)
          throw failed('policy/undefined', `policy has no such entrypoint, got=${shown}`)
        }
        let value: unknown
        try {
          value = evaluate(entrypoint, text, document)
        } catch (error) {
          throw faultOf(error)
        } finally {
          const steps = fuelOf(entrypoint) - Math.max(evaluator.meter.left, 0)
          metrics.observe('countersign_policy_steps', steps, { entrypoint })
          spent?.(steps)
        }
        if (value !== undefined) return value
        throw failed('policy/undefined', `entrypoint is undefined, got=${entrypoint}`)
      }
    },
  }
}

/** What an entrypoint is worth, as JSON has it; undefined where it is. Throws what ends an evaluation early. */
export function valueAt(
  evaluator: Evaluator,
  entrypoint: string,
  input: Value | undefined,
  fuel: number,
): unknown {
  const rows = evaluator.run(entrypoint, input, fuel)
  const result = rows.length === 1 ? dot(rows[0], 'result') : undefined
  return result === undefined ? undefined : toJson(result, evaluator.meter)
}

/** Who asks is known again, and so is what for; the arguments and the time are others each time. */
export const kept: Required<Kept> = { subject: 'subject', what: ['resource', 'action'] }

function compile(plan: unknown, built: BuiltPrograms | undefined): Program {
  try {
    return compilePlan(parsePlan(plan), { builtins: createBuiltins, built, timeOf, ...kept })
  } catch (error) {
    throw refusedPlan(error)
  }
}

/** Of a plan that does not compile. */
export function refusedPlan(error: unknown): CountersignError {
  const message = error instanceof Error ? error.message : typeof error
  return failed('policy/bundle', `plan.json cannot be run, got=${quoted(message, 200)}`, error)
}

/** Whatever ends an evaluation early, nothing is concluded from it. */
export function faultOf(error: unknown): CountersignError {
  if (error instanceof PolicyFault && error.kind === 'fuel') {
    return failed('policy/fuel', error.message, error)
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : typeof error
  return failed('policy/abort', `evaluation ended early, got=${quoted(message)}`, error)
}

function failed(
  code: 'policy/abort' | 'policy/bundle' | 'policy/fuel' | 'policy/undefined',
  message: string,
  cause?: unknown,
): CountersignError {
  return new CountersignError(code, message, { cause })
}
