import { decimalOf } from '../numbers.ts'
import type { Num } from '../numbers.ts'
import { isInt64 } from './instant.ts'

/** In nanoseconds. */
const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

/** Days, weeks and years, which OPA knows beside Go's units, in hours. */
const longUnits: Readonly<Record<string, number>> = { d: 24, w: 168, y: 8760 }

/** Half of what 64 bits hold: the most that Go counts to. */
const most = 1n << 63n

/** A duration as Go and OPA write it, in nanoseconds: `1h30m`, `1.5d`, `-2w`; undefined of a text that is none, or beyond 64 bits. */
export function parseDuration(text: string): bigint | undefined {
  const written = /[dwy]/.test(text) ? inHours(text) : text
  return written === undefined ? undefined : parseShort(written)
}

/** Every part with a number and a unit; with one of the longer ones it is made one of hours. */
function inHours(text: string): string | undefined {
  const part = /([\d.]+)(ms|us|\u00b5s|ns|[a-z])/y
  const [sign = ''] = /^[+-]/.exec(text) ?? []
  const written = [sign]
  part.lastIndex = sign.length
  for (let at = sign.length; at < text.length; at = part.lastIndex) {
    const [whole, digits = '', unit = ''] = part.exec(text) ?? []
    if (whole === undefined) return undefined
    const hours = Object.hasOwn(longUnits, unit)
      ? Number(digits) * (longUnits[unit] ?? 0)
      : undefined
    if (hours !== undefined && !Number.isFinite(hours)) return undefined
    written.push(hours === undefined ? whole : `${plainDigits(hours)}h`)
  }
  return written.length > 1 ? written.join('') : undefined
}

/** Without an exponent. */
function plainDigits(n: Num): string {
  const { c, e } = decimalOf(n)
  if (e >= 0) return `${c}${'0'.repeat(e)}`
  const digits = String(c).padStart(1 - e, '0')
  return `${digits.slice(0, e)}.${digits.slice(e)}`
}

function parseShort(text: string): bigint | undefined {
  const [sign = ''] = /^[+-]/.exec(text) ?? []
  if (text.slice(sign.length) === '0') return 0n
  const part = /(\d*)(?:\.(\d*))?([^\d.]+)/y
  part.lastIndex = sign.length
  let total: bigint | undefined
  for (let at = sign.length; at < text.length; at = part.lastIndex) {
    const own = ofPart(part.exec(text))
    if (own === undefined) return undefined
    // Go adds in 64 bits.
    total = BigInt.asUintN(64, (total ?? 0n) + own)
    if (total > most) return undefined
  }
  if (total === undefined) return undefined
  const signed = sign === '-' ? -total : total
  return isInt64(signed) ? signed : undefined
}

function ofPart(found: RegExpExecArray | null): bigint | undefined {
  const [, whole = '', fraction = '', unit = ''] = found ?? []
  if (whole + fraction === '' || !Object.hasOwn(units, unit)) return undefined
  const nanoseconds = units[unit] ?? 0n
  // More digits than that are beyond 64 bits, unless they are zeros.
  const count = BigInt(whole.replace(/^0+/, '').slice(0, 20))
  if (count > most / nanoseconds) return undefined
  const more = count * nanoseconds + partOf(fraction, nanoseconds)
  return more > most ? undefined : more
}

/** A fraction of a unit, calculated in doubles, like Go's. */
function partOf(fraction: string, nanoseconds: bigint): bigint {
  let [digits, scale] = [0n, 1]
  for (const digit of fraction) {
    if (digits > (most - 1n) / 10n) break
    const next = digits * 10n + BigInt(digit)
    if (next > most) break
    digits = next
    scale *= 10
  }
  return BigInt(Math.trunc(Number(digits) * (Number(nanoseconds) / scale)))
}
