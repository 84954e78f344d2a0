import { UnsupportedPlan } from './plan.ts'
import type { Block, Operand, Statement, StatementOf, StatementType } from './plan.ts'
import { pathsIn } from './paths.ts'
import type { Paths } from './paths.ts'
import { isOrdered } from './traits.ts'
import type { Tables } from './write-program.ts'

/** A block that is being written, and what has to run before a jump over it. */
interface Frame {
  readonly label: number
  readonly kind: 'block' | 'loop' | 'not' | 'with'
  readonly restore: string
}

/**
 * Writes one function of a plan. A block is a labelled block, and what is undefined jumps out of it; locals are variables of the
 * function. Numbers are the only thing of a plan that is ever written, each as digits.
 */
export class FunctionWriter {
  readonly tables: Tables
  readonly #params: readonly number[]
  readonly #lines: string[] = []
  readonly #frames: Frame[] = []
  readonly #locals = new Set<number>()
  #paths: Paths = new Map()
  #next = 0

  constructor(tables: Tables, params: readonly number[]) {
    this.tables = tables
    this.#params = params
  }

  write(blocks: readonly Block[]): string {
    this.#paths = pathsIn(blocks, this.#params)
    for (const block of blocks) this.block(block)
    const own = [...this.#locals].filter((local) => !this.#params.includes(local))
    const kept = new Set([...this.#paths.values()].flatMap(({ kept }) => kept ?? []))
    const names = [...own.map((local) => `l${local}`), ...[...kept].map((id) => `k${id}`)]
    const head = names.length === 0 ? '' : `let ${names.join()}\n`
    return `${head}${this.#lines.join('\n')}\n`
  }

  /** What a reference that begins here leads to, from its document on; what comes before its end is written nowhere else. */
  pathAt(statement: Statement): string | undefined {
    const path = this.#paths.get(statement)
    if (path === undefined) return undefined
    const { document, keys, kept } = path
    const looked = keys.reduce((at, key) => `dot(${at},${this.string(key)})`, this.local(document))
    return kept === undefined ? looked : `k${kept}===undefined?k${kept}=${looked}:k${kept}`
  }

  /** It leads to the next one, which is written whole. */
  isWithin(statement: Statement): boolean {
    return this.#paths.get(statement)?.isEnd === false
  }

  put(line: string): void {
    this.#lines.push(line)
  }

  /** A number that no other name in this function has. */
  fresh(): number {
    this.#next += 1
    return this.#next
  }

  block(block: Block, kind: Frame['kind'] = 'block', after = '', restore = ''): void {
    const label = this.fresh()
    this.#frames.push({ label, kind, restore })
    this.put(`b${label}:{`)
    for (const statement of block.statements) writeStatement(this, statement)
    this.put(`${after}}`)
    this.#frames.pop()
  }

  /** The jump out of the block that is so many levels out. OPA plans none out of a loop or a function, and none is guessed. */
  jump(levels = 0): string {
    const at = this.#frames.length - 1 - levels
    const target = this.#frames[at]
    if (target === undefined) throw new UnsupportedPlan('break leaves the function')
    const crossed = this.#frames.slice(at + 1)
    if (crossed.some(({ kind }) => kind === 'loop')) {
      throw new UnsupportedPlan('break leaves a loop')
    }
    return `{${restoring(crossed)}break b${target.label}}`
  }

  return(local: number): string {
    return `{${restoring(this.#frames)}return ${this.local(local)}}`
  }

  /** Any local, to be read. */
  local(local: number): string {
    this.#locals.add(local)
    return `l${local}`
  }

  /** A local to be written: only `with` changes what a function was asked about. */
  target(local: number): string {
    if (this.isDocument(local)) throw new UnsupportedPlan('statement overwrites input or data')
    return this.local(local)
  }

  isDocument(local: number): boolean {
    return local === this.#params[0] || local === this.#params[1]
  }

  /** A rule is remembered by its number: it has to be asked about the input and the data that are in force. */
  checkDocuments(input: unknown, data: unknown): void {
    if (input !== this.#params[0] || data !== this.#params[1]) {
      throw new UnsupportedPlan('function is asked about other documents')
    }
  }

  operand(operand: Operand): string {
    if (operand.type === 'bool') return operand.value ? 'true' : 'false'
    return operand.type === 'local' ? this.local(operand.value) : this.string(operand.value)
  }

  string(index: number): string {
    if (this.tables.plan.strings[index] === undefined) {
      throw new UnsupportedPlan('string is not in the table')
    }
    return `s${index}`
  }

  /** A value that may be missing, without which the block ends. */
  define(target: number, value: string, levels = 0): void {
    this.put(`if((${this.target(target)}=${value})===undefined)${this.jump(levels)}`)
  }

  /** A condition, on which the block ends. */
  endIf(condition: string): void {
    this.put(`if(${condition})${this.jump()}`)
  }
}

/** Innermost first. */
function restoring(frames: readonly Frame[]): string {
  return frames
    .toReversed()
    .map(({ restore }) => restore)
    .join('')
}

function writeStatement(w: FunctionWriter, statement: Statement): void {
  const write = writers[statement.type] as (w: FunctionWriter, s: Statement) => void
  write(w, statement)
}

const writers: { readonly [T in StatementType]: (w: FunctionWriter, s: StatementOf<T>) => void } = {
  ArrayAppendStmt: (w, s) => w.put(`${w.local(s.array)}.push(${w.operand(s.value)})`),
  AssignIntStmt: (w, s) => w.put(`${w.target(s.target)}=${s.value}`),
  AssignVarOnceStmt: (w, s) => {
    const [target, source] = [w.target(s.target), w.operand(s.source)]
    w.put(`if(${target}===undefined)${target}=${source}`)
    w.put(`else if(${differing(w, s.source, { type: 'local', value: s.target })})conflict()`)
  },
  AssignVarStmt: (w, s) => w.put(`${w.target(s.target)}=${w.operand(s.source)}`),
  BlockStmt: (w, s) => {
    for (const block of s.blocks) w.block(block)
  },
  BreakStmt: (w, s) => w.put(w.jump(s.index)),
  CallDynamicStmt: writeDynamicCall,
  CallStmt: writeCall,
  DotStmt: (w, s) => {
    if (w.isWithin(s)) return
    w.define(s.target, w.pathAt(s) ?? `dot(${w.operand(s.source)},${w.operand(s.key)})`)
  },
  EqualStmt: (w, s) => w.endIf(differing(w, s.a, s.b)),
  IsArrayStmt: (w, s) => w.endIf(`!isArray(${w.operand(s.source)})`),
  IsDefinedStmt: (w, s) => w.endIf(`${w.local(s.source)}===undefined`),
  IsObjectStmt: (w, s) => w.endIf(`!isObject(${w.operand(s.source)})`),
  IsSetStmt: (w, s) => w.endIf(`!isSet(${w.operand(s.source)})`),
  IsUndefinedStmt: (w, s) => w.endIf(`${w.local(s.source)}!==undefined`),
  LenStmt: (w, s) => w.define(s.target, `sizeOf(${w.operand(s.source)})`),
  MakeArrayStmt: (w, s) => w.put(`${w.target(s.target)}=[]`),
  MakeNullStmt: (w, s) => w.put(`${w.target(s.target)}=null`),
  MakeNumberIntStmt: (w, s) => w.put(`${w.target(s.target)}=${s.value}`),
  MakeNumberRefStmt: (w, s) => w.put(`${w.target(s.target)}=n${w.tables.numberAt(s.index)}`),
  MakeObjectStmt: (w, s) => w.put(`${w.target(s.target)}=newObject()`),
  MakeSetStmt: (w, s) => w.put(`${w.target(s.target)}=newSet()`),
  NopStmt: () => {},
  NotEqualStmt: (w, s) => w.endIf(`!(${differing(w, s.a, s.b)})`),
  NotStmt: (w, s) => {
    const held = `c${w.fresh()}`
    w.put(`let ${held}=false`)
    w.block(s.block, 'not', `${held}=true`)
    w.endIf(held)
  },
  ObjectInsertOnceStmt: (w, s) =>
    w.put(`insertOnce(${w.local(s.object)},${w.operand(s.key)},${w.operand(s.value)})`),
  ObjectInsertStmt: (w, s) =>
    w.put(`${w.local(s.object)}.set(${w.operand(s.key)},${w.operand(s.value)})`),
  ObjectMergeStmt: (w, s) => w.put(`${w.target(s.target)}=merge(${w.local(s.a)},${w.local(s.b)})`),
  ResetLocalStmt: (w, s) => w.put(`${w.target(s.target)}=undefined`),
  ResultSetAddStmt: (w, s) => w.put(`rows.push(${w.local(s.value)})`),
  ReturnLocalStmt: (w, s) => w.put(w.return(s.source)),
  ScanStmt: writeScan,
  SetAddStmt: (w, s) => w.put(`${w.local(s.set)}.add(${w.operand(s.value)})`),
  WithStmt: writeWith,
}

/** Strings and booleans are compared as they are; only what may be composite needs more. */
function differing(w: FunctionWriter, a: Operand, b: Operand): string {
  const [x, y] = [w.operand(a), w.operand(b)]
  const isPlain = a.type !== 'local' || b.type !== 'local'
  return isPlain ? `${x}!==${y}` : `${x}!==${y}&&differ(${x},${y})`
}

function writeCall(w: FunctionWriter, s: StatementOf<'CallStmt'>): void {
  const { plan, functions, builtins } = w.tables
  const args = s.args.map((arg) => w.operand(arg)).join()
  const own = functions.get(s.func)
  if (own !== undefined) {
    const [input, data] = s.args
    w.checkDocuments(localOf(input), localOf(data))
    w.define(s.result, `f${own}(${args})`)
    return
  }
  const builtin = builtins.get(s.func)
  if (builtin === undefined) throw new UnsupportedPlan('function is not in the plan')
  if (plan.builtins[builtin]?.hasResult === true) w.define(s.result, `o${builtin}(${args})`)
  else w.put(`o${builtin}(${args})`)
}

function localOf(operand: Operand | undefined): number | undefined {
  return operand?.type === 'local' ? operand.value : undefined
}

function writeDynamicCall(w: FunctionWriter, s: StatementOf<'CallDynamicStmt'>): void {
  const [input, data] = s.args
  w.checkDocuments(input, data)
  const path = s.path.map((operand) => w.operand(operand)).join()
  const called = `d${w.fresh()}`
  w.put(`const ${called}=dynamic.get(pathOf([${path}]))`)
  w.endIf(`${called}===undefined`)
  // OPA's planner nests this call three blocks deep, and a rule that is undefined ends the outermost of them.
  w.define(s.result, `${called}(${s.args.map((arg) => w.local(arg)).join()})`, 3)
}

/** An array is run over as it is, all else as a list of keys and values in turn. */
function writeScan(w: FunctionWriter, s: StatementOf<'ScanStmt'>): void {
  const id = w.fresh()
  const [source, key, value] = [w.local(s.source), w.target(s.key), w.target(s.value)]
  w.put(
    `const a${id}=${isOrdered(s.block) ? 'scanInOrder' : 'scan'}(${source}),y${id}=a${id}===${source}`,
  )
  w.put(`for(let i=0;i<a${id}.length;){if(--meter.left<0)exhausted()`)
  w.put(`if(y${id}){${key}=i;${value}=a${id}[i++]}else{${key}=a${id}[i++];${value}=a${id}[i++]}`)
  w.block(s.block, 'loop')
  w.put('}')
}

/** Rules give other values under other documents, so they have a memo of their own meanwhile. */
function writeWith(w: FunctionWriter, s: StatementOf<'WithStmt'>): void {
  if (!w.isDocument(s.local)) throw new UnsupportedPlan('with replaces neither input nor data')
  const id = w.fresh()
  const document = w.local(s.local)
  const path = s.path.map((index) => w.string(index)).join()
  const restore = `${document}=w${id};memo=q${id};`
  w.put(`const w${id}=${document},q${id}=memo;memo=[];let c${id}=false`)
  w.put(`${document}=upsert(${document},[${path}],${w.operand(s.value)})`)
  w.block(s.block, 'with', `c${id}=true`, restore)
  w.put(restore)
  w.endIf(`!c${id}`)
}
