import type { Direction } from './directions.ts'
import { callOf, constantPath, everyOf, termsIn } from './rego-module.ts'
import type { Expression, RegoRule, Term } from './rego-module.ts'
import type { Finding } from './warning.ts'

/** What is undefined of an absent value, and no comparison with the values that are listed. */
const listing = new Set([
  'equal',
  'eq',
  'assign',
  'internal.member_2',
  'internal.member_3',
  'print',
])

/** A body with what follows where it holds. */
export interface DirectedBody {
  readonly rule: RegoRule
  readonly directions: ReadonlySet<Direction>
  /** The names of the tools that it is about; undefined where it may be about any. */
  readonly tools: ReadonlySet<string> | undefined
}

/** The arguments of a call that some rule demands, each with the tools of which it does. */
type Demanded = ReadonlyMap<string, readonly DirectedBody['tools'][]>

/** Those without which what a rule permits is not permitted, or what it denies is denied. */
export function demandedArguments(bodies: readonly DirectedBody[]): Demanded {
  const demanded = new Map<string, DirectedBody['tools'][]>()
  for (const { rule, directions, tools } of bodies) {
    for (const { negated, terms } of rule.body) {
      if (!directions.has(negated === true ? 'denies' : 'permits')) continue
      for (const name of argumentsIn(terms)) {
        demanded.set(name, [...(demanded.get(name) ?? []), tools])
      }
    }
  }
  return demanded
}

/** Whether every tool that a body is about is refused without the argument elsewhere. */
function isDemanded(demanded: Demanded, name: string, tools: DirectedBody['tools']): boolean {
  const of = demanded.get(name) ?? []
  if (of.includes(undefined)) return true
  return tools !== undefined && [...tools].every((tool) => of.some((each) => each?.has(tool)))
}

/** The expressions of a body by which a call passes because an argument is absent. */
export function lintAbsence(
  { rule, directions, tools }: DirectedBody,
  demanded: Demanded,
): readonly Finding[] {
  const given = variablesOf(rule.body)
  return rule.body.flatMap((expression) => {
    const { row } = expression.location
    const found: Finding[] = []
    if (directions.has('permits') || directions.has('unused')) {
      const needed = new Set(
        rule.body.flatMap((each) => (each.negated === true ? [] : argumentsIn(each.terms))),
      )
      const missed = argumentsIn(expression.terms).filter((name) => !needed.has(name))
      if (expression.negated === true) found.push(...missed.map((name) => passesWithout(name, row)))
      if (mayBeOfNone(expression)) found.push(holdsOfNone(row))
    }
    if (directions.has('denies') && isLeftOut(expression, given)) {
      const names = [...argumentsIn(expression.terms), ...argumentsOf(expression, given)]
      const missed = names.filter((name) => !isDemanded(demanded, name, tools))
      found.push(...missed.map((name) => deniesNothingWithout(name, row)))
    }
    return found
  })
}

/** `input.context.arguments.x` and what is in it, by the name of the argument. */
function argumentsIn(value: unknown): readonly string[] {
  const names = [...termsIn(value)].flatMap((term) => argumentOf(term) ?? [])
  return [...new Set(names)]
}

function argumentOf(term: Term): string | undefined {
  const [root, context, all, name] = constantPath(term)
  const isOne = root === 'input' && context === 'context' && all === 'arguments'
  return isOne ? name : undefined
}

/** Variables that are an argument: an expression on one is behind the row that is undefined without it. */
function variablesOf(body: readonly Expression[]): ReadonlyMap<string, string> {
  return new Map(
    body.flatMap((expression) => {
      const { operator, operands } = callOf(expression) ?? { operator: '', operands: [] }
      const [variable, value] = operands
      if (operator !== 'assign' || variable?.type !== 'var' || value === undefined) return []
      const name = argumentOf(value)
      return name === undefined ? [] : [[String(variable.value), name] as const]
    }),
  )
}

function argumentsOf(
  expression: Expression,
  given: ReadonlyMap<string, string>,
): readonly string[] {
  return [...termsIn(expression.terms)].flatMap(({ type, value }) =>
    type === 'var' ? (given.get(String(value)) ?? []) : [],
  )
}

/** Whether an expression of a body that denies is left out by an absent argument: a comparison or a test, or the negation of a variable’s. */
function isLeftOut(expression: Expression, given: ReadonlyMap<string, string>): boolean {
  if (expression.negated === true) return argumentsOf(expression, given).length > 0
  const operator = callOf(expression)?.operator
  return operator !== undefined && !listing.has(operator) && !operator.startsWith('is_')
}

/** `every` over what is an empty list without the argument. */
function mayBeOfNone(expression: Expression): boolean {
  const domain = everyOf(expression)?.domain
  if (domain === undefined) return false
  if (domain.type.endsWith('comprehension')) return argumentsIn(domain).length > 0
  const [operator, from, , instead] =
    domain.type === 'call' ? (domain.value as readonly Term[]) : []
  if (operator === undefined || from === undefined || instead === undefined) return false
  const isOfArguments = constantPath(from).slice(0, 3).join('.') === 'input.context.arguments'
  const isEmpty = Array.isArray(instead.value) && instead.value.length === 0
  return constantPath(operator).join('.') === 'object.get' && isOfArguments && isEmpty
}

function passesWithout(name: string, row: number): Finding {
  return {
    code: 'absent-argument',
    row,
    message: `holds for a call without the argument ${name}, and so permits it`,
    hint: `say what is allowed: name input.context.arguments.${name} in a row without "not", too`,
  }
}

function deniesNothingWithout(name: string, row: number): Finding {
  return {
    code: 'absent-argument',
    row,
    message: `is undefined for a call without the argument ${name}, and so does not deny it`,
    hint: 'say what is allowed in a rule of its own, and deny with "not" before that rule',
  }
}

function holdsOfNone(row: number): Finding {
  return {
    code: 'every-of-none',
    row,
    message:
      'holds for a call without the argument: every member of an empty list is as it should be',
    hint: 'take the argument itself, without a default, or demand that there is a member',
  }
}
