import { shapes } from './plan.ts'
import type { Block, Func, Operand, Plan, Statement } from './plan.ts'

/** Of a loop's body: whether the order of its turns shows in what is given. */
export function isOrdered(block: Block): boolean {
  return block.statements.some(
    (statement) =>
      statement.type === 'ArrayAppendStmt' ||
      statement.type === 'ResultSetAddStmt' ||
      statement.type === 'ReturnLocalStmt' ||
      blocksOf(statement).some(isOrdered),
  )
}

export function blocksOf(statement: Statement): readonly Block[] {
  if ('blocks' in statement) return statement.blocks
  return 'block' in statement ? [statement.block] : []
}

/** The locals that a statement itself, not its blocks, reads or writes, each as often as it does. */
export function localsOf(statement: Statement): readonly number[] {
  return Object.entries(shapes[statement.type]).flatMap(([name, kind]) => {
    const value = (statement as unknown as Readonly<Record<string, unknown>>)[name]
    if (kind === 'local') return [value as number]
    if (kind === 'locals') return value as readonly number[]
    if (kind === 'operand') return localIn(value as Operand)
    return kind === 'operands' ? (value as readonly Operand[]).flatMap(localIn) : []
  })
}

function localIn(operand: Operand): readonly number[] {
  return operand.type === 'local' ? [operand.value] : []
}

/** Whether a statement itself, not its blocks, reads or writes a local. */
function mentions(statement: Statement, local: number): boolean {
  return localsOf(statement).includes(local)
}

function isLocal(operand: Operand, local: number | undefined): boolean {
  return operand.type === 'local' && operand.value === local
}

/** The one function whose answer is another one at the next decision, though it reads nothing. */
const changing = 'time.now_ns'

/** What a function may read and still be the same. */
interface Confinement {
  /** How many of the first parameters it may not read: the input, or the input and the data. */
  readonly documents: 1 | 2
  /** The members of the input that it may read. */
  readonly members?: readonly string[]
}

/** Answers for each function of a plan whether it reads no more than it may, nor does anything that it calls. */
export function confinedIn(plan: Plan, confinement: Confinement): (func: Func) => boolean {
  const { documents, members = [] } = confinement
  const funcs = new Map(plan.funcs.map((func) => [func.name, func]))
  const known = new Map<Func, boolean>()

  function isConfined(func: Func): boolean {
    const present = known.get(func)
    if (present !== undefined) return present
    // What calls itself is no rule of Rego's.
    known.set(func, false)
    const hidden = func.params.slice(0, documents)
    const confined = func.blocks.every((block) => isFit(block, hidden))
    known.set(func, confined)
    return confined
  }

  function isFit(block: Block, hidden: readonly number[]): boolean {
    return block.statements.every((statement) => {
      if (statement.type === 'WithStmt' || statement.type === 'CallDynamicStmt') return false
      if (!blocksOf(statement).every((inner) => isFit(inner, hidden))) return false
      return (
        isMember(statement, hidden) || isFitCall(statement, hidden) || isBlind(statement, hidden)
      )
    })
  }

  function isBlind(statement: Statement, hidden: readonly number[]): boolean {
    if (statement.type === 'CallStmt' && statement.func === changing) return false
    return (
      hidden.every((local) => !mentions(statement, local)) && callees(statement).every(isConfined)
    )
  }

  /** A reference to such a member of the input. */
  function isMember(statement: Statement, [input]: readonly number[]): boolean {
    if (statement.type !== 'DotStmt') return false
    const { source, key } = statement
    const isKey = key.type === 'string_index' && members.includes(plan.strings[key.value] ?? '')
    return isKey && isLocal(source, input) && statement.target !== input
  }

  /** The documents go on as they came, to a function that is confined too. */
  function isFitCall(statement: Statement, hidden: readonly number[]): boolean {
    if (statement.type !== 'CallStmt' || !funcs.has(statement.func)) return false
    const isPassedOn = statement.args.every((arg, at) =>
      hidden.every((local, position) => !isLocal(arg, local) || at === position),
    )
    return isPassedOn && !hidden.includes(statement.result) && callees(statement).every(isConfined)
  }

  function callees(statement: Statement): readonly Func[] {
    if (statement.type !== 'CallStmt') return []
    const func = funcs.get(statement.func)
    return func === undefined ? [] : [func]
  }
  return isConfined
}
