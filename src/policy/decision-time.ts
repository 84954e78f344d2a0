import { fromInteger } from './plan/numbers.ts'
import { parseLayout } from './plan/time/layout.ts'
import { parseTime } from './plan/time/parse.ts'
import { dot } from './plan/values.ts'
import type { Value } from './plan/values.ts'

const rfc3339 = parseLayout('RFC3339')

/**
 * The time of a decision, in nanoseconds since 1970, out of what it is about: `context.time` of a question, `timestamp` of an event. Rules
 * take it for the present, so that they answer tomorrow what they answer now. Undefined where there is none: rules have no clock.
 */
export function timeOf(input: Value | undefined): Value | undefined {
  const text = dot(dot(input, 'context'), 'time') ?? dot(input, 'timestamp')
  const nanoseconds = typeof text === 'string' ? parseTime(rfc3339, text) : undefined
  return nanoseconds === undefined ? undefined : fromInteger(nanoseconds)
}
