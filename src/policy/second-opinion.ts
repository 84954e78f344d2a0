import { isDeepStrictEqual } from 'node:util'
import { CountersignError } from '../errors.ts'
import type { Evaluate } from './document.ts'
import { formatInput } from './input.ts'
import type { Sample } from './samples.ts'

/** Throws `policy/bundle` when two engines of one bundle do not give one answer to each question. */
export function compareOpinions(one: Evaluate, other: Evaluate, samples: readonly Sample[]): void {
  for (const { entrypoint, input } of samples) {
    const text = formatInput(input)
    const [a, b] = [one, other].map((evaluate) => opinionOf(() => evaluate(entrypoint, text)))
    if (isDeepStrictEqual(a, b)) continue
    throw new CountersignError(
      'policy/bundle',
      `plan.json and policy.wasm do not answer alike, got=${entrypoint}`,
      { hint: 'build both of the same sources with one opa, as docs/AUTHORIZATION.md has it' },
    )
  }
}

/** An answer whose sets are in one order, or the code of the failure. */
function opinionOf(evaluate: () => unknown): unknown {
  try {
    return { value: unordered(evaluate()) }
  } catch (error) {
    return { code: error instanceof CountersignError ? error.code : 'unknown' }
  }
}

/** A value with every array in one order: JSON does not tell sets from arrays, and the module gives sets in an order of its own. */
export function unordered(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const members = value.map((member) => [JSON.stringify(unordered(member)), unordered(member)])
    return members.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  }
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((name) => [name, unordered((value as Record<string, unknown>)[name])]),
  )
}
