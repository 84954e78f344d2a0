import { fromJson } from '../json.ts'
import type { Meter } from '../meter.ts'
import { isObject, dot } from '../values.ts'
import type { AnyObject, Value } from '../values.ts'
import { octetsOfBase64url } from './encodings.ts'
import { isText } from './signature.ts'
import type { Builtins } from './signature.ts'

/** What a token says, and no word of whether it is true: signatures are verified outside of policy. */
export function tokenBuiltins(meter: Meter): Builtins {
  return {
    'io.jwt.decode': (token) => {
      if (!isText(token)) return undefined
      // Each part is read twice: as text, and as JSON.
      meter.spendText(token.length * 4)
      return decoded(token)
    },
  }
}

/** Header, payload, and the signature in hex; of a token in a token that of the inner one. */
function decoded(token: string): Value | undefined {
  const parts = token.split('.', 4)
  const [head = '', payload = '', signature = ''] = parts
  const header = parts.length === 3 ? objectOf(head) : undefined
  // RFC 7516 §9: what says how it is encrypted is no signed token.
  if (header === undefined || dot(header, 'enc') !== undefined) return undefined
  const type = dot(header, 'cty')
  if (type !== undefined && !isText(type)) return undefined
  if (type === 'JWT') {
    const inner = octetsOfBase64url(payload)?.toString()
    return inner === undefined
      ? undefined
      : decoded(inner.replace(/^["']+/, '').replace(/["']+$/, ''))
  }
  const claims = objectOf(payload)
  const octets = octetsOfBase64url(signature)
  if (claims === undefined || octets === undefined) return undefined
  return [header, claims, octets.toString('hex')]
}

function objectOf(encoded: string): AnyObject | undefined {
  const text = octetsOfBase64url(encoded)?.toString()
  if (text === undefined) return undefined
  try {
    const value = fromJson(text)
    return isObject(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
