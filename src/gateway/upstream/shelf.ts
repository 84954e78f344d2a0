import {
  createShares,
  levels,
  type Account,
  type Full,
  type Shares,
  type SharePercents,
} from '../../shares.ts'

/** Something that is kept for one caller, under a name of its own. */
export interface Owned {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  readonly account: Account
  readonly place: string
  /** Since it was last looked whether it may be forgotten. */
  wasUsed: boolean
}

/** Of all callers, in shares, and of one pod: who puts more loses its own first, and so do its namespace and its tenant. */
const allMax = 10_000
const ownMax = 256

/**
 * Keeps so many of each owner, and of all in shares. What was used since it was last looked at has a second chance, so that finding one
 * moves nothing; the next is forgotten.
 */
export class Shelf<T extends Owned> {
  readonly #shares: Shares
  readonly #forgotten: (entry: T) => void
  readonly #entries = new Map<string, T>()
  /** The places of each owner, identity, namespace and tenant, in the order in which they are looked at. */
  readonly #parties = new Map<string, Set<string>>()

  constructor(percents: SharePercents, forgotten: (entry: T) => void) {
    this.#shares = createShares(allMax, percents)
    this.#forgotten = forgotten
  }

  find(place: string): T | undefined {
    const entry = this.#entries.get(place)
    if (entry !== undefined) entry.wasUsed = true
    return entry
  }

  put(entry: T): void {
    // Else the newest would go where all the others are in use.
    entry.wasUsed = true
    this.#drop(entry.place)
    for (let one = this.#tooMany(entry); one !== undefined; one = this.#tooMany(entry)) {
      this.#forgetOne(one)
    }
    this.#add(entry)
  }

  /** In no order that means anything. */
  of(owner: string): readonly T[] {
    return [...(this.#parties.get(owner) ?? [])].flatMap((place) => this.#entries.get(place) ?? [])
  }

  takeOf(owner: string, isMeant: (entry: T) => boolean): readonly T[] {
    const places = [...(this.#parties.get(owner) ?? [])]
    return places.flatMap((place) => {
      const entry = this.#entries.get(place)
      return entry !== undefined && isMeant(entry) ? (this.#drop(place) ?? []) : []
    })
  }

  takeAll(isMeant: (entry: T) => boolean): readonly T[] {
    return [...this.#entries.values()].flatMap((entry) =>
      isMeant(entry) ? (this.#drop(entry.place) ?? []) : [],
    )
  }

  /** Those of whom one more is too many, the smallest party first. */
  #tooMany({ owner, account }: T): Iterable<string> | undefined {
    const own = this.#parties.get(owner)
    if (own !== undefined && own.size >= ownMax) return own
    const full = this.#shares.full(account)
    if (full === undefined) return undefined
    return full === 'gateway' ? this.#entries.keys() : this.#parties.get(partyOf(account, full))
  }

  #forgetOne(places: Iterable<string>): void {
    for (const place of places) {
      const entry = this.#entries.get(place)
      if (entry === undefined) continue
      if (!entry.wasUsed) {
        this.#drop(place)
        this.#forgotten(entry)
        return
      }
      entry.wasUsed = false
      this.#moveBack(entry)
    }
  }

  #add(entry: T): void {
    this.#shares.take(entry.account)
    this.#entries.set(entry.place, entry)
    for (const name of partiesOf(entry)) {
      const own = this.#parties.get(name) ?? new Set()
      this.#parties.set(name, own.add(entry.place))
    }
  }

  /** Behind all others; it counts as before. */
  #moveBack(entry: T): void {
    const { place } = entry
    this.#entries.delete(place)
    this.#entries.set(place, entry)
    for (const name of partiesOf(entry)) {
      const own = this.#parties.get(name)
      own?.delete(place)
      own?.add(place)
    }
  }

  #drop(place: string): T | undefined {
    const entry = this.#entries.get(place)
    if (entry === undefined) return undefined
    this.#entries.delete(place)
    this.#shares.give(entry.account)
    for (const name of partiesOf(entry)) {
      const own = this.#parties.get(name)
      own?.delete(place)
      if (own?.size === 0) this.#parties.delete(name)
    }
    return entry
  }
}

/** The names of all those whose it is. No owner, a SPIFFE ID and more, is named as one of the others. */
function partiesOf({ owner, account }: Owned): readonly string[] {
  return [owner, ...levels.map((level) => partyOf(account, level))]
}

function partyOf(account: Account, level: Exclude<Full, 'gateway'>): string {
  return `${level} ${account[levels.indexOf(level)]}`
}
