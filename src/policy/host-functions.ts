import { regexBuiltins } from './plan/builtins/regex.ts'
import type { Builtin, Now } from './plan/builtins/signature.ts'
import { timeBuiltins } from './plan/builtins/time.ts'
import { Meter } from './plan/meter.ts'
import type { Value } from './plan/values.ts'

/** Undefined: OPA has an error there, which makes the expression undefined. */
type HostFunction = (...values: readonly unknown[]) => unknown

export type HostFunctions = Readonly<Record<string, HostFunction>>

/**
 * The functions that a policy module may call out for, all pure but for the time of the decision. `policies/capabilities.json` lists the
 * same names: with it `opa check` and `opa build` refuse the rest before a bundle exists. No network, no clock, no randomness, ever. What
 * throws would end the whole evaluation, and what forgives a wrong type would answer where OPA does not.
 */
export function createHostFunctions(now: Now = () => undefined): HostFunctions {
  return {
    'strings.any_prefix_match': anyMatch((text, prefix) => text.startsWith(prefix)),
    'strings.any_suffix_match': anyMatch((text, suffix) => text.endsWith(suffix)),
    'strings.count': countOf,
    ...limitedBuiltins(now),
  }
}

/** What one call may take: a module has no fuel of its own. */
const stepsMax = 1_000_000

/**
 * The functions of the plan's engine that no module has by itself. `regex.split` is not among them: the package has one, by JavaScript's
 * own patterns, that cannot be replaced.
 */
function limitedBuiltins(now: Now): HostFunctions {
  const meter = new Meter()
  const times = timeBuiltins(meter, now)
  const builtins = { ...regexBuiltins(meter), ...times }
  const limited =
    (builtin: Builtin | undefined): HostFunction =>
    (...values) => {
      meter.left = stepsMax
      return builtin?.(...(values as readonly Value[]))
    }
  const names = ['regex.find_n', 'regex.replace', 'regex.template_match', ...Object.keys(times)]
  return Object.fromEntries(names.map((name) => [name, limited(builtins[name])]))
}

/** OPA `strings.any_prefix_match` and its sister: whether any of the strings has any of the affixes. */
function anyMatch(matches: (text: string, affix: string) => boolean): HostFunction {
  return (search, base) => {
    const [all, affixes] = [textsIn(search), textsIn(base)]
    if (all === undefined || affixes === undefined) return undefined
    return all.some((text) => affixes.some((affix) => matches(text, affix)))
  }
}

/** OPA `strings.count`: how often, without overlap; Go counts the places between code points for an empty one. */
function countOf(search: unknown, substring: unknown): number | undefined {
  if (typeof search !== 'string' || typeof substring !== 'string') return undefined
  if (substring === '') return Array.from(search).length + 1
  return search.split(substring).length - 1
}

/** One string, or an array or a set of nothing else. */
function textsIn(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  const isList = Array.isArray(value) && value.every((member) => typeof member === 'string')
  return isList ? value : undefined
}
