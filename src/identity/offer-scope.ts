import { CountersignError, quoted } from '../errors.ts'

/** Some prompts or resources of one server: one by its name or URI, or all that surely lie under a prefix (`repo://docs/*`). */
export interface OfferScope {
  /** The name or the URI, or the prefix without its star. */
  readonly name: string
  readonly prefix: boolean
}

/** What a scope may speak of; a template is covered as the resources are that it makes. */
export type ScopedKind = 'prompt' | 'resource' | 'resource_template'

const scopesMax = 32
const promptPatternMax = 256
const uriPatternMax = 2048

/** Parses what a server may be asked for at most of its prompts. Throws `identity/tool-scope`. */
export function parsePromptScopes(texts: readonly string[]): readonly OfferScope[] {
  return parseScopes(texts, promptPatternMax)
}

/** Parses the same of resources and their templates. Throws `identity/tool-scope`. */
export function parseResourceScopes(texts: readonly string[]): readonly OfferScope[] {
  const scopes = parseScopes(texts, uriPatternMax)
  const open = scopes.find(({ name, prefix }) => prefix && !isBounded(name))
  if (open !== undefined) {
    throw refused(`prefix of resources does not say where it ends, got=${quoted(`${open.name}*`)}`)
  }
  return scopes
}

/** Whether some scope has it. A prefix has only what no reader takes for something else, as the grants of policy have it. */
export function coversOffer(
  scopes: readonly OfferScope[],
  kind: ScopedKind,
  name: string,
): boolean {
  return scopes.some((scope) => covers(scope, kind, name))
}

function covers(scope: OfferScope, kind: ScopedKind, name: string): boolean {
  if (!scope.prefix) return name === scope.name
  if (kind === 'prompt') return name.startsWith(scope.name)
  // Variables of a template may become anything (RFC 6570): what it has for certain stands before the first.
  const [literal = ''] = kind === 'resource' ? [name] : name.split('{')
  return literal.startsWith(scope.name) && isPlain(name)
}

function parseScopes(texts: readonly string[], charactersMax: number): readonly OfferScope[] {
  if (texts.length === 0 || texts.length > scopesMax) {
    throw refused(`number of scopes, want=1..${scopesMax} got=${texts.length}`)
  }
  if (new Set(texts).size < texts.length) throw refused('a scope is there twice')
  return texts.map((text) => {
    const prefix = text.endsWith('*')
    const name = prefix ? text.slice(0, -1) : text
    if (text === '' || text.length > charactersMax || /[*\s\p{Cc}]/u.test(name)) {
      throw refused(
        `scope is not 1..${charactersMax} characters without spaces and with at most one star at the end, got=${quoted(text)}`,
      )
    }
    return { name, prefix }
  })
}

/**
 * The prefix ends with the scheme, or after the whole authority: `https://a.example` is how `https://a.example.b.example/` begins, too
 * (RFC 3986 §3.2). The empty one is all of the server.
 */
function isBounded(prefix: string): boolean {
  if (prefix === '' || prefix.endsWith('/')) return true
  return prefix.includes('//') ? prefix.split('/').length > 3 : prefix.includes(':')
}

const escapes = /%(2e|2f|5c|25|00)/i

/** No dot segments (RFC 3986 §5.2.4), no empty ones, no backslash, and nothing that becomes such a thing when it is decoded. */
function isPlain(uri: string): boolean {
  if (uri.includes('\\') || escapes.test(uri)) return false
  const [path = ''] = uri.replace(/^[^]*?:\/\//, '').split(/[?#]/)
  const segments = uri.split(/[/?#;]/)
  return !path.includes('//') && !segments.includes('.') && !segments.includes('..')
}

function refused(message: string): CountersignError {
  return new CountersignError('identity/tool-scope', message)
}
