import { compileFunction } from 'node:vm'
import type { Builtins, Now } from './builtins/signature.ts'
import { checkSource } from './grammar.ts'
import { Meter } from './meter.ts'
import { UnsupportedPlan } from './plan.ts'
import type { Plan } from './plan.ts'
import { createRuntime, pathOf } from './runtime.ts'
import type { Runtime } from './runtime.ts'
import { dot } from './values.ts'
import type { Value } from './values.ts'
import { writeProgram } from './write-program.ts'

/** A plan that was compiled: one for all data. */
export interface Program {
  readonly entrypoints: ReadonlySet<string>
  /** The JavaScript that was made of the plan. */
  readonly source: string
  /** Whether it is one that the build has made. */
  readonly isBuilt: boolean
  withData(data: Value): Evaluator
}

/** A program with its data. Any throw ends one evaluation, and the next one is as if it had not been. */
export interface Evaluator {
  /** Rows of the result set. Throws `PolicyFault`, and whatever else breaks. */
  run(entrypoint: string, input: Value | undefined, fuel: number): readonly Value[]
  /** Whatever is done with the rows of an evaluation is paid for out of its fuel too. */
  readonly meter: Meter
}

/** Functions that pay for their work, and have no time but what `now` says. */
export type BuiltinsOf = (meter: Meter, now: Now) => Builtins

interface CompileOptions extends Kept {
  readonly builtins: BuiltinsOf
  readonly built?: BuiltPrograms | undefined
  /** The time of the decision that an input is about, in nanoseconds since 1970: what rules take for the present. */
  readonly timeOf?: (input: Value | undefined) => Value | undefined
}

/** The program of a source, where the build has made it. */
export type BuiltPrograms = (source: string) => Make | undefined

/** Of what more is kept than of one evaluation. */
export interface Kept {
  /**
   * A member of the input that stands for the caller. Rules that read nothing else of the input are evaluated once for each frozen
   * value of it.
   */
  readonly subject?: string
  /**
   * Two members more that say what the caller asks for. Rules and functions that read nothing else of the input than these three are
   * evaluated once for all frozen values of them.
   */
  readonly what?: readonly [string, string]
}

/** What the source makes when it runs. */
export type Make = (
  runtime: Runtime,
  strings: readonly string[],
  numbers: readonly Value[],
  builtins: readonly unknown[],
  paths: readonly (string | undefined)[],
) => {
  readonly begin: (input: Value | undefined, data: Value) => void
  readonly plans: readonly ((input: Value | undefined, data: Value, rows: Value[]) => void)[]
}

/**
 * Compiles a plan to JavaScript. No text of the plan becomes text of the program: the source is made of a fixed vocabulary and
 * of integers, and strings, numbers and functions come in by tables. Throws `UnsupportedPlan`.
 */
export function compilePlan(plan: Plan, options: CompileOptions): Program {
  const { source, numbers } = writeProgram(plan, options)
  const names = plan.builtins.map(({ name }) => name)
  const provided = options.builtins(new Meter(), () => undefined)
  const missing = names.filter((name) => !Object.hasOwn(provided, name))
  if (missing.length > 0) {
    throw new UnsupportedPlan(`builtins that are not provided, got=${missing.toSorted().join(' ')}`)
  }
  const built = options.built?.(source)
  const make = built ?? compileSource(source)
  const paths = plan.funcs.map(({ path }) => path && pathOf(path))
  const indices = new Map(plan.entrypoints.map(({ name }, index) => [name, index]))
  return {
    entrypoints: new Set(indices.keys()),
    source,
    isBuilt: built !== undefined,
    withData(data) {
      const meter = new Meter()
      const runtime = createRuntime(meter)
      let asked: Value | undefined
      const builtins = options.builtins(meter, () => options.timeOf?.(asked))
      const functions = names.map((name) => builtins[name])
      const { begin, plans } = make(runtime, plan.strings, numbers, functions, paths)
      return {
        meter,
        run(entrypoint, input, fuel) {
          const run = plans[indices.get(entrypoint) ?? -1]
          if (run === undefined) throw new UnsupportedPlan('plan has no such entrypoint')
          meter.left = fuel
          const [first = null, second = null] = options.what ?? []
          const subject = dot(input, options.subject ?? null)
          runtime.recall.begin(subject, [dot(input, first), dot(input, second)])
          asked = input
          begin(input, data)
          const rows: Value[] = []
          run(input, data, rows)
          return rows
        },
      }
    },
  }
}

function compileSource(source: string): Make {
  // The one place where code is made, and that of nothing but our own words and of numbers. Not by `Function`, which any value leads to:
  // a process that has that taken away (`--disallow-code-generation-from-strings`) makes this all the same.
  checkSource(source)
  return compileFunction(source, ['R', 'S', 'N', 'O', 'P']) as Make
}
