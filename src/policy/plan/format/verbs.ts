import { escapeLetter, isPrintable, quoteText } from '../literal.ts'
import type { Argument, Flags } from './directive.ts'
import { formatFloat } from './float.ts'
import type { FloatForm } from './float.ts'

/** One argument as Go's verb has it, or Go's complaint that the verb knows no such value. */
export function formatArgument(argument: Argument, verb: string, flags: Flags): string {
  if (verb === 'T') return padded(truncated(argument.type, flags), flags)
  const text = formatKnown(argument, verb, flags)
  return text ?? `%!${verb}(${namedArgument(argument, flags)})`
}

/** As Go shows what it cannot use, or has too much of: its type, and its value as `%v`. */
export function namedArgument(argument: Argument, flags: Flags): string {
  return `${argument.type}=${formatKnown(argument, 'v', flags) ?? ''}`
}

/** Undefined: the verb is none for it. */
function formatKnown(argument: Argument, verb: string, flags: Flags): string | undefined {
  if (argument.type === 'string') return formatString(argument.value, verb, flags)
  if (argument.type === 'float64') return formatDouble(argument.value, verb, flags)
  return argument.type === 'int64'
    ? formatInteger(argument.value, verb, flags)
    : formatBigInteger(argument.value, verb, flags)
}

function formatString(text: string, verb: string, flags: Flags): string | undefined {
  if (verb === 's' || (verb === 'v' && !flags.sharpV)) return padded(truncated(text, flags), flags)
  if (verb === 'x' || verb === 'X') return formatOctets(text, verb, flags)
  if (verb !== 'q' && verb !== 'v') return undefined
  const short = truncated(text, flags)
  // oxlint-disable-next-line no-control-regex -- Go's own rule of what a raw string may hold
  const isRaw = flags.sharp && !/[\x00-\x08\x0a-\x1f\x7f`\ufeff]/.test(short)
  return padded(isRaw ? `\`${short}\`` : quoteText(short, { ascii: flags.plus }), flags)
}

function formatOctets(text: string, verb: 'x' | 'X', flags: Flags): string {
  const octets = Buffer.from(text)
  const kept = octets.subarray(0, flags.precision ?? octets.length)
  const pairs = kept.toString('hex').match(/../g) ?? []
  const [prefix, form] = [flags.sharp ? '0x' : '', flags.space ? ' ' : '']
  const joined = flags.space
    ? pairs.map((pair) => prefix + pair).join(form)
    : (pairs.length > 0 ? prefix : '') + pairs.join('')
  return padded(verb === 'x' ? joined : joined.toUpperCase(), flags)
}

/** What reads as a double has a form of its own for each verb. */
const floatForms: Readonly<Record<string, readonly [form: FloatForm, precision: number]>> = {
  v: ['g', -1],
  b: ['b', -1],
  g: ['g', -1],
  G: ['G', -1],
  x: ['x', -1],
  X: ['X', -1],
  f: ['f', 6],
  F: ['f', 6],
  e: ['e', 6],
  E: ['E', 6],
}

function formatDouble(value: number, verb: string, flags: Flags): string | undefined {
  const known = Object.hasOwn(floatForms, verb) ? floatForms[verb] : undefined
  if (known === undefined) return undefined
  const [form, otherwise] = known
  const precision = flags.precision ?? otherwise
  const magnitude = formatFloat(Math.abs(value), form, precision)
  const text = flags.sharp && form !== 'b' ? withPoint(magnitude, form, precision) : magnitude
  const sign = signOf(value < 0, flags)
  const zeros = sign === '' ? padded(text, flags) : undefined
  if (zeros !== undefined) return zeros
  if (!flags.zero || flags.minus) return padded(sign + text, flags)
  return sign + text.padStart((flags.width ?? 0) - 1, '0')
}

function signOf(isNegative: boolean, { plus, space }: Flags): string {
  if (isNegative) return '-'
  if (plus) return '+'
  return space ? ' ' : ''
}

/** The flag `#`: a point always, and the zeros that `g` leaves away. */
function withPoint(text: string, form: FloatForm, precision: number): string {
  const [, mantissa = '', tail = ''] =
    (form === 'x' || form === 'X' ? /^(.*?)([pP].*)?$/ : /^(.*?)([eE].*)?$/).exec(text) ?? []
  const counted = form === 'g' || form === 'G' || form === 'x'
  let wanted = counted ? (precision === -1 ? 6 : precision) : 0
  // Go counts the letter x of a hexadecimal number among its digits.
  wanted -= mantissa.replace('.', '').replace(/^0+/, '').length
  if (mantissa === '0') wanted -= 1
  const zeros = '0'.repeat(Math.max(wanted, 0))
  return `${mantissa}${mantissa.includes('.') ? '' : '.'}${zeros}${tail}`
}

