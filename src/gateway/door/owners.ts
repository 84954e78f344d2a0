import type { Account } from '../shares.ts'

/**
 * Whose addresses are, as far as certificates have shown. Before its handshake is done nothing is known of a connection but its address:
 * by what came from there before it stands in the line of its tenant, and a tenant has no more turns by having more addresses.
 */
export interface Owners {
  /** The account of a connection from this address. */
  of(address: string): Account
  /** Its tenant; the address itself where that is not known. */
  partyOf(address: string): string
  learn(address: string, account: Account): void
}

/** Those learned last. */
const knownMax = 16_384

export function createOwners(): Owners {
  /** `undefined`: several tenants have come from there, so it is nobody's. */
  const known = new Map<string, Account | undefined>()
  return {
    of: (address) => known.get(address) ?? strangersAt(address),
    partyOf(address) {
      const account = known.get(address)
      return account === undefined ? address : `tenant ${account[0]}`
    },
    learn(address, account) {
      const before = known.get(address)
      const isOfSeveral = known.has(address) && before?.[0] !== account[0]
      known.delete(address)
      const [oldest] = known.keys()
      if (known.size >= knownMax && oldest !== undefined) known.delete(oldest)
      known.set(address, isOfSeveral ? undefined : account)
    },
  }
}

/** An address of which nobody is known: with its neighbours, who are most often on the same node. No tenant is called so. */
function strangersAt(address: string): Account {
  return [`addresses ${prefixOf(address)}`, `address ${address}`, `address ${address}`]
}

/** 24 bits of an address of IPv4, 64 of one of IPv6. */
export function prefixOf(address: string): string {
  const [bare = ''] = address.split('%', 1)
  const [, old] = /^(?:::ffff:)?([0-9]+\.[0-9]+\.[0-9]+)\.[0-9]+$/i.exec(bare) ?? []
  if (old !== undefined) return old
  const [head = [], tail = []] = bare.split('::').map((part) => part.split(':').filter(Boolean))
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0')
  return [...head, ...zeros, ...tail].slice(0, 4).join(':')
}
