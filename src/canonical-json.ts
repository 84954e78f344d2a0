import { CountersignError, quoted, type ErrorCode } from './errors.ts'

/**
 * JSON in the one spelling of RFC 8785, so that whoever holds the value can compute its digest again: members in the order of their
 * UTF-16 code units, numbers and texts as ECMAScript writes them, no white space. Members that are undefined are left out. Throws
 * `code` for what I-JSON cannot say: half a surrogate pair, a number that is not finite.
 */
export function canonicalJson(value: unknown, code: ErrorCode): string {
  if (typeof value === 'string') return canonicalText(value, code)
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new CountersignError(code, `number is not finite: got=${value}`)
  }
  if (Array.isArray(value)) {
    return `[${value.map((element: unknown) => canonicalJson(element ?? null, code)).join(',')}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  // By the texts and never by an object of them: in an object names that look like integers come first.
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, member]) => `${canonicalText(name, code)}:${canonicalJson(member, code)}`)
  return `{${members.join(',')}}`
}

/** RFC 8785 §3.2.2.2: half a surrogate pair has to be an error, for its replacement would make two texts one. */
function canonicalText(text: string, code: ErrorCode): string {
  if (text.isWellFormed()) return JSON.stringify(text)
  throw new CountersignError(code, `text with half a surrogate pair: got=${quoted(text)}`)
}
