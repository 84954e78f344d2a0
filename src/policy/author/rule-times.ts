import { setImmediate } from 'node:timers/promises'
import { timeOf } from '../decision-time.ts'
import { createReader, frozen } from '../document.ts'
import { fuelOf } from '../engine.ts'
import { createBuiltins } from '../plan/builtins/builtins.ts'
import type { Builtins, Now } from '../plan/builtins/signature.ts'
import { compilePlan } from '../plan/compile.ts'
import type { BuiltinsOf } from '../plan/compile.ts'
import { formatJson, fromJson } from '../plan/json.ts'
import { Meter } from '../plan/meter.ts'
import { parsePlan } from '../plan/plan.ts'
import type { Func, Plan, Statement } from '../plan/plan.ts'
import { isObject } from '../plan/values.ts'
import type { Plain, Value } from '../plan/values.ts'
import { kept, refusedPlan, valueAt } from '../plan-engine.ts'
import { openAskedPlan } from './ask-plan.ts'
import type { AskedPlan } from './ask-plan.ts'
import { guardedInput } from './logged-decision.ts'
import type { LoggedDecision } from './logged-decision.ts'
import { freeLocal, probe, withBefore } from './rule-probes.ts'

/** What one rule takes of a decision, without what it calls; each a mean over all decisions. */
export interface RuleTime {
  /** From the package on: `countersign/mcp/allow`. */
  readonly path: string
  /** Its share of what the rules took in a run with a clock in each of them, of the time without. */
  readonly microseconds: number
  readonly evaluations: number
  readonly steps: number
}

export interface Measured {
  readonly decisions: number
  /** Rules read what the event does not show, or the evaluation ended early. */
  readonly notMeasured: number
  readonly rounds: number
  /** Of one evaluation. */
  readonly microseconds: { readonly p50: number; readonly p99: number; readonly mean: number }
  readonly steps: number
  /** The longest first. */
  readonly rules: readonly RuleTime[]
}

interface Rules {
  readonly plan: unknown
  readonly dataText: string
}

interface Rounds {
  /** How often each decision is asked about. */
  readonly rounds: number
  /** Evaluations that go before, at the least, so that the engine is warm. */
  readonly warm: number
  /** Milliseconds, as `performance.now` gives them. */
  readonly elapsed: () => number
  readonly signal: AbortSignal
}

/**
 * Asks rules about logged decisions, round after round, and says what an evaluation takes, and which rules take it. Who asked for what is
 * known again, as it is in a gateway. Throws `policy/bundle`.
 */
export async function measureRules(
  rules: Rules,
  decisions: readonly LoggedDecision[],
  how: Rounds,
): Promise<Measured | undefined> {
  const plain = openAskedPlan(rules.plan, rules.dataText)
  const questions = decisions.filter((decision) => isAnswered(plain, decision)).map(questionOf())
  const notMeasured = decisions.length - questions.length
  if (questions.length === 0) return undefined
  const warm = { ...how, rounds: Math.ceil(how.warm / questions.length) }
  await askRounds(plain, questions, warm)
  const { microseconds, steps } = await askRounds(plain, questions, how)
  const timed = openTimedPlan(rules, how.elapsed)
  await askRounds(timed, questions, warm)
  timed.forget()
  await askRounds(timed, questions, how)
  const count = questions.length * how.rounds
  return {
    decisions: questions.length,
    notMeasured,
    rounds: how.rounds,
    microseconds,
    steps: steps / count,
    rules: shared(timed.totals(), microseconds.mean, count),
  }
}

interface Question {
  readonly path: string
  readonly input: Value
}

function isAnswered(plan: AskedPlan, decision: LoggedDecision): boolean {
  try {
    plan.ask(decision.path, guardedInput(decision), fuelOf(decision.path))
    return true
  } catch {
    return false
  }
}

/** What stands for what is hidden is not read, so it may stand there; the rest comes again as a gateway would have it again. */
function questionOf(): (decision: LoggedDecision) => Question {
  const read = createReader()
  const meter = new Meter()
  meter.left = Number.POSITIVE_INFINITY
  const again = (value: Value | undefined): Value | undefined =>
    value === undefined ? undefined : read(formatJson(value, meter))
  return ({ path, input }) => {
    if (!isObject(input)) return { path, input }
    const members = input as Plain
    const known = ['subject', 'action', 'resource'].flatMap((name) => {
      const value = again(members[name])
      return value === undefined ? [] : [[name, value] as const]
    })
    return { path, input: { ...members, ...Object.fromEntries(known) } }
  }
}

