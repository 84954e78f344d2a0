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

/** Of all callers, and of one: a caller that opens more loses its own first. */
const heldMax = 10_000
const ownMax = 256
const endedMax = 10_000

interface Entry extends Held {
  /** No caller carries it: whoever forgets it ends it. */
  readonly isRenewed: boolean
}

export function createHeldSessions(options: {
  /** Ends one that nobody knows any more. */
  readonly close: (held: Held) => void
}): HeldSessions {
  const shelf = createShelf(options.close)
  const opening = new Map<string, Promise<LegacySession | ExchangeFailure>>()
  const ended = new Set<string>()

  async function openInPlace(
    holder: Holder,
    open: () => Promise<LegacySession | ExchangeFailure>,
  ): Promise<LegacySession | ExchangeFailure> {
    const session = await open()
    if ('failed' in session) return session
    const held = { ...holder, session }
    if (ended.has(holder.key)) options.close(held)
    else shelf.put({ ...held, isRenewed: true })
    return session
  }

  return {
    find: (holder) => shelf.find(placeOf(holder))?.session,
    hold: (held) => shelf.put({ ...held, isRenewed: false }),
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
      ended.add(key)
      if (ended.size > endedMax) ended.delete(ended.values().next().value ?? '')
      return shelf.takeOf(owner, (entry) => entry.key === key)
    },
    isEnded: (key) => ended.has(key),
    endOwner: (owner) => shelf.takeOf(owner, () => true),
  }
}

interface Shelf {
  find(place: string): Entry | undefined
  put(entry: Entry): void
  takeOf(owner: string, isMeant: (entry: Entry) => boolean): readonly Entry[]
}

/** Keeps so many, and forgets those first that were not used for the longest time. */
function createShelf(close: (held: Held) => void): Shelf {
  const entries = new Map<string, Entry>()
  const owners = new Map<string, Set<string>>()

  function drop(place: string): Entry | undefined {
    const entry = entries.get(place)
    if (entry === undefined) return undefined
    entries.delete(place)
    const own = owners.get(entry.owner)
    own?.delete(place)
    if (own?.size === 0) owners.delete(entry.owner)
    return entry
  }
  function add(entry: Entry): Set<string> {
    const place = placeOf(entry)
    drop(place)
    entries.set(place, entry)
    const own = owners.get(entry.owner) ?? new Set()
    owners.set(entry.owner, own.add(place))
    return own
  }
  function forgetFirst(places: Iterable<string>): void {
    const [first = ''] = places
    const entry = drop(first)
    if (entry?.isRenewed === true) close(entry)
  }
  return {
    find(place) {
      const entry = entries.get(place)
      if (entry !== undefined) add(entry)
      return entry
    },
    put(entry) {
      const own = add(entry)
      if (own.size > ownMax) forgetFirst(own)
      if (entries.size > heldMax) forgetFirst(entries.keys())
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

function placeOf({ key, server }: Pick<Holder, 'key' | 'server'>): string {
  return `${key} ${server}`
}
