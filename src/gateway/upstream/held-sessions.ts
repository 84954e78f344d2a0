import type { ExchangeFailure } from './exchange.ts'
import type { LegacySession } from './legacy-session.ts'

/** Whose session it is, and with whom. */
export interface Holder {
  /** SPIFFE ID and pod UID. */
  readonly owner: string
  /** Of the caller's own session. */
  readonly key: string
  readonly server: string
}

export interface Held extends Holder {
  readonly session: LegacySession
}

/**
 * The sessions with upstreams that callers use through this replica. Callers carry them sealed, so what is forgotten here is lost to
 * nobody; held are those opened in place of one that an upstream has forgotten, and whatever has to be ended with its caller.
 */
export interface HeldSessions {
  find(holder: Pick<Holder, 'key' | 'server'>): LegacySession | undefined
  /** Takes one that its caller carries. */
  hold(held: Held): void
  /** One in place of another that is lost or was never opened; opened once for all that ask at a time. */
  renew(
    holder: Holder & Pick<LegacySession, 'spiffeId'>,
    lost: LegacySession | undefined,
    open: () => Promise<LegacySession | ExchangeFailure>,
  ): Promise<LegacySession | ExchangeFailure>
  /** The caller has ended its session: it is over, and so are those given back. */
  end(caller: Pick<Holder, 'owner' | 'key'>): readonly Held[]
  isEnded(key: string): boolean
  /** The caller itself is no more. */
  endOwner(owner: string): readonly Held[]
}

/** Of all callers, and of one: a caller that opens or ends more loses its own first. */
const allMax = 10_000
const ownMax = 256

interface Entry extends Held, Owned {
  /** No caller carries it: whoever forgets it ends it. */
  readonly isRenewed: boolean
}

export function createHeldSessions(options: {
  /** Ends one that nobody knows any more. */
  readonly close: (held: Held) => void
}): HeldSessions {
  const shelf = createShelf<Entry>((entry) => {
    if (entry.isRenewed) options.close(entry)
  })
  const ended = createShelf<Owned>(() => {})
  const opening = new Map<string, Promise<LegacySession | ExchangeFailure>>()

  async function openInPlace(
    holder: Holder,
    open: () => Promise<LegacySession | ExchangeFailure>,
  ): Promise<LegacySession | ExchangeFailure> {
    const session = await open()
    if ('failed' in session) return session
    const held = { ...holder, session }
    if (ended.find(holder.key) !== undefined) options.close(held)
    else shelf.put(entryOf(held, true))
    return session
  }

  return {
    find: (holder) => shelf.find(placeOf(holder))?.session,
    hold: (held) => shelf.put(entryOf(held, false)),
    renew({ spiffeId, ...holder }, lost, open) {
      const place = placeOf(holder)
      const { session } = shelf.find(place) ?? {}
      const isOfIt = session?.spiffeId === spiffeId
      if (session !== undefined && isOfIt && session.id !== lost?.id)
        return Promise.resolve(session)
      const begun = opening.get(place)
      if (begun !== undefined) return begun
      const began = openInPlace(holder, open).finally(() => opening.delete(place))
      opening.set(place, began)
      return began
    },
    end({ owner, key }) {
      ended.put({ owner, place: key, wasUsed: false })
      return shelf.takeOf(owner, (entry) => entry.key === key)
    },
    isEnded: (key) => ended.find(key) !== undefined,
    endOwner: (owner) => shelf.takeOf(owner, () => true),
  }
}

function entryOf(held: Held, isRenewed: boolean): Entry {
  return { ...held, isRenewed, place: placeOf(held), wasUsed: false }
}

function placeOf({ key, server }: Pick<Holder, 'key' | 'server'>): string {
  return `${key} ${server}`
}

/** Something that is kept for one caller, under a name of its own. */
interface Owned {
  readonly owner: string
  readonly place: string
  /** Since it was last looked whether it may be forgotten. */
  wasUsed: boolean
}

interface Shelf<T extends Owned> {
  find(place: string): T | undefined
  put(entry: T): void
  takeOf(owner: string, isMeant: (entry: T) => boolean): readonly T[]
}

/**
 * Keeps so many of all and of each owner. What was used since it was last looked at has a second chance, so that finding one moves
 * nothing; the next is forgotten.
 */
function createShelf<T extends Owned>(forgotten: (entry: T) => void): Shelf<T> {
  const entries = new Map<string, T>()
  const owners = new Map<string, Set<string>>()

  function drop(place: string): T | undefined {
    const entry = entries.get(place)
    if (entry === undefined) return undefined
    entries.delete(place)
    const own = owners.get(entry.owner)
    own?.delete(place)
    if (own?.size === 0) owners.delete(entry.owner)
    return entry
  }
  function add(entry: T): Set<string> {
    drop(entry.place)
    entries.set(entry.place, entry)
    const own = owners.get(entry.owner) ?? new Set()
    owners.set(entry.owner, own.add(entry.place))
    return own
  }
  function forgetOne(places: Iterable<string>): void {
    for (const place of places) {
      const entry = entries.get(place)
      if (entry === undefined) continue
      if (!entry.wasUsed) {
        drop(place)
        forgotten(entry)
        return
      }
      entry.wasUsed = false
      add(entry)
    }
  }
  return {
    find(place) {
      const entry = entries.get(place)
      if (entry !== undefined) entry.wasUsed = true
      return entry
    },
    put(entry) {
      // Else the newest would go where all the others are in use.
      entry.wasUsed = true
      const own = add(entry)
      if (own.size > ownMax) forgetOne(own)
      if (entries.size > allMax) forgetOne(entries.keys())
    },
    takeOf(owner, isMeant) {
      const places = [...(owners.get(owner) ?? [])]
      return places.flatMap((place) => {
        const entry = entries.get(place)
        return entry !== undefined && isMeant(entry) ? (drop(place) ?? []) : []
      })
    },
  }
}
