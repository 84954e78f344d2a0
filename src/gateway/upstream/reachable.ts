import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'

/**
 * Addresses where no tool server stands: of the link (cloud metadata among them), of nobody, of many, and forms that a translator makes
 * another address of (RFC 6890; 6to4, NAT64 and site-local forms slipped past the checks of others, CVE-2026-44430).
 */
const unfit: readonly (readonly [address: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  // Metadata of Azure, Oracle and Alibaba outside the link.
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
  ['100.100.100.200', 32],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  // Metadata of AWS and Google.
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
]
const loopback: readonly (readonly [address: string, bits: number])[] = [
  ['127.0.0.0', 8],
  ['::1', 128],
]

/** An address of IPv4 that is written as one of IPv6 is the same address to these lists. */
function listOf(ranges: typeof unfit): BlockList {
  const list = new BlockList()
  for (const [address, bits] of ranges) {
    list.addSubnet(address, bits, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  return list
}
const unfitList = listOf(unfit)
const loopbackList = listOf(loopback)
/** RFC 4291 §2.5.5.1: octets of IPv4 in an address that is neither one nor the other. */
const compatible = new BlockList()
compatible.addSubnet('::', 96, 'ipv6')

/** Whether configuration says that the tool server is on the gateway's own machine. */
export function isLoopbackHost(host: string): boolean {
  if (isIP(host) !== 0) return isIn(loopbackList, host)
  return /(^|\.)localhost\.?$/i.test(host)
}

/** Whether a tool server may stand at an address; `mayLoop`: on this machine, too. */
export function isReachable(address: string, mayLoop: boolean): boolean {
  if (isIP(address) === 0) return false
  if (isIn(loopbackList, address)) return mayLoop
  return !isIn(unfitList, address) && !(isIPv6(address) && isIn(compatible, address))
}

function isIn(list: BlockList, address: string): boolean {
  // A zone (`fe80::1%eth0`) is no part of the address.
  const bare = address.split('%', 1)[0] ?? ''
  return list.check(bare, isIPv6(bare) ? 'ipv6' : 'ipv4')
}

export type Resolve = (
  name: string,
  options: LookupOptions & { readonly all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/**
 * Resolves a name for a connection, and gives only what may be connected to: between the check and the connection nothing is resolved
 * again. One address that may not be is enough to refuse them all, as whoever answers for the name chooses which of them is tried.
 */
export function checkedLookup(host: string, resolve: Resolve = systemLookup): LookupFunction {
  const mayLoop = isLoopbackHost(host)
  return (name, options, done) => {
    resolve(name, { ...options, all: true }, (error, addresses) => {
      const [first] = error === null ? addresses : []
      const unfitOne =
        error === null && addresses.find(({ address }) => !isReachable(address, mayLoop))
      if (error !== null) done(error, '', 0)
      else if (first === undefined) done(new Error(`${name} has no address`), '', 0)
      else if (unfitOne !== false && unfitOne !== undefined) {
        done(
          new Error(`${name} is at an address of no tool server, got=${unfitOne.address}`),
          '',
          0,
        )
      } else if (options.all === true) done(null, addresses)
      else done(null, first.address, first.family)
    })
  }
}
