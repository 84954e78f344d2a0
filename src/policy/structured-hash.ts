import { createHash } from 'node:crypto'

/** A number as it is written: `1.0` and `1` have two hashes. */
class Source {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/**
 * OPA's hash of a JSON document by its structure (bundle signing, `data.json` and `.manifest`): blanks and the order of members do not
 * count. Scalars are as Go's encoder writes them, members are in the order of their octets. Hex. Throws a `SyntaxError`.
 */
export function structuredHash(text: string, algorithm: string): string {
  // Go's reader skips a byte order mark.
  const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''), keepNumber)
  return createHash(algorithm).update(format(value)).digest('hex')
}

function keepNumber(
  _name: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  return typeof value === 'number' ? new Source(context?.source ?? String(value)) : value
}

function format(value: unknown): string {
  if (value instanceof Source) return value.text
  if (Array.isArray(value)) return `[${value.map(format).join(',')}]`
  if (typeof value !== 'object' || value === null) return formatScalar(value)
  const members = Object.entries(value)
    .map(([name, member]) => ({ name, octets: Buffer.from(name), member: member as unknown }))
    .toSorted((a, b) => Buffer.compare(a.octets, b.octets))
  return `{${members.map(({ name, member }) => `${formatScalar(name)}:${format(member)}`).join(',')}}`
}

/** What Go escapes beside what JavaScript does; half a surrogate pair is U+FFFD there. */
function formatScalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  return JSON.stringify(value.toWellFormed()).replaceAll(
    /[\u2028\u2029]/g,
    (separator) => `\\u${separator.charCodeAt(0).toString(16)}`,
  )
}
