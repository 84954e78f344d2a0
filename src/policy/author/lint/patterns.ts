import { createPatterns } from '../../plan/regex/pattern.ts'
import { constantPath, termsIn } from './rego-module.ts'
import type { Expression, Term } from './rego-module.ts'
import type { Finding } from './warning.ts'

/** Where the functions on patterns have theirs; a template is none by itself. */
const places: ReadonlyMap<string, number> = new Map([
  ['regex.match', 0],
  ['regex.find_n', 0],
  ['regex.find_all_string_submatch_n', 0],
  ['regex.replace', 1],
])

/** Patterns that stand in a body and are none: what asks for them is undefined, whatever the text. */
export function lintPatterns(body: readonly Expression[]): readonly Finding[] {
  const patterns = createPatterns(() => {})
  return body.flatMap((expression) =>
    patternsIn(expression)
      .filter((pattern) => !patterns.isValid(pattern))
      .map((pattern) => ({
        code: 'broken-pattern' as const,
        row: expression.location.row,
        message: `asks for what is no pattern, got=${JSON.stringify(pattern)}`,
        hint: 'it is of RE2, without lookaround and backreferences; between `…` a backslash is one',
      })),
  )
}

/** Calls are expressions, or terms in them. */
function patternsIn({ terms }: Expression): readonly string[] {
  const calls = [...termsIn(terms)].filter(({ type }) => type === 'call')
  const all = [terms, ...calls.map(({ value }) => value)].filter((each) => Array.isArray(each))
  return all.flatMap((call) => {
    const [operator, ...operands] = call as readonly Term[]
    const name = operator === undefined ? '' : constantPath(operator).join('.')
    const pattern = operands[places.get(name) ?? -1]
    return pattern?.type === 'string' ? [String(pattern.value)] : []
  })
}
