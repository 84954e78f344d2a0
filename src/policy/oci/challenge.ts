/** How a registry wants to be asked: RFC 9110 §11.6.1, of one scheme. */
export interface Challenge {
  readonly scheme: 'bearer' | 'basic'
  readonly parameters: ReadonlyMap<string, string>
}

/** A registry says its realm and its own name. */
const headerOctetsMax = 4096

const part =
  /[\s,]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s{0,8}=\s{0,8}(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y

/** What we know of the challenges of an answer, in their order; what is none ends the reading. */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  if (header === undefined || header.length > headerOctetsMax) return []
  const found: { readonly scheme: string; readonly parameters: Map<string, string> }[] = []
  part.lastIndex = 0
  for (let match = part.exec(header); match !== null; match = part.exec(header)) {
    const [, name = '', inQuotes, plain] = match
    const value = inQuotes?.replaceAll(/\\(.)/g, '$1') ?? plain
    const lower = name.toLowerCase()
    if (value === undefined) found.push({ scheme: lower, parameters: new Map() })
    else if (found.at(-1)?.parameters.has(lower) === true) return []
    else found.at(-1)?.parameters.set(lower, value)
  }
  return found.flatMap(({ scheme, parameters }) =>
    scheme === 'bearer' || scheme === 'basic' ? [{ scheme, parameters }] : [],
  )
}
