import type { Meter } from '../meter.ts'
import { globText, parseGlob } from '../regex/glob.ts'
import { createPatterns } from '../regex/pattern.ts'
import { codePoints, isArray } from '../values.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtins } from './signature.ts'

/** OPA's globs, on the engine of the regular expressions: what a `**` could try is never tried one by one. */
export function globBuiltins(meter: Meter): Builtins {
  const patterns = createPatterns((steps) => meter.spend(steps), parseGlob)

  /** No delimiters are none, and an empty list is a dot. */
  function delimitersOf(v: Value | undefined): readonly string[] | undefined {
    if (v === null) return []
    if (!isArray(v)) return undefined
    meter.spend(v.length)
    const letters = v.filter((each) => isText(each) && codePoints(each) === 1) as string[]
    if (letters.length < v.length) return undefined
    return letters.length === 0 ? ['.'] : letters
  }

  return {
    'glob.match': (pattern, given, text) => {
      const delimiters = delimitersOf(given)
      if (!isText(pattern) || delimiters === undefined || !isText(text)) return undefined
      const compiled = patterns.compile(globText(pattern, delimiters))
      return compiled && compiled.matches(text, 1, false).length > 0
    },
  }
}
