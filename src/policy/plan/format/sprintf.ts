import type { Meter } from '../meter.ts'
import { Directives, noFlags } from './directive.ts'
import type { Argument, Directive } from './directive.ts'
import { formatArgument, namedArgument } from './verbs.ts'

/** Go's fmt.Sprintf, with what it says of verbs and arguments that do not fit. Each directive is paid for before its text is made. */
export function sprintf(format: string, args: readonly Argument[], meter: Meter): string {
  const directives = new Directives(format, args)
  const parts: string[] = []
  for (let text = directives.text(); text !== undefined; text = directives.text()) {
    meter.spendText(text.length)
    parts.push(text)
    const directive = directives.next()
    if (directive !== undefined) parts.push(written(directive, meter))
  }
  const rest = directives.rest()
  if (rest.length === 0) return parts.join('')
  for (const argument of rest) meter.spend(priceOf(argument))
  const named = rest.map((argument) => namedArgument(argument, noFlags()))
  return `${parts.join('')}%!(EXTRA ${named.join(', ')})`
}

function written({ flags, faults, verb, argument }: Directive, meter: Meter): string {
  if (argument === undefined) return faults
  const { width = 0, precision = 0 } = flags
  meter.spend(1 + ((width + precision) >>> 5) + priceOf(argument))
  return faults + formatArgument(argument, verb, flags)
}

/** An octet may become ten letters, and a bit of a number one. */
function priceOf({ type, value }: Argument): number {
  if (type === 'string') return 1 + (value.length >>> 1)
  return type === '*big.Int' ? 1 + (value.toString(16).length >>> 1) : 32
}