const bases: Readonly<Record<string, number>> = { v: 10, d: 10, b: 2, o: 8, O: 8, x: 16, X: 16 }

function formatInteger(value: bigint, verb: string, flags: Flags): string | undefined {
  if (verb === 'c' || verb === 'q' || verb === 'U') return formatLetter(value, verb, flags)
  const base = Object.hasOwn(bases, verb) ? bases[verb] : undefined
  if (base === undefined) return undefined
  const { precision, width = 0 } = flags
  const spaces = { ...flags, zero: false }
  if (precision === 0 && value === 0n) return padded('', spaces)
  const sign = signOf(value < 0n, flags)
  const isFilled = precision === undefined && flags.zero && !flags.minus
  const least = precision ?? (isFilled ? width - sign.length : 0)
  const digits = digitsOf(value, base, verb).padStart(least, '0')
  return padded(sign + prefixOf(verb, digits, flags.sharp) + digits, spaces)
}

function digitsOf(value: bigint, base: number, verb: string): string {
  const digits = (value < 0n ? -value : value).toString(base)
  return verb === 'X' ? digits.toUpperCase() : digits
}

function prefixOf(verb: string, digits: string, sharp: boolean): string {
  const octal = sharp && (verb === 'o' || verb === 'O') && !digits.startsWith('0') ? '0' : ''
  if (verb === 'O') return `0o${octal}`
  if (!sharp) return ''
  if (verb === 'b') return '0b'
  return verb === 'x' || verb === 'X' ? `0${verb}` : octal
}

/** Of math/big, which pads and prefixes by rules of its own, and knows no letters. */
function formatBigInteger(value: bigint, verb: string, flags: Flags): string | undefined {
  const base = verb === 's' ? 10 : Object.hasOwn(bases, verb) ? bases[verb] : undefined
  if (base === undefined) return `%!${verb}(big.Int=${value})`
  const all: Flags = {
    ...flags,
    plus: flags.plus || flags.plusV,
    sharp: (flags.sharp || flags.sharpV) && verb !== 'O',
  }
  const sign = signOf(value < 0n, all)
  const { precision, width = 0 } = flags
  const bare = digitsOf(value, base, verb)
  const prefix = verb === 'o' && all.sharp ? '0' : prefixOf(verb, bare, all.sharp)
  const isFilled = precision === undefined && flags.zero && !flags.minus
  const least = precision ?? (isFilled ? width - sign.length - prefix.length : 0)
  return padded(sign + prefix + bare.padStart(least, '0'), { ...flags, zero: false })
}

const lastCode = 0x10_ffffn

/** A number as the letter whose code it is. */
function formatLetter(value: bigint, verb: 'c' | 'q' | 'U', flags: Flags): string {
  const code = BigInt.asUintN(64, value)
  const isSurrogate = code >= 0xd800n && code <= 0xdfffn
  const letter = code <= lastCode && !isSurrogate ? String.fromCodePoint(Number(code)) : '\ufffd'
  if (verb === 'c') return padded(letter, flags)
  if (verb === 'q')
    return padded(`'${escapeLetter(letter, { quote: "'", ascii: flags.plus })}'`, flags)
  const digits = code
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(flags.precision ?? 0, 4), '0')
  const isShown = flags.sharp && code <= lastCode && !isSurrogate && isPrintable(letter)
  return padded(`U+${digits}${isShown ? ` '${letter}'` : ''}`, { ...flags, zero: false })
}

function truncated(text: string, { precision }: Flags): string {
  if (precision === undefined || text.length <= precision) return text
  return Array.from(text).slice(0, precision).join('')
}

/** Go counts letters. Zeros are only ever to the left, where they are put before anything, as Go does. */
function padded(text: string, { width = 0, minus, zero }: Flags): string {
  if (text.length >= width * 2) return text
  const missing = width - Array.from(text).length
  if (missing <= 0) return text
  if (minus) return text + ' '.repeat(missing)
  return (zero ? '0' : ' ').repeat(missing) + text
}
