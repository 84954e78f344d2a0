import { isIP } from 'node:net'

type Family = 4 | 6

interface Address {
  readonly family: Family
  readonly value: bigint
}

/** A range as Go compares it: what is written as an IPv4-mapped IPv6 range is one of IPv4 (RFC 4291 §2.5.5.2). */
interface Range {
  readonly family: Family
  readonly first: bigint
  readonly last: bigint
}

/** Whether a range holds another, or an address. Undefined where OPA has an error: what is neither. */
export function containsCidr(range: string, other: string): boolean | undefined {
  const outer = parseCidr(range)
  if (outer === undefined) return undefined
  const inner = other.includes('/') ? parseCidr(other) : parseAddress(other)
  if (inner === undefined) return undefined
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last
}

export function intersectsCidr(one: string, other: string): boolean | undefined {
  const [a, b] = [parseCidr(one), parseCidr(other)]
  if (a === undefined || b === undefined) return undefined
  return a.family === b.family && a.first <= b.last && b.first <= a.last
}

export function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined
}

/** RFC 4632 §3.1 and RFC 4291 §2.3, as Go's net.ParseCIDR takes them: the length may have zeros before it. */
function parseCidr(text: string): Range | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const [, digits = ''] = /^0*(\d{1,3})$/.exec(text.slice(slash + 1)) ?? []
  const written = parseWritten(text.slice(0, slash))
  if (written === undefined || digits === '') return undefined
  // The length counts from the start of what is written, mapped or not.
  const bits = written.family === 4 ? 32 : 128
  const length = Number(digits)
  if (length > bits) return undefined
  const rest = (1n << BigInt(bits - length)) - 1n
  const start = unmapped({ family: written.family, value: written.value & ~rest })
  return { family: start.family, first: start.value, last: start.value | rest }
}

/** Go's net.ParseIP, as the range that it is alone. */
function parseAddress(text: string): Range | undefined {
  const written = parseWritten(text)
  if (written === undefined) return undefined
  const { family, value } = unmapped(written)
  return { family, first: value, last: value }
}

function unmapped(address: Address): Address {
  const isMapped = address.family === 6 && address.value >> 32n === 0xffffn
  return isMapped ? { family: 4, value: address.value & 0xffff_ffffn } : address
}

function parseWritten(text: string): Address | undefined {
  // `isIP` takes a zone, Go takes none here.
  const family = text.includes('%') ? 0 : isIP(text)
  if (family === 0) return undefined
  return family === 4
    ? { family: 4, value: parseIpv4(text) }
    : { family: 6, value: parseIpv6(text) }
}

function parseIpv4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function parseIpv6(text: string): bigint {
  const [, start, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? []
  if (dotted !== undefined) {
    const low = parseIpv4(dotted)
    return parseIpv6(`${start}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`)
  }
  const [left = [], right = []] = text
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  const groups = [...left, ...zeros, ...right]
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n)
}
