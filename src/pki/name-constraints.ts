import type { AlternativeNames, NameConstraints } from './certificate-extensions.ts'

/**
 * What in the names breaks the constraints (RFC 5280 §4.2.1.10), undefined when nothing does.
 * Only URIs and DNS names are judged: a name of another kind under a constraint of that kind is refused.
 */
export function brokenNameConstraint(
  constraints: NameConstraints,
  names: AlternativeNames,
): string | undefined {
  const { permitted, excluded } = constraints
  const constrainedTags = [...permitted.otherTags, ...excluded.otherTags]
  if (names.otherTags.some((tag) => constrainedTags.includes(tag))) {
    return 'a name of a kind that is constrained and not judged'
  }
  const hosts = names.uris.map((uri) => hostOf(uri))
  const uri =
    brokenBy(hosts, { permitted: permitted.uris, excluded: [] }, isUriHostWithin) ??
    brokenBy(hosts, { permitted: [], excluded: excluded.uris }, isUriHostExcluded)
  if (uri !== undefined) return `URI host ${JSON.stringify(uri)}`
  const subtrees = { permitted: permitted.dnsNames, excluded: excluded.dnsNames }
  const dnsName = brokenBy(names.dnsNames, subtrees, isDnsNameWithin)
  return dnsName === undefined ? undefined : `DNS name ${JSON.stringify(dnsName)}`
}

function brokenBy(
  names: readonly string[],
  subtrees: { readonly permitted: readonly string[]; readonly excluded: readonly string[] },
  within: (name: string, subtree: string) => boolean,
): string | undefined {
  const { permitted, excluded } = subtrees
  return names.find(
    (name) =>
      (permitted.length > 0 && !permitted.some((subtree) => within(name, subtree))) ||
      excluded.some((subtree) => within(name, subtree)),
  )
}

/** A URI constraint is one host, or with a leading dot the hosts below it and not itself. */
function isUriHostWithin(host: string, subtree: string): boolean {
  const wanted = subtree.toLowerCase()
  return wanted.startsWith('.') ? host.endsWith(wanted) : host === wanted
}

/** To Go, what excludes a host excludes those below it, too. */
function isUriHostExcluded(host: string, subtree: string): boolean {
  return isUriHostWithin(host, subtree) || isUriHostWithin(host, `.${subtree}`)
}

/** Whether the constraints permit each DNS name below a suffix. */
export function isEveryNamePermitted(constraints: NameConstraints, suffix: string): boolean {
  const { permitted, excluded } = constraints
  const above = (subtree: string): boolean =>
    isDnsNameWithin(suffix, subtree) || subtree === `.${suffix}`
  if (permitted.dnsNames.length > 0 && !permitted.dnsNames.some(above)) return false
  const withoutDot = (subtree: string): string => subtree.replace(/^\./, '')
  return !excluded.dnsNames.some(
    (subtree) => above(subtree) || isDnsNameWithin(withoutDot(subtree), suffix),
  )
}

/** A DNS constraint is a name and all below it; the empty one is everything. A leading dot, not in the RFC, means below only. */
function isDnsNameWithin(name: string, subtree: string): boolean {
  const wanted = subtree.toLowerCase()
  const given = name.toLowerCase()
  if (wanted === '' || given === wanted) return true
  return given.endsWith(wanted.startsWith('.') ? wanted : `.${wanted}`)
}

/** The authority's host; a URI without one gives the empty text, which no constraint permits. */
function hostOf(uri: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/([a-z0-9._-]+)(?:[/?#]|$)/i.exec(uri)?.[1]?.toLowerCase() ?? ''
}
