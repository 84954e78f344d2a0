import { createBuiltins } from './plan/builtins/builtins.ts'
import type { Builtin, Now } from './plan/builtins/signature.ts'
import { Meter } from './plan/meter.ts'
import type { Value } from './plan/values.ts'

/** Undefined: OPA has an error there, which makes the expression undefined. */
type HostFunction = (...values: readonly Value[]) => Value | undefined

export type HostFunctions = Readonly<Record<string, HostFunction>>

/** What no module does by itself. */
const names = [
  'io.jwt.decode',
  'net.cidr_is_valid',
  'object.subset',
  'regex.find_n',
  'regex.replace',
  'regex.split',
  'regex.template_match',
  'semver.compare',
  'semver.is_valid',
  'sprintf',
  'strings.any_prefix_match',
  'strings.any_suffix_match',
  'strings.count',
  'time.add_date',
  'time.clock',
  'time.date',
  'time.diff',
  'time.format',
  'time.now_ns',
  'time.parse_duration_ns',
  'time.parse_ns',
  'time.parse_rfc3339_ns',
  'time.weekday',
  'units.parse',
  'units.parse_bytes',
]

/** What one call may take: a module has no fuel of its own. */
const stepsMax = 1_000_000

/**
 * The functions that a policy module may call out for: the plan's own, all pure but for the time of the decision.
 * `policies/capabilities.json` lists the same names: with it `opa check` and `opa build` refuse the rest before a bundle exists. No
 * network, no clock, no randomness, ever. What throws ends the whole evaluation, and what forgives a wrong type would answer where OPA
 * does not.
 */
export function createHostFunctions(now: Now = () => undefined): HostFunctions {
  const meter = new Meter()
  const builtins = createBuiltins(meter, now)
  const limited =
    (builtin: Builtin | undefined): HostFunction =>
    (...values) => {
      meter.left = stepsMax
      return builtin?.(...values)
    }
  return Object.fromEntries(names.map((name) => [name, limited(builtins[name])]))
}
