import { formatLiteral } from '../literal.ts'
import { conflict } from '../meter.ts'
import type { Meter } from '../meter.ts'
import { isArray, isObject, isSet } from '../values.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtins } from './signature.ts'

/** What a template string (`$"…{x}…"`) is to a plan: its parts in an array. */
export function templateBuiltins(meter: Meter): Builtins {
  /** A part is a text as it stands, or the set of what an expression gives, which may be undefined. */
  const textOf = (part: Value): string => {
    const [member, ...more] = isSet(part) ? part.members : [part]
    if (more.length > 0 || ((isArray(part) || isObject(part)) && !isSet(part))) return conflict()
    if (member === undefined) return '<undefined>'
    if (!isText(member)) return formatLiteral(member, meter)
    meter.spendText(member.length)
    return member
  }
  return {
    'internal.template_string': (parts) => {
      if (!isArray(parts)) return undefined
      meter.spend(parts.length)
      const texts = parts.map(textOf)
      meter.spendText(texts.reduce((sum, text) => sum + text.length, 0))
      return texts.join('')
    },
  }
}
