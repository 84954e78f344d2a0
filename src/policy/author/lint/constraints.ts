import { callOf, constantPath } from './rego-module.ts'
import type { Expression, Term } from './rego-module.ts'

export type Scalar = string | number | boolean | null

/** What one expression demands of one place of the input. */
export interface Constraint {
  /** The place, and the names on the way. */
  readonly place: string
  readonly path: readonly string[]
  readonly row: number
  readonly isNegated: boolean
  readonly demand:
    | { readonly kind: 'among'; readonly values: readonly Scalar[] }
    | { readonly kind: 'not'; readonly value: Scalar }
    | { readonly kind: 'prefix' | 'suffix'; readonly text: string }
    | { readonly kind: 'below' | 'above'; readonly bound: number; readonly isOpen: boolean }
}

type Demand = Constraint['demand']

/** What the expressions of a body demand, as far as it can be said without running them; `with` changes what they are about. */
export function constraintsOf(body: readonly Expression[]): readonly Constraint[] {
  const variables = new Map<string, readonly string[]>()
  return body.flatMap((expression) => {
    const call = callOf(expression)
    if (call === undefined || 'with' in expression) return []
    const { operator, operands } = call
    const [left, right] = operands
    if (left === undefined || right === undefined || operands.length !== 2) return []
    const pathOf = (term: Term): readonly string[] | undefined =>
      inputPath(term) ?? (term.type === 'var' ? variables.get(String(term.value)) : undefined)
    const [ofLeft, ofRight] = [pathOf(left), pathOf(right)]
    if (operator === 'assign' && left.type === 'var' && ofRight !== undefined) {
      variables.set(String(left.value), ofRight)
    }
    const demand =
      ofLeft === undefined ? demandOf(mirrored[operator] ?? '', left) : demandOf(operator, right)
    const path = ofLeft ?? ofRight
    if (path === undefined || demand === undefined || operator === 'assign') return []
    const { row } = expression.location
    const isNegated = expression.negated === true
    return [{ place: path.join('.'), path, row, isNegated, demand }]
  })
}

/** The same with its sides changed, where it has two that can be. */
const mirrored: Readonly<Record<string, string>> = {
  equal: 'equal',
  eq: 'eq',
  neq: 'neq',
  lt: 'gt',
  lte: 'gte',
  gt: 'lt',
  gte: 'lte',
}

function demandOf(operator: string, of: Term): Demand | undefined {
  const value = scalarOf(of)
  if (value === undefined) return operator === 'internal.member_2' ? amongOf(of) : undefined
  if (operator === 'equal' || operator === 'eq') return { kind: 'among', values: [value] }
  if (operator === 'neq') return { kind: 'not', value }
  if (operator === 'startswith' || operator === 'endswith') {
    const kind = operator === 'startswith' ? 'prefix' : 'suffix'
    return typeof value === 'string' ? { kind, text: value } : undefined
  }
  if (typeof value !== 'number') return undefined
  const isOpen = operator === 'lt' || operator === 'gt'
  if (operator === 'lt' || operator === 'lte') return { kind: 'below', bound: value, isOpen }
  if (operator === 'gt' || operator === 'gte') return { kind: 'above', bound: value, isOpen }
  return undefined
}

function amongOf(of: Term): Demand | undefined {
  if (of.type !== 'set' && of.type !== 'array') return undefined
  const values = (of.value as readonly Term[]).map(scalarOf)
  const isWhole = values.every((value) => value !== undefined)
  return isWhole ? { kind: 'among', values } : undefined
}

function scalarOf({ type, value }: Term): Scalar | undefined {
  const isScalar = type === 'string' || type === 'number' || type === 'boolean' || type === 'null'
  return isScalar ? ((value ?? null) as Scalar) : undefined
}

/** A place of the input whose names are all constant. */
function inputPath(term: Term): readonly string[] | undefined {
  if (term.type !== 'ref') return undefined
  const path = constantPath(term)
  const isWhole = path.length === (term.value as readonly Term[]).length
  return isWhole && path[0] === 'input' ? path : undefined
}

/** Why no value can be as all of them demand; undefined where one might. Their rows are of one place. */
export function contradictionIn(constraints: readonly Constraint[]): string | undefined {
  const demands = constraints.flatMap(({ demand, isNegated }) =>
    isNegated ? inverse(demand) : [demand],
  )
  const lists = demands.flatMap((demand) => (demand.kind === 'among' ? [demand.values] : []))
  const [first] = lists
  if (first !== undefined) {
    const left = first.filter((value) => demands.every((demand) => isMet(demand, value)))
    return left.length > 0 ? undefined : 'no value that one row allows is allowed by the others'
  }
  const prefixes = demands.flatMap((demand) => (demand.kind === 'prefix' ? [demand.text] : []))
  const [longest = ''] = prefixes.toSorted((a, b) => b.length - a.length)
  if (!prefixes.every((prefix) => longest.startsWith(prefix))) return 'no text begins with both'
  const isEmpty = demands.some(
    (one) =>
      one.kind === 'above' &&
      demands.some(
        (other) =>
          other.kind === 'below' &&
          (other.bound < one.bound || (other.bound === one.bound && (one.isOpen || other.isOpen))),
      ),
  )
  return isEmpty ? 'no value is between the two bounds' : undefined
}

/** What a `not` demands of a value that is there. */
function inverse(demand: Demand): readonly Demand[] {
  if (demand.kind === 'among') return demand.values.map((value) => ({ kind: 'not', value }))
  return []
}

function isMet(demand: Demand, value: Scalar): boolean {
  switch (demand.kind) {
    case 'among':
      return demand.values.includes(value)
    case 'not':
      return demand.value !== value
    case 'prefix':
      return typeof value === 'string' && value.startsWith(demand.text)
    case 'suffix':
      return typeof value === 'string' && value.endsWith(demand.text)
    // Types have an order in Rego: what is no number is beyond all of them, but for null and booleans.
    case 'below':
      return (
        typeof value !== 'number' ||
        value < demand.bound ||
        (!demand.isOpen && value === demand.bound)
      )
    case 'above':
      return (
        typeof value !== 'number' ||
        value > demand.bound ||
        (!demand.isOpen && value === demand.bound)
      )
  }
  return demand satisfies never
}
