import type { Kept } from './compile.ts'
import { parseNumber } from './numbers.ts'
import { UnsupportedPlan } from './plan.ts'
import type { Func, Plan } from './plan.ts'
import type { Runtime } from './runtime.ts'
import { confinedIn } from './traits.ts'
import type { Value } from './values.ts'
import { FunctionWriter } from './write-function.ts'

/** What of the runtime stands in a program by its own name. */
const words: readonly (keyof Runtime)[] = [
  'meter',
  'recall',
  'exhausted',
  'conflict',
  'dot',
  'sizeOf',
  'isArray',
  'isObject',
  'isSet',
  'newObject',
  'newSet',
  'differ',
  'insertOnce',
  'merge',
  'upsert',
  'scan',
  'scanInOrder',
  'pathOf',
  'none',
]

/** Where the parts of a plan stand in its tables, while a program is written. */
export interface Tables {
  readonly plan: Plan
  readonly functions: ReadonlyMap<string, number>
  readonly builtins: ReadonlyMap<string, number>
  /** The place of a number of the table of strings. */
  numberAt(string: number): number
}

/** Writes the body of a function of (R, S, N, O, P): runtime, strings, numbers, builtins, paths. Throws `UnsupportedPlan`. */
export function writeProgram(
  plan: Plan,
  { subject, what }: Kept,
): { readonly source: string; readonly numbers: readonly Value[] } {
  const numbers: Value[] = []
  const places = new Map<number, number>()
  const tables: Tables = {
    plan,
    functions: new Map(plan.funcs.map(({ name }, index) => [name, index])),
    builtins: new Map(plan.builtins.map(({ name }, index) => [name, index])),
    numberAt(string) {
      const place = places.get(string) ?? numbers.push(numberIn(plan, string)) - 1
      places.set(string, place)
      return place
    },
  }
  const isAlways = confinedIn(plan, { documents: 2 })
  const isOfSubject = confinedTo(plan, subject)
  const isOfCall = what === undefined ? () => false : confinedTo(plan, subject, what)
  const functions = plan.funcs.map((func, index) => {
    const body = new FunctionWriter(tables, func.params).write(func.blocks)
    const own = `function g${index}(${paramsOf(func)}){if(--meter.left<0)exhausted()\n${body}}`
    if (func.params.length > 2)
      return `${own}\n${isOfCall(func) ? applied(index, func) : plain(index)}`
    if (isAlways(func)) return `${own}\n${recalledAlways(index)}`
    if (isOfSubject(func)) return `${own}\n${recalled(index, 'ofSubject')}`
    return `${own}\n${isOfCall(func) ? recalled(index, 'ofCall') : remembered(index, `f${index}`)}`
  })
  const plans = plan.entrypoints.map(({ blocks }, index) => {
    const body = new FunctionWriter(tables, [0, 1]).write(blocks)
    return `function p${index}(l0,l1,rows){\n${body}}`
  })
  const source = [
    "'use strict'",
    `const{${words.join()}}=R`,
    ...plan.strings.map((_, index) => `const s${index}=S[${index}]`),
    ...numbers.map((_, index) => `const n${index}=N[${index}]`),
    ...plan.builtins.map((_, index) => `const o${index}=O[${index}]`),
    'let memo,root,base',
    ...functions,
    ...plans,
    // Functions that are called by a path which is known only then.
    `const dynamic=new Map([${plan.funcs.map((_, index) => `[P[${index}],f${index}]`).join()}])`,
    `function begin(input,data){root=input;base=data;memo=new Array(${plan.funcs.length})}`,
    `return{begin,plans:[${plan.entrypoints.map((_, index) => `p${index}`).join()}]}`,
  ]
  return { source: source.join('\n'), numbers }
}

function numberIn(plan: Plan, string: number): Value {
  const number = parseNumber(plan.strings[string] ?? '')
  if (number === undefined) throw new UnsupportedPlan('number of an unknown form')
  return number
}

function paramsOf({ params }: Func): string {
  return params.map((param) => `l${param}`).join()
}

/** Once an evaluation, and once more for each `with`, which has a memo of its own. */
function remembered(index: number, name: string): string {
  return (
    `function ${name}(a,b){const v=memo[${index}];if(v!==undefined)return v===none?undefined:v\n` +
    `const r=g${index}(a,b);memo[${index}]=r===undefined?none:r;return r}`
  )
}

function recalledAlways(index: number): string {
  return `function f${index}(){return recall.always(${index},g${index})}`
}

/** Under `with` the documents are others. */
const asAsked = {
  ofSubject: 'a===root&&b===base',
  ofCall: 'a===root&&b===base&&recall.knows',
} as const

function recalled(index: number, kind: keyof typeof asAsked): string {
  return (
    `${remembered(index, `h${index}`)}\n` +
    `function f${index}(a,b){return ${asAsked[kind]}?recall.${kind}(${index},g${index},a,b):h${index}(a,b)}`
  )
}

function plain(index: number): string {
  return `const f${index}=g${index}`
}

/** Of one or two arguments; more are not worth the comparison. */
function applied(index: number, { params }: Func): string {
  const [, , , second, ...more] = params
  if (more.length > 0) return plain(index)
  const args = second === undefined ? 'c' : 'c,d'
  return (
    `function f${index}(a,b,${args}){return ${asAsked.ofCall}` +
    `?recall.applied(${index},g${index},a,b,${args}):g${index}(a,b,${args})}`
  )
}

function confinedTo(
  plan: Plan,
  subject: string | undefined,
  what: readonly string[] = [],
): (func: Func) => boolean {
  if (subject === undefined) return () => false
  return confinedIn(plan, { documents: 1, members: [subject, ...what] })
}
