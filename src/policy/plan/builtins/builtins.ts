import { containsCidr, intersectsCidr, isCidr } from '../cidr.ts'
import type { Meter } from '../meter.ts'
import { isNumber } from '../numbers.ts'
import { compare, equal, isArray, isSet } from '../values.ts'
import type { Value } from '../values.ts'
import { collectionBuiltins } from './collections.ts'
import { encodingBuiltins } from './encodings.ts'
import { globBuiltins } from './glob.ts'
import { numberBuiltins } from './numbers.ts'
import { objectBuiltins } from './objects.ts'
import { pathBuiltins } from './paths.ts'
import { regexBuiltins } from './regex.ts'
import { isText } from './signature.ts'
import type { Builtin, Builtins, Now } from './signature.ts'
import { sprintfBuiltins } from './sprintf.ts'
import { stringBuiltins } from './strings.ts'
import { subsetBuiltins } from './subset.ts'
import { templateBuiltins } from './templates.ts'
import { timeBuiltins } from './time.ts'
import { unitBuiltins } from './units.ts'
import { versionBuiltins } from './versions.ts'
import { tokenBuiltins } from './tokens.ts'

/**
 * The functions of `policies/capabilities.json`, with OPA's answers to arguments of the wrong type too. All are pure but `time.now_ns`,
 * which is what `now` says: nothing where there is no decision.
 */
export function createBuiltins(meter: Meter, now: Now = () => undefined): Builtins {
  return {
    ...comparisons(meter),
    ...typeTests,
    ...numberBuiltins(meter),
    ...collectionBuiltins(meter),
    ...objectBuiltins(meter),
    ...subsetBuiltins(meter),
    ...pathBuiltins(meter),
    ...stringBuiltins(meter),
    ...sprintfBuiltins(meter),
    ...encodingBuiltins(meter),
    ...regexBuiltins(meter),
    ...globBuiltins(meter),
    ...templateBuiltins(meter),
    ...timeBuiltins(meter, now),
    ...unitBuiltins(meter),
    ...versionBuiltins(meter),
    ...tokenBuiltins(meter),
    'net.cidr_contains': ofRanges(meter, containsCidr),
    'net.cidr_intersects': ofRanges(meter, intersectsCidr),
    'net.cidr_is_valid': (v) => {
      if (!isText(v)) return false
      meter.spendText(v.length)
      return isCidr(v)
    },
  }
}

function ofRanges(meter: Meter, work: (a: string, b: string) => boolean | undefined): Builtin {
  return (a, b) => {
    if (!isText(a) || !isText(b)) return undefined
    meter.spendText(a.length + b.length)
    return work(a, b)
  }
}

function comparisons(meter: Meter): Builtins {
  const ordered =
    (holds: (order: number) => boolean): Builtin =>
    (a, b) =>
      holds(compare(a, b, meter))
  return {
    equal: (a, b) => equal(a, b, meter),
    neq: (a, b) => !equal(a, b, meter),
    lt: ordered((order) => order < 0),
    lte: ordered((order) => order <= 0),
    gt: ordered((order) => order > 0),
    gte: ordered((order) => order >= 0),
  }
}

function typeName(v: Value | undefined): string {
  if (v === null) return 'null'
  if (isNumber(v)) return 'number'
  if (isArray(v)) return 'array'
  return isSet(v) ? 'set' : typeof v
}

const typeTests: Builtins = {
  is_array: (v) => typeName(v) === 'array',
  is_boolean: (v) => typeName(v) === 'boolean',
  is_null: (v) => typeName(v) === 'null',
  is_number: (v) => typeName(v) === 'number',
  is_object: (v) => typeName(v) === 'object',
  is_set: (v) => typeName(v) === 'set',
  is_string: (v) => typeName(v) === 'string',
  type_name: typeName,
}
