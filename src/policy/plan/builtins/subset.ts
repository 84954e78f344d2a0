import type { Meter } from '../meter.ts'
import { dot, entriesOf, equal, isArray, isObject, isSet } from '../values.ts'
import type { AnyObject, RegoSet, Value } from '../values.ts'
import type { Builtins } from './signature.ts'

/** `object.subset`: whether all of the second is in the first, however deep; of an array, in one piece. */
export function subsetBuiltins(meter: Meter): Builtins {
  /** Undefined: they are not of one kind. */
  const holds = (all: Value, part: Value): boolean | undefined => {
    if (isSet(all)) return isSet(part) ? holdsSet(all, part) : undefined
    if (isArray(all)) return isArray(part) ? holdsArray(all, part) : undefined
    return isObject(all) && isObject(part) && !isSet(part) ? holdsObject(all, part) : undefined
  }
  const holdsObject = (all: AnyObject, part: AnyObject): boolean =>
    entriesOf(part).every(([key, member]) => {
      meter.spend(1)
      const found = dot(all, key)
      if (found === undefined) return false
      return equal(found, member, meter) || holds(found, member) === true
    })
  const holdsSet = (all: RegoSet, part: RegoSet): boolean => {
    meter.spend(part.size)
    return part.members.every((member) => all.has(member))
  }
  const holdsArray = (all: readonly Value[], part: readonly Value[]): boolean => {
    for (let start = 0; start + part.length <= all.length; start += 1) {
      const isHere = part.every((member, at) => {
        meter.spend(1)
        return equal(all[start + at], member, meter)
      })
      if (isHere) return true
    }
    return false
  }
  /** As OPA counts: a member that an array has twice stands for two. */
  const holdsMembers = (all: readonly Value[], part: RegoSet): boolean => {
    let missing = part.size
    return all.some((member) => {
      meter.spend(1)
      if (part.has(member)) missing -= 1
      return missing === 0
    })
  }
  return {
    'object.subset': (all, part) => {
      if (all === undefined || part === undefined) return undefined
      return isArray(all) && isSet(part) ? holdsMembers(all, part) : holds(all, part)
    },
  }
}
