import type { Meter } from '../meter.ts'
import { createPatterns } from '../regex/pattern.ts'
import type { Pattern } from '../regex/pattern.ts'
import { replaceAll, sliceOf, splitAt } from '../regex/replace.ts'
import { patternOfTemplate } from '../regex/template.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtins } from './signature.ts'

/** OPA's regular expressions: Go's, which are RE2's. */
export function regexBuiltins(meter: Meter): Builtins {
  const spend = (steps: number): void => meter.spend(steps)
  const patterns = createPatterns(spend)

  /** What each match makes of a text, paid for by what it is. */
  function eachMatch(
    given: readonly [pattern: Value | undefined, text: Value | undefined, count: Value | undefined],
    withGroups: boolean,
    of: (texts: readonly string[]) => Value,
  ): readonly Value[] | undefined {
    const [pattern, text, count] = given
    const compiled = isText(pattern) ? patterns.compile(pattern) : undefined
    if (compiled === undefined || !isText(text)) return undefined
    if (typeof count !== 'number' || !Number.isSafeInteger(count)) return undefined
    return compiled.matches(text, count < 0 ? Infinity : count, withGroups).map((marks) => {
      const groups = withGroups ? compiled.groups.length : 1
      meter.spend(groups)
      const texts = Array.from({ length: groups }, (_, group) => sliceOf(text, marks, group) ?? '')
      return of(texts)
    })
  }

  const matches = (pattern: Pattern | undefined, text: string): boolean | undefined =>
    pattern === undefined ? undefined : pattern.matches(text, 1, false).length > 0

  return {
    'regex.is_valid': (pattern) => isText(pattern) && patterns.isValid(pattern),
    'regex.match': (pattern, text) =>
      isText(pattern) && isText(text) ? matches(patterns.compile(pattern), text) : undefined,
    'regex.find_n': (pattern, text, count) =>
      eachMatch([pattern, text, count], false, ([whole = '']) => whole),
    'regex.find_all_string_submatch_n': (pattern, text, count) =>
      eachMatch([pattern, text, count], true, (texts) => texts),
    'regex.split': (pattern, text) => {
      const compiled = isText(pattern) ? patterns.compile(pattern) : undefined
      if (compiled === undefined || !isText(text)) return undefined
      return splitAt(compiled, text, { isEmpty: pattern === '', spend })
    },
    'regex.replace': (text, pattern, replacement) => {
      if (!isText(text) || !isText(pattern) || !isText(replacement)) return undefined
      const compiled = patterns.compile(pattern)
      return compiled && replaceAll(compiled, text, replacement, spend)
    },
    'regex.template_match': (template, text, begin, end) => {
      if (!isText(template) || !isText(text) || !isOctet(begin) || !isOctet(end)) return undefined
      meter.spendText(template.length)
      const pattern = patternOfTemplate(template, [begin, end], patterns.isValid)
      return pattern === undefined ? undefined : matches(patterns.compile(pattern), text)
    },
  }
}

function isOctet(v: Value | undefined): v is string {
  return isText(v) && /^[\0-\x7f]$/.test(v)
}
