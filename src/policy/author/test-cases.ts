import { shapes } from '../plan/plan.ts'
import type { Block, Func, Operand, Place, Plan, Statement, StatementType } from '../plan/plan.ts'

/** What a probe calls, with a list of the function's number and the names of a case. `opa test` has a function of this name for the same purpose. */
export const caseBuiltin = 'internal.test_case'

/** A plan whose tests say which of their cases they have come to. */
export interface ProbedPlan {
  readonly plan: Plan
  /** Functions that have cases of which some may not be seen. */
  readonly unseen: ReadonlySet<string>
}

/**
 * Puts probes into the tests that have cases, `test_x[name] if …`: a case whose body is undefined is in no document, and would be missed
 * by whoever looks at the result alone. As in `opa test`, a case counts from where its name is known, and what OPA makes of an expression
 * in the head is looked at as early as it can be.
 */
export function withCaseProbes(plan: Plan, isTest: (func: Func) => boolean): ProbedPlan {
  const unseen = new Set<string>()
  const funcs = plan.funcs.map((func, number) => {
    const root = isTest(func) ? caseRoot(func) : undefined
    if (root === undefined) return func
    const bodies = func.blocks.map((block) => probed(block, root, func, number))
    if (bodies.some((block) => block === undefined)) unseen.add(func.name)
    return { ...func, blocks: func.blocks.map((block, at) => bodies[at] ?? block) }
  })
  const builtins = [...plan.builtins, { name: caseBuiltin, hasResult: false }]
  return { plan: { ...plan, funcs, builtins }, unseen }
}

/** The local of the object that a function with cases fills; undefined of any other function. */
export function caseRoot({ params, blocks }: Func): number | undefined {
  const first = blocks[0]?.statements[0]
  const last = blocks.at(-1)?.statements.at(-1)
  if (params.length !== 2 || first?.type !== 'MakeObjectStmt') return undefined
  return last?.type === 'ReturnLocalStmt' && last.source === first.target ? first.target : undefined
}

/** A block within blocks, and which of its statements the next one is in. */
interface Step {
  readonly block: Block
  readonly at: number
}

/** The body with its probe; itself where it has no case, undefined where its cases cannot be seen. */
function probed(block: Block, root: number, func: Func, number: number): Block | undefined {
  const way = wayToHead(block)
  if (way === undefined) return writes(block, root) ? undefined : block
  const names = namesAt(way, root)
  const inner = way.at(-1)
  if (names === undefined || inner === undefined) return undefined
  const head = inner.block.statements[inner.at]?.place
  const made = madeForHead(inner, head)
  const needs = neededBy(made, names).filter((local) => !func.params.includes(local))
  const from = made.length === 0 ? inner.at : inner.block.statements.indexOf(made[0] as Statement)
  const anchor = anchorOf([...way.slice(0, -1), { ...inner, at: from }], needs)
  const probe = probeOf(made, names, freshLocal(func), number)
  return insertAt(way, anchor.depth, anchor.at, probe)
}

/** The way to the statement that puts a case into its object, which is the last of its kind in a body. */
function wayToHead(block: Block): readonly Step[] | undefined {
  for (let at = block.statements.length - 1; at >= 0; at -= 1) {
    const statement = block.statements[at] as Statement
    if (statement.type === 'ObjectInsertOnceStmt') return [{ block, at }]
    for (const inner of blocksOf(statement).toReversed()) {
      const way = wayToHead(inner)
      if (way !== undefined) return [{ block, at }, ...way]
    }
  }
  return undefined
}

/** The names of the case, outermost first: each object is put into the next one, up to the root. */
function namesAt(way: readonly Step[], root: number): readonly Operand[] | undefined {
  const { block, at } = way.at(-1) ?? { block: { statements: [] }, at: 0 }
  const head = block.statements[at]
  if (head?.type !== 'ObjectInsertOnceStmt') return undefined
  const names = [head.key]
  let object = head.object
  for (const statement of block.statements.slice(at + 1)) {
    if (statement.type !== 'ObjectInsertStmt' || !isLocal(statement.value, object)) continue
    names.unshift(statement.key)
    object = statement.object
  }
  return object === root ? names : undefined
}

/** What OPA has made of expressions in the head: it stands last, before the head itself. */
function madeForHead({ block, at }: Step, head: Place | undefined): readonly Statement[] {
  const before = block.statements.slice(0, at)
  while (before.length > 0 && isSame(before.at(-1)?.place, head)) before.pop()
  const from = before.findLastIndex(({ place }) => !isWithin(place, head)) + 1
  return before.slice(from)
}

function isSame(place: Place | undefined, head: Place | undefined): boolean {
  return isWithin(place, head) && isWithin(head, place)
}

function isWithin(place: Place | undefined, head: Place | undefined): boolean {
  if (place === undefined || head === undefined || place.file !== head.file) return false
  return (
    isBefore(head.row, head.column, place.row, place.column) &&
    isBefore(place.endRow, place.endColumn, head.endRow, head.endColumn)
  )
}

function isBefore(row: number, column: number, otherRow: number, otherColumn: number): boolean {
  return row < otherRow || (row === otherRow && column <= otherColumn)
}

/** Locals that have to have their values before a probe. */
function neededBy(made: readonly Statement[], names: readonly Operand[]): readonly number[] {
  const own = new Set(made.flatMap(localsWritten))
  const read = [...made.flatMap(localsOf), ...names.flatMap(localIn)]
  return [...new Set(read)].filter((local) => !own.has(local))
}

