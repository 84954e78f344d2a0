import { isIP } from 'node:net'

/** A range of addresses of one family. */
interface Range {
  readonly bits: 32 | 128
  readonly first: bigint
  readonly last: bigint
}

/** Whether a range holds another, or an address. Undefined where OPA has an error: what is neither. */
export function containsCidr(range: string, other: string): boolean | undefined {
  const outer = parseCidr(range)
  const inner = parseCidr(
    other.includes('/') ? other : `${other}/${other.includes(':') ? 128 : 32}`,
  )
  if (outer === undefined || inner === undefined) return undefined
  return outer.bits === inner.bits && outer.first <= inner.first && inner.last <= outer.last
}

export function intersectsCidr(one: string, other: string): boolean | undefined {
  const [a, b] = [parseCidr(one), parseCidr(other)]
  if (a === undefined || b === undefined) return undefined
  return a.bits === b.bits && a.first <= b.last && b.first <= a.last
}

/** RFC 4632 §3.1 and RFC 4291 §2.3, as Go's net.ParseCIDR takes them. */
function parseCidr(text: string): Range | undefined {
  const [, address = '', prefix = ''] = /^([^/%]{1,64})\/(0|[1-9]\d{0,2})$/.exec(text) ?? []
  const family = isIP(address)
  if (family === 0) return undefined
  const bits = family === 4 ? 32 : 128
  const length = Number(prefix)
  if (length > bits) return undefined
  const value = family === 4 ? parseIpv4(address) : parseIpv6(address)
  const host = (1n << BigInt(bits - length)) - 1n
  return { bits, first: value & ~host, last: value | host }
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