async function askRounds(
  plan: Pick<AskedPlan, 'ask'>,
  questions: readonly Question[],
  { rounds, elapsed, signal }: Omit<Rounds, 'warm'>,
): Promise<Pick<Measured, 'microseconds' | 'steps'>> {
  const taken = new Float64Array(questions.length * rounds)
  let [at, steps] = [0, 0]
  for (let round = 0; round < rounds; round += 1) {
    // Whoever ends the process is heard here.
    await setImmediate()
    signal.throwIfAborted()
    for (const { path, input } of questions) {
      const from = elapsed()
      steps += plan.ask(path, input, fuelOf(path)).steps
      taken[at] = elapsed() - from
      at += 1
    }
  }
  const mean = taken.reduce((sum, each) => sum + each, 0) / taken.length
  taken.sort()
  const part = (share: number): number => taken[Math.floor((taken.length - 1) * share)] ?? 0
  return {
    microseconds: { p50: part(0.5) * 1_000, p99: part(0.99) * 1_000, mean: mean * 1_000 },
    steps,
  }
}

/** Not part of OPA: what probes call, with the number of a function. */
const enteredBuiltin = 'internal.rule_entered'
const leftBuiltin = 'internal.rule_left'

interface Total {
  readonly path: string
  milliseconds: number
  evaluations: number
  steps: number
}

interface TimedPlan extends Pick<AskedPlan, 'ask'> {
  forget(): void
  totals(): readonly Total[]
}

/** A rule that is being evaluated, and what the rules took that it has called. */
interface Open {
  readonly total: Total
  readonly from: number
  readonly left: number
  milliseconds: number
  steps: number
}

function openTimedPlan({ plan: planJson, dataText }: Rules, elapsed: () => number): TimedPlan {
  const plan = parsePlan(planJson)
  const totals = plan.funcs.map(({ path = [] }) => ({
    path: path.slice(1).join('/'),
    milliseconds: 0,
    evaluations: 0,
    steps: 0,
  }))
  const open: Open[] = []
  const builtins = (meter: Meter, now: Now): Builtins => ({
    ...createBuiltins(meter, now),
    [enteredBuiltin]: (number) => {
      const total = totals[Number(number)] as Total
      open.push({ total, from: elapsed(), left: meter.left, milliseconds: 0, steps: 0 })
      return true
    },
    [leftBuiltin]: () => {
      const { total, from, left, ...inner } = open.pop() as Open
      const [milliseconds, steps] = [elapsed() - from, left - meter.left]
      total.evaluations += 1
      total.milliseconds += milliseconds - inner.milliseconds
      total.steps += steps - inner.steps
      const around = open.at(-1)
      if (around !== undefined) {
        around.milliseconds += milliseconds
        around.steps += steps
      }
      return true
    },
  })
  const evaluator = compiled(timedPlan(plan), builtins).withData(frozen(fromJson(dataText)))
  return {
    ask(entrypoint, input, fuel) {
      open.length = 0
      const value = valueAt(evaluator, entrypoint, input, fuel)
      return { value, steps: fuel - evaluator.meter.left }
    },
    forget() {
      for (const total of totals)
        Object.assign(total, { milliseconds: 0, evaluations: 0, steps: 0 })
    },
    totals: () => totals,
  }
}

function compiled(plan: Plan, builtins: BuiltinsOf): ReturnType<typeof compilePlan> {
  try {
    return compilePlan(plan, { builtins, timeOf, ...kept })
  } catch (error) {
    throw refusedPlan(error)
  }
}

/** A plan in which every function says when it begins and when it ends, with a value or without. */
function timedPlan(plan: Plan): Plan {
  const builtins = [enteredBuiltin, leftBuiltin].map((name) => ({ name, hasResult: false }))
  const funcs = plan.funcs.map((func: Func, number) => {
    const local = freeLocal(func)
    const leave = probe(leftBuiltin, number, local)
    const beforeReturn = ({ type }: Statement): readonly Statement[] =>
      type === 'ReturnLocalStmt' ? leave : []
    return {
      ...func,
      blocks: [
        { statements: probe(enteredBuiltin, number, local) },
        ...func.blocks.map((block) => withBefore(block, beforeReturn)),
        // Of one that has come to no value.
        { statements: leave },
      ],
    }
  })
  return { ...plan, funcs, builtins: [...plan.builtins, ...builtins] }
}

/** One name may be several functions; each rule is told once. */
function shared(totals: readonly Total[], mean: number, count: number): readonly RuleTime[] {
  const all = totals.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  const byPath = new Map<string, RuleTime>()
  for (const { path, milliseconds, evaluations, steps } of totals) {
    const known = byPath.get(path) ?? { path, microseconds: 0, evaluations: 0, steps: 0 }
    const share = all > 0 ? milliseconds / all : 0
    byPath.set(path, {
      path,
      microseconds: known.microseconds + share * mean,
      evaluations: known.evaluations + evaluations / count,
      steps: known.steps + steps / count,
    })
  }
  return [...byPath.values()]
    .filter(({ evaluations }) => evaluations > 0)
    .toSorted((a, b) => b.microseconds - a.microseconds)
}
