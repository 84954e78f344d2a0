import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net'

/** An address as all of its spellings are written here; undefined for what is none, or has a zone. */
export function parseAddress(text: string): string | undefined {
  const family = text.includes('%') ? 0 : isIP(text)
  if (family === 0) return undefined
  return family === 4 ? text : new SocketAddress({ address: text, family: 'ipv6' }).address
}

/** Four octets, or sixteen. */
export function formatAddress(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.')
  const groups = octets.toString('hex').match(/.{4}/g) ?? []
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
}

/** Ranges of addresses, as `10.0.0.0/8`. Undefined for what is none. */
export function parseRanges(texts: readonly string[]): BlockList | undefined {
  const list = new BlockList()
  for (const text of texts) {
    const [, network = '', digits = ''] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(text) ?? []
    const family = isIP(network)
    if (family === 0 || Number(digits) > (family === 4 ? 32 : 128)) return undefined
    list.addSubnet(network, Number(digits), family === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

export function isWithin(ranges: BlockList, address: string): boolean {
  return ranges.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/**
 * Where no node is reached by others: this machine, the link, nobody, many. An address of IPv4 in one of IPv6 is one that verifiers may read
 * as either.
 */
const nowhere = parseRanges([
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  'fe80::/10',
  'ff00::/8',
])

export function isNowhere(address: string): boolean {
  const isMapped = mappedAddress(address) !== undefined
  return isMapped || nowhere === undefined || isWithin(nowhere, address)
}

/** The address of IPv4 that stands in one of IPv6 (RFC 4291 §2.5.5.2), if any. */
export function mappedAddress(address: string): string | undefined {
  return /^::ffff:(.*\..*)$/.exec(address)?.[1]
}