/** Right after the last statement on the way that gives one of the locals its value. */
function anchorOf(
  way: readonly Step[],
  needs: readonly number[],
): { readonly depth: number; readonly at: number } {
  for (const [depth, { block, at }] of [...way.entries()].toReversed()) {
    for (let before = at - 1; before >= 0; before -= 1) {
      const written = localsWritten(block.statements[before] as Statement)
      if (needs.some((local) => written.includes(local))) return { depth, at: before + 1 }
    }
    const outer = way[depth - 1]
    const around = outer?.block.statements[outer.at]
    if (around?.type === 'ScanStmt' && needs.some((l) => l === around.key || l === around.value)) {
      return { depth, at: 0 }
    }
  }
  return { depth: 0, at: 0 }
}

/** A block of its own: what is undefined in it ends nothing else. */
function probeOf(
  made: readonly Statement[],
  names: readonly Operand[],
  fresh: () => number,
  number: number,
): Statement {
  const own = new Map([...new Set(made.flatMap(localsWritten))].map((local) => [local, fresh()]))
  const renamed = (local: number): number => own.get(local) ?? local
  const [array, ofFunction] = [fresh(), fresh()]
  const statements: Statement[] = [
    ...made.map((statement) => mapLocals(statement, renamed)),
    { type: 'MakeArrayStmt', capacity: names.length + 1, target: array },
    { type: 'MakeNumberIntStmt', value: number, target: ofFunction },
    { type: 'ArrayAppendStmt', array, value: { type: 'local', value: ofFunction } },
    ...names.map((name): Statement => {
      const value = name.type === 'local' ? { ...name, value: renamed(name.value) } : name
      return { type: 'ArrayAppendStmt', array, value }
    }),
    {
      type: 'CallStmt',
      func: caseBuiltin,
      args: [{ type: 'local', value: array }],
      result: fresh(),
    },
  ]
  return { type: 'BlockStmt', blocks: [{ statements }] }
}

function insertAt(way: readonly Step[], depth: number, at: number, probe: Statement): Block {
  const [step, ...deeper] = way as readonly [Step, ...Step[]]
  const { statements } = step.block
  if (depth === 0) return { statements: statements.toSpliced(at, 0, probe) }
  const inner = insertAt(deeper, depth - 1, at, probe)
  const around = statements[step.at] as Statement
  const old = deeper[0]?.block
  const replaced =
    'blocks' in around
      ? { ...around, blocks: around.blocks.map((block) => (block === old ? inner : block)) }
      : { ...around, block: inner }
  return { statements: statements.with(step.at, replaced) }
}

function freshLocal({ params, blocks }: Func): () => number {
  const all = blocks.flatMap(({ statements }) => statements.flatMap(localsOf))
  let last = [...params, ...all].reduce((max, local) => Math.max(max, local), 0)
  return () => {
    last += 1
    return last
  }
}

function writes(block: Block, local: number): boolean {
  return block.statements.some(
    (statement) =>
      (statement.type === 'ObjectInsertStmt' && statement.object === local) ||
      blocksOf(statement).some((inner) => writes(inner, local)),
  )
}

function blocksOf(statement: Statement): readonly Block[] {
  if ('blocks' in statement) return statement.blocks
  return 'block' in statement ? [statement.block] : []
}

function isLocal(operand: Operand, local: number): boolean {
  return operand.type === 'local' && operand.value === local
}

function localIn(operand: Operand): readonly number[] {
  return operand.type === 'local' ? [operand.value] : []
}

/** All locals of a statement and of its blocks. */
export function localsOf(statement: Statement): readonly number[] {
  const found: number[] = []
  mapLocals(statement, (local) => {
    found.push(local)
    return local
  })
  return found
}

const writtenNames: ReadonlySet<string> = new Set(['target', 'result'])

/** The locals that a statement, or one in its blocks, gives a value. */
function localsWritten(statement: Statement): readonly number[] {
  const own = membersOf(statement)
    .filter(([name, kind]) => {
      const isTurn = statement.type === 'ScanStmt' && (name === 'key' || name === 'value')
      return kind === 'local' && (isTurn || writtenNames.has(name))
    })
    .map(([, , value]) => value as number)
  const inner = blocksOf(statement).flatMap(({ statements }) => statements.flatMap(localsWritten))
  return [...own, ...inner]
}

type Member = readonly [name: string, kind: string, value: unknown]

function membersOf(statement: Statement): readonly Member[] {
  const values = statement as unknown as Readonly<Record<string, unknown>>
  const shape: Readonly<Record<string, string>> = shapes[statement.type satisfies StatementType]
  return Object.entries(shape).map(([name, kind]) => [name, kind, values[name]])
}

/** The same statement about other locals. */
function mapLocals(statement: Statement, change: (local: number) => number): Statement {
  const ofOperand = (operand: Operand): Operand =>
    operand.type === 'local' ? { ...operand, value: change(operand.value) } : operand
  const ofBlock = (block: Block): Block => ({
    statements: block.statements.map((inner) => mapLocals(inner, change)),
  })
  const changed = membersOf(statement).map(([name, kind, value]) => {
    if (kind === 'local') return [name, change(value as number)]
    if (kind === 'locals') return [name, (value as readonly number[]).map(change)]
    if (kind === 'operand') return [name, ofOperand(value as Operand)]
    if (kind === 'operands') return [name, (value as readonly Operand[]).map(ofOperand)]
    if (kind === 'block') return [name, ofBlock(value as Block)]
    if (kind === 'blocks') return [name, (value as readonly Block[]).map(ofBlock)]
    return [name, value]
  })
  return { ...statement, ...Object.fromEntries(changed) } as Statement
}
