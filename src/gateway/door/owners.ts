import type { Account } from '../../shares.ts'

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

/**
 * How long a tenant keeps an address from being another's alone after it was last seen there. Addresses of pods are used again: without
 * an end to it those of a whole node would be nobody's after some days.
 */
const sharedMilliseconds = 600_000

interface Known {
  /** The newest, and when it was last seen there. */
  readonly account: Account
  readonly seenAt: number
  /** When another tenant last was. */
  readonly otherSeenAt: number
}

/** `now`: milliseconds since the epoch. */
export function createOwners(now: () => number): Owners {
  const known = new Map<string, Known>()

  /** Undefined where nobody has been seen, and where several tenants come from: that is nobody's. */
  function ownerOf(address: string): Account | undefined {
    const found = known.get(address)
    if (found === undefined || now() - found.otherSeenAt <= sharedMilliseconds) return undefined
    return found.account
  }
  function otherSeenAt(before: Known | undefined, [tenant]: Account): number {
    if (before === undefined) return Number.NEGATIVE_INFINITY
    return before.account[0] === tenant ? before.otherSeenAt : before.seenAt
  }
  return {
    of: (address) => ownerOf(address) ?? strangersAt(address),
    partyOf(address) {
      const account = ownerOf(address)
      return account === undefined ? address : `tenant ${account[0]}`
    },
    learn(address, account) {
      const before = known.get(address)
      known.delete(address)
      const [oldest] = known.keys()
      if (known.size >= knownMax && oldest !== undefined) known.delete(oldest)
      known.set(address, {
        account,
        seenAt: now(),
        otherSeenAt: otherSeenAt(before, account),
      })
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
