/** OPA's intermediate representation, `plan.json` of `opa build -t plan`: read strictly, so that what is unknown is never guessed. */

export class UnsupportedPlan extends Error {
  override readonly name = 'UnsupportedPlan'
}

export type Operand =
  | { readonly type: 'local'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string_index'; readonly value: number }

export interface Block {
  readonly statements: readonly Statement[]
}

/** What a member of a statement may be. */
interface Kinds {
  readonly local: number
  readonly locals: readonly number[]
  readonly operand: Operand
  readonly operands: readonly Operand[]
  /** Of the table of strings. */
  readonly string: number
  readonly strings: readonly number[]
  readonly integer: number
  readonly name: string
  readonly block: Block
  readonly blocks: readonly Block[]
}

/** Every statement of OPA 1.22, with its members. The places in the sources, which all have, are for tools. */
export const shapes = {
  ArrayAppendStmt: { array: 'local', value: 'operand' },
  AssignIntStmt: { target: 'local', value: 'integer' },
  AssignVarOnceStmt: { target: 'local', source: 'operand' },
  AssignVarStmt: { target: 'local', source: 'operand' },
  BlockStmt: { blocks: 'blocks' },
  BreakStmt: { index: 'integer' },
  CallDynamicStmt: { path: 'operands', args: 'locals', result: 'local' },
  CallStmt: { func: 'name', args: 'operands', result: 'local' },
  DotStmt: { source: 'operand', key: 'operand', target: 'local' },
  EqualStmt: { a: 'operand', b: 'operand' },
  IsArrayStmt: { source: 'operand' },
  IsDefinedStmt: { source: 'local' },
  IsObjectStmt: { source: 'operand' },
  IsSetStmt: { source: 'operand' },
  IsUndefinedStmt: { source: 'local' },
  LenStmt: { source: 'operand', target: 'local' },
  MakeArrayStmt: { capacity: 'integer', target: 'local' },
  MakeNullStmt: { target: 'local' },
  MakeNumberIntStmt: { value: 'integer', target: 'local' },
  MakeNumberRefStmt: { index: 'string', target: 'local' },
  MakeObjectStmt: { target: 'local' },
  MakeSetStmt: { target: 'local' },
  NopStmt: {},
  NotEqualStmt: { a: 'operand', b: 'operand' },
  NotStmt: { block: 'block' },
  ObjectInsertOnceStmt: { object: 'local', key: 'operand', value: 'operand' },
  ObjectInsertStmt: { object: 'local', key: 'operand', value: 'operand' },
  ObjectMergeStmt: { a: 'local', b: 'local', target: 'local' },
  ResetLocalStmt: { target: 'local' },
  ResultSetAddStmt: { value: 'local' },
  ReturnLocalStmt: { source: 'local' },
  ScanStmt: { source: 'local', key: 'local', value: 'local', block: 'block' },
  SetAddStmt: { set: 'local', value: 'operand' },
  WithStmt: { local: 'local', path: 'strings', value: 'operand', block: 'block' },
} as const

type Shapes = typeof shapes
export type StatementType = keyof Shapes

/** Where in the sources a statement comes from: a file of the plan's table, and from 1 rows and columns. */
export interface Place {
  readonly file: number
  readonly row: number
  readonly column: number
  readonly endRow: number
  readonly endColumn: number
}

export type StatementOf<T extends StatementType> = { readonly type: T; readonly place?: Place } & {
  readonly [M in keyof Shapes[T]]: Kinds[Shapes[T][M] & keyof Kinds]
}

export type Statement = { [T in StatementType]: StatementOf<T> }[StatementType]

export interface Func {
  readonly name: string
  /** The first two are the input and the data. One that has no others is a rule. */
  readonly params: readonly number[]
  readonly blocks: readonly Block[]
  readonly path: readonly string[] | undefined
}

export interface Builtin {
  readonly name: string
  /** False: it says nothing by its value. */
  readonly hasResult: boolean
}

export interface Plan {
  readonly strings: readonly string[]
  /** Names of the sources. */
  readonly files: readonly string[]
  readonly builtins: readonly Builtin[]
  readonly funcs: readonly Func[]
  readonly entrypoints: readonly { readonly name: string; readonly blocks: readonly Block[] }[]
}

/** Blocks within blocks: V8's own parser recurses too. */
const depthMax = 512

/** Reads `plan.json`. Throws `UnsupportedPlan`, naming what it does not know. */
export function parsePlan(value: unknown): Plan {
  const { static: tables, plans, funcs } = record(value, 'plan', ['static', 'plans', 'funcs'])
  const { strings, builtin_funcs, ...rest } = record(tables, 'static', [
    'strings',
    'builtin_funcs',
    'files',
  ])
  return {
    files: listOf(rest['files'], (file) => text(record(file, 'file', ['value'])['value'], 'file')),
    strings: listOf(strings, (each) => text(record(each, 'string', ['value'])['value'], 'string')),
    builtins: listOf(builtin_funcs, parseBuiltin),
    funcs: listOf(record(funcs ?? {}, 'funcs', ['funcs'])['funcs'], parseFunc),
    entrypoints: listOf(record(plans, 'plans', ['plans'])['plans'], (each) => {
      const { name, blocks } = record(each, 'plan', ['name', 'blocks'])
      return { name: text(name, 'plan'), blocks: listOf(blocks, (block) => parseBlock(block, 1)) }
    }),
  }
}

function parseBuiltin(value: unknown): Builtin {
  const { name, decl } = record(value, 'builtin', ['name', 'decl'])
  if (typeof decl !== 'object' || decl === null) throw unknown('builtin without declaration', name)
  return { name: text(name, 'builtin'), hasResult: Object.hasOwn(decl, 'result') }
}

function parseFunc(value: unknown): Func {
  const members = ['name', 'params', 'return', 'blocks', 'path']
  const { name, params, blocks, path } = record(value, 'function', members)
  const locals = listOf(params, index)
  if (locals.length < 2) throw unknown('function without input and data', name)
  return {
    name: text(name, 'function'),
    params: locals,
    blocks: listOf(blocks, (block) => parseBlock(block, 1)),
    path: path === undefined ? undefined : listOf(path, (part) => text(part, 'path')),
  }
}

function parseBlock(value: unknown, depth: number): Block {
  if (depth > depthMax) throw unknown('depth of blocks', depth)
  const { stmts } = record(value, 'block', ['stmts'])
  return { statements: listOf(stmts, (each) => parseStatement(each, depth)) }
}

const places = ['file', 'row', 'col', 'end_row', 'end_col']

function parseStatement(value: unknown, depth: number): Statement {
  const { type, stmt } = record(value, 'statement', ['type', 'stmt'])
  if (typeof type !== 'string' || !Object.hasOwn(shapes, type)) throw unknown('statement', type)
  const shape: Readonly<Record<string, keyof Kinds>> = shapes[type as StatementType]
  // OPA writes the index of this one statement twice, for readers of before.
  const alias = type === 'MakeNumberRefStmt' ? ['Index'] : []
  const given = record(stmt, type, [...Object.keys(shape), ...places, ...alias])
  if (alias.length > 0) {
    const { index: own = given['Index'], Index: old = own } = given
    if (own !== old) throw unknown('index of a number', own)
    given['index'] = own
  }
  const members = Object.entries(shape).map(([name, kind]) => [
    name,
    parsers[kind](given[name], depth),
  ])
  return { type, place: placeOf(given), ...Object.fromEntries(members) } as Statement
}

/** What OPA has made of nothing that stands in the sources is at row 0. */
function placeOf(given: Readonly<Record<string, unknown>>): Place {
  const [file = 0, row = 0, column = 0, endRow = 0, endColumn = 0] = places.map((name) =>
    given[name] === undefined ? undefined : index(given[name]),
  )
  return { file, row, column, endRow, endColumn }
}

const parsers: {
  readonly [K in keyof Kinds]: (value: unknown, depth: number) => Kinds[K]
} = {
  local: index,
  locals: (value) => listOf(value, index),
  operand: parseOperand,
  operands: (value) => listOf(value, parseOperand),
  string: index,
  strings: (value) => listOf(value, index),
  integer: (value) => {
    if (!Number.isSafeInteger(value)) throw unknown('integer', value)
    return value as number
  },
  name: (value) => text(value, 'name'),
  block: (value, depth) => parseBlock(value, depth + 1),
  blocks: (value, depth) => listOf(value, (block) => parseBlock(block, depth + 1)),
}

function parseOperand(operand: unknown): Operand {
  const { type, value } = record(operand, 'operand', ['type', 'value'])
  if (type === 'local' || type === 'string_index') return { type, value: index(value) }
  if (type === 'bool' && typeof value === 'boolean') return { type, value }
  throw unknown('operand', type)
}

/** More would be no plan of anybody's; it keeps names of locals short. */
const indexMax = 1_000_000

function index(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= indexMax) {
    return value as number
  }
  throw unknown('index', value)
}

function text(value: unknown, what: string): string {
  if (typeof value === 'string' && value.isWellFormed()) return value
  throw unknown(`text of a ${what}`, value)
}

/** Go writes an empty list as null too. */
function listOf<T>(value: unknown, parse: (member: unknown) => T): readonly T[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) throw unknown('list', value)
  return value.map(parse)
}

function record(value: unknown, what: string, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unknown(what, value)
  }
  const more = Object.keys(value).find((name) => !names.includes(name))
  if (more !== undefined) throw unknown(`member of ${what}`, more)
  return { ...value }
}

function unknown(what: string, got: unknown): UnsupportedPlan {
  const shown = typeof got === 'string' ? got : (JSON.stringify(got) ?? typeof got)
  return new UnsupportedPlan(`unknown ${what}, got=${JSON.stringify(shown.slice(0, 100))}`)
}
