import { nearestName } from '../../../nearest-name.ts'
import { bodiesOf, constantPath, nameOf, termsIn, type RegoRule } from './rego-module.ts'
import type { Finding } from './warning.ts'

const told = 'input.context.history.'

/** What a rule reads of the history, or wants kept, under a name that the data beside it does not declare. */
export function lintFacts(rule: RegoRule, declared: ReadonlySet<string>): readonly Finding[] {
  const [first] = rule.body
  const row = first?.location.row ?? 1
  const kept = nameOf(rule) === 'remember' && rule.head.key?.type === 'string'
  const wanted = kept ? [{ row, name: String(rule.head.key?.value), isKept: true }] : []
  const read = [...bodiesOf(rule)]
    .flatMap(({ body }) => body)
    .flatMap((expression) =>
      [...termsIn(expression.terms)]
        .map((term) => constantPath(term).join('.'))
        .map((path) => ({
          row: expression.location.row,
          name: path.startsWith(told) ? path.slice(told.length) : '',
          isKept: false,
        })),
    )
  return [...wanted, ...read]
    .filter(({ name }) => name !== '' && !declared.has(name))
    .map(({ row: at, name, isKept }) => unknownFact(name, { row: at, isKept, declared }))
}

function unknownFact(
  name: string,
  {
    row,
    isKept,
    declared,
  }: { readonly row: number; readonly isKept: boolean; readonly declared: ReadonlySet<string> },
): Finding {
  const nearest = nearestName(name, [...declared])
  const message = isKept
    ? `wants kept what data.history does not declare, so each such permit is refused, got=${name}`
    : `reads what data.history does not declare, which is undefined, got=${name}`
  const hint =
    nearest === undefined ? `it declares ${[...declared].join(' ')}` : `did you mean ${nearest}`
  return { code: 'unknown-fact', row, message, hint }
}
