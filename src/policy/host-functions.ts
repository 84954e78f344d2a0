/**
 * The functions that a policy module may call out for, all pure. `policies/capabilities.json` lists the same names: with it
 * `opa check` and `opa build` refuse the rest before a bundle exists. No network, no clock, no randomness, ever.
 */
export const hostFunctions: Readonly<Record<string, (...values: never[]) => unknown>> = {
  'strings.any_prefix_match': anyPrefixMatch,
  'strings.any_suffix_match': anySuffixMatch,
  'strings.count': countOf,
}

type Texts = string | readonly string[]

/** OPA `strings.any_prefix_match`: whether any of the strings begins with any of the prefixes. */
function anyPrefixMatch(search: Texts, base: Texts): boolean {
  return texts(search).some((text) => texts(base).some((prefix) => text.startsWith(prefix)))
}

/** OPA `strings.any_suffix_match`. */
function anySuffixMatch(search: Texts, base: Texts): boolean {
  return texts(search).some((text) => texts(base).some((suffix) => text.endsWith(suffix)))
}

/** OPA `strings.count`: how often, without overlap; Go counts the places between code points for an empty one. */
function countOf(search: string, substring: string): number {
  if (substring === '') return Array.from(search).length + 1
  return search.split(substring).length - 1
}

function texts(value: Texts): readonly string[] {
  return typeof value === 'string' ? [value] : value
}
