import { formatJson, fromJson } from '../json.ts'
import type { Meter } from '../meter.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtin, Builtins } from './signature.ts'

/** RFC 4648 §4, with its padding. */
const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export function encodingBuiltins(meter: Meter): Builtins {
  const text =
    (work: (text: string) => Value | undefined): Builtin =>
    (v) => {
      if (!isText(v)) return undefined
      // Twice the price of a text: it is read and made.
      meter.spendText(v.length * 2)
      return work(v)
    }
  return {
    'base64.encode': text((v) => Buffer.from(v).toString('base64')),
    'base64.decode': text((v) => octetsOfBase64(v)?.toString()),
    'base64.is_valid': (v) =>
      isText(v) ? text((encoded) => base64Form.test(withoutLineEnds(encoded)))(v) : false,
    'base64url.encode': text((v) =>
      Buffer.from(v).toString('base64').replaceAll('+', '-').replaceAll('/', '_'),
    ),
    'base64url.decode': text((v) => octetsOfBase64url(v)?.toString()),
    'json.marshal': (v) => escapedForHtml(formatJson(v, meter)),
    'json.unmarshal': text((v) => {
      try {
        return fromJson(v)
      } catch (error) {
        if (error instanceof SyntaxError) return undefined
        throw error
      }
    }),
    'json.is_valid': (v) => (isText(v) ? text(isJson)(v) : false),
  }
}

function withoutLineEnds(text: string): string {
  return text.replace(/[\r\n]/g, '')
}

function octetsOfBase64(text: string): Buffer | undefined {
  const compact = withoutLineEnds(text)
  return base64Form.test(compact) ? Buffer.from(compact, 'base64') : undefined
}

/** RFC 4648 §5, with its padding or without. */
export function octetsOfBase64url(text: string): Buffer | undefined {
  if (/[+/]/.test(text)) return undefined
  // OPA counts line ends too where it pads.
  if (!text.endsWith('=') && text.length % 4 === 1) return undefined
  const padded = text.endsWith('=') ? text : text.padEnd(Math.ceil(text.length / 4) * 4, '=')
  return octetsOfBase64(padded.replaceAll('-', '+').replaceAll('_', '/'))
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** As Go writes JSON. */
function escapedForHtml(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (letter) => String.raw`\u` + letter.charCodeAt(0).toString(16).padStart(4, '0'),
  )
}
