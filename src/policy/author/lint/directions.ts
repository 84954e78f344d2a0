import { bodiesOf, constantPath, nameOf, termsIn } from './rego-module.ts'
import type { Expression, RegoModule, RegoRule } from './rego-module.ts'

/** What follows where a rule holds: a call is denied, or it is permitted, or nothing that is known, as nobody asks for it. */
export type Direction = 'denies' | 'permits' | 'unused'

/** The names that authors give to what denies, and to what permits. */
const permitting = /^(?:allow|allowed|permit|permitted)$/
const denying = /^(?:deny|denied|denial|denials|refuse|refused|refusal|violation|violations)$/

/**
 * Of each rule of some modules, by package and name, what follows where it holds: of those that no other rule asks for, as its name says, and
 * of the others as they are asked for; under `not` it is the other way round.
 */
export function directionsOf(
  modules: readonly RegoModule[],
): ReadonlyMap<string, ReadonlySet<Direction>> {
  const rules = modules.flatMap((module) =>
    (module.rules ?? []).map((rule) => ({ rule, id: idOf(module, rule), path: pathOf(module) })),
  )
  const known = new Set(rules.map(({ id }) => id))
  const asked = rules.flatMap(({ rule, id, path }) =>
    usesIn(rule, path)
      .filter((use) => known.has(use.id) && use.id !== id)
      .map((use) => ({ ...use, by: id })),
  )
  const directions = new Map<string, Set<Direction>>([...known].map((id) => [id, new Set()]))
  const open: (readonly [string, Direction])[] = []
  const add = (id: string, direction: Direction): void => {
    const own = directions.get(id)
    if (own === undefined || own.has(direction)) return
    own.add(direction)
    open.push([id, direction])
  }
  const inner = new Set(asked.map(({ id }) => id))
  const named = new Set<string>()
  for (const { rule, id } of rules) {
    if (denying.test(nameOf(rule)) || permitting.test(nameOf(rule))) named.add(id)
    if (denying.test(nameOf(rule))) add(id, 'denies')
    else if (permitting.test(nameOf(rule))) add(id, 'permits')
    else if (!inner.has(id)) add(id, 'unused')
  }
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [by, direction] = next
    for (const use of asked) {
      // A name says more than who asks: what denies is asked for to tell of it, too.
      if (use.by === by && !named.has(use.id))
        add(use.id, use.isNegated ? opposite(direction) : direction)
    }
  }
  return directions
}

export function idOf(module: RegoModule, rule: RegoRule): string {
  return `${pathOf(module)}.${nameOf(rule)}`
}

export function pathOf(module: RegoModule): string {
  return module.package.path.map(({ value }) => String(value)).join('.')
}

function opposite(direction: Direction): Direction {
  return direction === 'denies' ? 'permits' : 'denies'
}

/** The rules that a rule asks for: by their names, or by their whole paths. */
export function usesIn(
  rule: RegoRule,
  path: string,
): readonly { readonly id: string; readonly isNegated: boolean }[] {
  return [...bodiesOf(rule)].flatMap(({ head, body }) => [
    ...namesIn({ key: head.key, value: head.value }, path).map((id) => ({ id, isNegated: false })),
    ...body.flatMap((expression) => usesOf(expression, path)),
  ])
}

function usesOf(
  expression: Expression,
  path: string,
): readonly { readonly id: string; readonly isNegated: boolean }[] {
  const isNegated = expression.negated === true
  return namesIn(expression.terms, path).map((id) => ({ id, isNegated }))
}

function namesIn(value: unknown, path: string): readonly string[] {
  return [...termsIn(value)].flatMap((term) => {
    const parts = constantPath(term)
    if (parts[0] !== 'data') return parts.length > 0 ? [`${path}.${parts[0]}`] : []
    return parts.map((_, at) => parts.slice(0, at + 1).join('.'))
  })
}
