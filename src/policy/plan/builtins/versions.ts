import type { Meter } from '../meter.ts'
import type { Value } from '../values.ts'
import { isText } from './signature.ts'
import type { Builtins } from './signature.ts'

/** A semantic version; what was built of it counts for nothing. */
interface Version {
  /** Major, minor and patch. */
  readonly numbers: readonly bigint[]
  /** None of a release. */
  readonly preRelease: readonly string[]
}

/** Go keeps a number in 64 bits: a larger one is no version's, and one of a pre-release counts as the largest. */
const numberMax = 2n ** 63n - 1n

/** SemVer 2.0.0 §2, with the `v` before it that OPA takes away. */
const form =
  /^v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/

const leadingZero = /^0\d+$/
const digits = /^\d+$/

/** More digits than the largest number has. */
const digitsMax = 19

export function versionBuiltins(meter: Meter): Builtins {
  const parse = (v: Value | undefined): Version | undefined => {
    if (!isText(v)) return undefined
    // Each letter may be a part by itself.
    meter.spend(1 + (v.length >>> 2))
    return parseVersion(v)
  }
  return {
    'semver.is_valid': (v) => parse(v) !== undefined,
    'semver.compare': (a, b) => {
      const [one, other] = [parse(a), parse(b)]
      return one === undefined || other === undefined ? undefined : compareVersions(one, other)
    },
  }
}

function parseVersion(text: string): Version | undefined {
  const [, major = '', minor = '', patch = '', preRelease, metadata] = form.exec(text) ?? []
  const numbers = [major, minor, patch].map(numberOf)
  if (major === '' || numbers.some((n) => n > numberMax)) return undefined
  const parts = preRelease?.split('.') ?? []
  const isPart = (part: string): boolean => part !== '' && !leadingZero.test(part)
  if (!parts.every(isPart) || metadata?.split('.').includes('') === true) return undefined
  return { numbers, preRelease: parts }
}

function numberOf(text: string): bigint {
  return text.length > digitsMax ? numberMax + 1n : BigInt(text)
}

/** SemVer 2.0.0 §11. */
function compareVersions(a: Version, b: Version): number {
  for (const [at, n] of a.numbers.entries()) {
    const other = b.numbers[at] ?? 0n
    if (n !== other) return n < other ? -1 : 1
  }
  const [p, q] = [a.preRelease, b.preRelease]
  if (p.length === 0 || q.length === 0) return Math.sign(q.length - p.length)
  for (const [at, part] of p.entries()) {
    const other = q[at]
    if (other === undefined) return 1
    const order = compareParts(part, other)
    if (order !== 0) return order
  }
  return p.length < q.length ? -1 : 0
}

function compareParts(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [digits.test(a), digits.test(b)]
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1
  if (!isNumber) return a < b ? -1 : a > b ? 1 : 0
  const [x, y] = [a, b].map((text) => (numberOf(text) > numberMax ? numberMax : numberOf(text)))
  return x === y ? 0 : (x ?? 0n) < (y ?? 0n) ? -1 : 1
}
