import { createBuiltins } from '../plan/builtins/builtins.ts'
import type { Builtins } from '../plan/builtins/signature.ts'
import { compilePlan } from '../plan/compile.ts'
import type { Program } from '../plan/compile.ts'
import { fromJson } from '../plan/json.ts'
import type { Meter } from '../plan/meter.ts'
import { parsePlan } from '../plan/plan.ts'
import type { Block, Func, Plan, Statement } from '../plan/plan.ts'
import { fuelOf } from '../engine.ts'
import { faultOf, refusedPlan, valueAt } from '../plan-engine.ts'
import { guardedInput, HiddenRead, parseResult } from './logged-decision.ts'
import type { LoggedDecision, Result } from './logged-decision.ts'
import { localsOf } from './test-cases.ts'

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
  const builtins = (meter: Meter): Builtins => ({
    ...createBuiltins(meter),
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

function compiled(plan: Plan, builtins: (meter: Meter) => Builtins): Program {
  try {
    return compilePlan(plan, { builtins })
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
    // One after the other: as arguments of one call they overflow the stack where data stands in rules.
    const locals = [...func.params, ...func.blocks.flatMap(allLocals)]
    const place = locals.reduce((most, local) => Math.max(most, local), 0) + 1
    const own = new Set(func.blocks.flatMap(localsReset))
    const probe = (statement: Statement): readonly Statement[] => {
      const { file = 0, row = 0 } = statement.place ?? {}
      const isDefault = statement.type === 'AssignVarOnceStmt' && !own.has(statement.target)
      const value = places.push({ path: name, file: plan.files[file] ?? '', row, isDefault }) - 1
      return [
        { type: 'MakeNumberIntStmt', value, target: place },
        {
          type: 'CallStmt',
          func: heldBuiltin,
          args: [{ type: 'local', value: place }],
          result: place,
        },
      ]
    }
    const isHead = headOf(func, own)
    return { ...func, blocks: func.blocks.map((block) => withProbes(block, isHead, probe)) }
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

function allLocals({ statements }: Block): readonly number[] {
  return statements.flatMap(localsOf)
}

/** Each body of a rule gives its value to a local that is empty before. */
function localsReset({ statements }: Block): readonly number[] {
  return statements.flatMap((statement) => {
    if (statement.type === 'ResetLocalStmt') return [statement.target]
    if ('blocks' in statement) return statement.blocks.flatMap(localsReset)
    return 'block' in statement ? localsReset(statement.block) : []
  })
}

/** The statements that give a rule its value, or a part of it, when a body has held. */
function headOf({ blocks }: Func, own: ReadonlySet<number>): (statement: Statement) => boolean {
  const [first] = blocks[0]?.statements ?? []
  const root = first !== undefined && 'target' in first ? first.target : undefined
  return (statement) => {
    if (statement.type === 'AssignVarOnceStmt') {
      const { target, source } = statement
      // What a body has given goes on from there; a default is given as it is.
      return own.has(target) || !(source.type === 'local' && own.has(source.value))
    }
    if (statement.type === 'SetAddStmt') return statement.set === root
    if (statement.type !== 'ObjectInsertOnceStmt') return false
    return statement.object === root || statement.place?.row === first?.place?.row
  }
}

function withProbes(
  { statements }: Block,
  isHead: (statement: Statement) => boolean,
  probe: (statement: Statement) => readonly Statement[],
): Block {
  const within = (block: Block): Block => withProbes(block, isHead, probe)
  return {
    statements: statements.flatMap((statement) => {
      if (isHead(statement)) return [...probe(statement), statement]
      if ('blocks' in statement) return [{ ...statement, blocks: statement.blocks.map(within) }]
      return 'block' in statement ? [{ ...statement, block: within(statement.block) }] : [statement]
    }),
  }
}
