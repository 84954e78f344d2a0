/** On whose account something is taken. Each name has a share of its own, and what it takes is taken of the share before it, too. */
export type Account = readonly [tenant: string, namespace: string, identity: string]

/** Of what there is too much, where something cannot be taken: of one party, or of everybody together. */
export type Full = 'identity' | 'namespace' | 'tenant' | 'gateway'

/** What one party gets while nobody else is there, but for the eighth. */
export interface SharePercents {
  readonly tenantSharePercent: number
  readonly namespaceSharePercent: number
  /** Of one SPIFFE ID. */
  readonly identitySharePercent: number
}

/** This part of everything is for those who hold nothing yet. */
const firstsPart = 1 / 8

/**
 * Something that there is so much of, for all callers together. A party may take more while it holds less than so many times what is
 * left free (dynamic thresholds, as switches share their buffers: Choudhury and Hahne 1998), but for an eighth, of which each party gets
 * its first alone. So who is alone leaves something to those who may come, each gets less the more there are, and who holds nothing gets some
 * as long as there is any. By default, of 128 places a tenant that is alone gets 56, one of its namespaces 45, one SPIFFE ID 28; and of
 * tenants that hold on to all that they may have, it takes more than twenty to leave none.
 */
export interface Shares {
  /** Undefined: taken. Else nothing is. */
  take(account: Account, amount?: number): Full | undefined
  /** Gives back what was taken. */
  give(account: Account, amount?: number): void
  /** What it is that `take` would say, with one look less. */
  full(account: Account, amount?: number): Full | undefined
  /** Whether one party of the account, by its place there, may take more. */
  hasRoom(level: number, name: string): boolean
  readonly free: number
}

export const levels = ['tenant', 'namespace', 'identity'] as const

export function createShares(max: number, percents: SharePercents): Shares {
  const taken = levels.map((level) => {
    const percent = percents[`${level}SharePercent`]
    // Who may hold so many times what is left free ends up with the percentage of it all.
    return { times: percent / (100 - percent), amounts: new Map<string, number>() }
  })
  const firsts = Math.floor(max * firstsPart)
  let free = max

  function hasRoom(level: number, name: string): boolean {
    const share = taken[level]
    const held = share?.amounts.get(name) ?? 0
    return held === 0 ? free > 0 : held < (share?.times ?? 0) * (free - firsts)
  }
  function full(account: Account, amount = 1): Full | undefined {
    if (free < amount) return 'gateway'
    // The smallest party first: it is the one that can do something about it.
    for (let level = levels.length - 1; level >= 0; level -= 1) {
      if (!hasRoom(level, account[level] ?? '')) return levels[level]
    }
    return undefined
  }
  function add(account: Account, amount: number): void {
    free -= amount
    for (const [level, { amounts }] of taken.entries()) {
      const name = account[level] ?? ''
      const held = (amounts.get(name) ?? 0) + amount
      if (held > 0) amounts.set(name, held)
      else amounts.delete(name)
    }
  }
  return {
    take(account, amount = 1) {
      const refused = full(account, amount)
      if (refused === undefined) add(account, amount)
      return refused
    },
    give: (account, amount = 1) => add(account, -amount),
    full,
    hasRoom,
    get free() {
      return free
    },
  }
}

/** Smaller answers are bounded by how many requests may be open, where a request has one. */
export const countedOctetsMin: number = 64 * 1024

/** Memory for octets, as far as it is there for one party. */
export interface OctetRoom {
  /** Undefined: taken. Else nothing is. */
  take(octets: number): Full | undefined
  give(octets: number): void
}

/** What answers may take of memory, from the first octet that a tool server gives to the last that the caller reads: the share of whose they are. */
export interface Unsent extends OctetRoom {
  /** How long one answer may take to be read. */
  readonly secondsMax: number
}

/** What request bodies may take of memory, from their first octet to the end of the answer: the share of whose they are. */
export type BodyRoom = OctetRoom

/** What one thing has taken of it, until it ends: nothing is given back twice. */
export class Hold implements OctetRoom {
  readonly #room: OctetRoom
  #octets = 0

  constructor(room: OctetRoom) {
    this.#room = room
  }

  get octets(): number {
    return this.#octets
  }

  take(octets: number): Full | undefined {
    const full = this.#room.take(octets)
    if (full === undefined) this.#octets += octets
    return full
  }

  give(octets: number): void {
    const given = Math.min(octets, this.#octets)
    this.#octets -= given
    this.#room.give(given)
  }

  end(): void {
    this.give(this.#octets)
  }
}

/** The account of a workload. A namespace without a tenant is one of its own. */
export function accountOf(identity: {
  readonly tenant?: string
  readonly namespace: { readonly name: string }
  readonly spiffeId: { readonly uri: string }
}): Account {
  const { tenant, namespace, spiffeId } = identity
  const { name } = namespace
  // All of another trust domain is one tenant, however many namespaces it has: no namespace of ours has a slash.
  const slash = name.indexOf('/')
  if (slash > 0) return [`trust domain ${name.slice(0, slash)}`, name, spiffeId.uri]
  // No name of a tenant holds a space: the two kinds never meet.
  return [tenant ?? `namespace ${name}`, name, spiffeId.uri]
}
