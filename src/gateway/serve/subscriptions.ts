import { isPartOf } from '../../mcp/changes.ts'
import { createShares, type Account, type SharePercents } from '../shares.ts'
import { Shelf, type Owned } from '../upstream/shelf.ts'

/** Whose session it is, and with which server. */
export interface Subscriber {
  readonly owner: string
  readonly account: Account
  /** Of the caller's session. */
  readonly key: string
  readonly server: string
}

/** The resources that legacy sessions have subscribed to, as far as this process has heard of it (MCP 2025-11-25 resources, subscriptions). */
export interface Subscriptions {
  /** False: the session has as many as it may have. */
  add(subscriber: Subscriber, uri: string): boolean
  remove(subscriber: Subscriber, uri: string): void
  of(subscriber: Pick<Subscriber, 'key' | 'server'>): readonly string[]
  /** Whether a session is to be told of a resource: of one that it has subscribed to, or of a part of that. */
  covers(subscriber: Pick<Subscriber, 'key' | 'server'>, uri: string): boolean
  /** Tells of whatever changes in what a session has, until what is given is called. */
  onChange(subscriber: Pick<Subscriber, 'key' | 'server'>, listener: () => void): () => void
  /** The session is over. */
  endOf(session: Pick<Subscriber, 'owner' | 'key'>): void
  /** The identity is over, or its pod. */
  endOwner(owner: string): void
}

/** As many as a modern client may name at once. */
const urisMax = 256
/** Of the URIs of one session with one server; of one owner, whose oldest are forgotten for its newest; of all, in shares. */
const octetsMax = { session: 64 * 1024, owner: 1024 * 1024, all: 64 * 1024 * 1024 }

interface Entry extends Owned {
  readonly key: string
  readonly uris: ReadonlySet<string>
  readonly octets: number
}

export function createSubscriptions(shares: SharePercents): Subscriptions {
  const room = createShares(octetsMax.all, shares)
  const giveBack = ({ account, octets }: Entry): void => room.give(account, octets)
  const shelf = new Shelf<Entry>(shares, giveBack)
  const listeners = new Map<string, Set<() => void>>()

  function drop(owner: string, isMeant: (entry: Entry) => boolean): void {
    for (const entry of shelf.takeOf(owner, isMeant)) giveBack(entry)
  }
  /** False: there is no room for it. */
  function put({ server, ...whose }: Subscriber, uris: ReadonlySet<string>): boolean {
    const { owner, account } = whose
    const place = placeOf({ ...whose, server })
    const octets = octetsOf(uris)
    const more = octets - (shelf.find(place)?.octets ?? 0)
    if (more > 0 && (octets > octetsMax.session || room.full(account, more))) return false
    drop(owner, (entry) => entry.place === place)
    if (uris.size > 0) {
      keepOwn(owner, octetsMax.owner - octets)
      shelf.put({ ...whose, place, uris, octets, wasUsed: true })
      room.take(account, octets)
    }
    for (const tell of listeners.get(place) ?? []) tell()
    return true
  }
  /** Forgets the oldest of an owner until no more is left of it. */
  function keepOwn(owner: string, most: number): void {
    let held = 0
    for (const { octets } of shelf.of(owner)) held += octets
    drop(owner, ({ octets }) => {
      const isTooMuch = held > most
      if (isTooMuch) held -= octets
      return isTooMuch
    })
  }
  function urisOf(subscriber: Pick<Subscriber, 'key' | 'server'>): ReadonlySet<string> {
    return shelf.find(placeOf(subscriber))?.uris ?? none
  }
  return {
    add(subscriber, uri) {
      const uris = urisOf(subscriber)
      if (uris.has(uri)) return true
      if (uris.size >= urisMax) return false
      return put(subscriber, new Set([...uris, uri]))
    },
    remove(subscriber, uri) {
      const uris = urisOf(subscriber)
      if (uris.has(uri)) put(subscriber, new Set([...uris].filter((each) => each !== uri)))
    },
    of: (subscriber) => [...urisOf(subscriber)],
    covers(subscriber, uri) {
      const uris = urisOf(subscriber)
      return uris.has(uri) || [...uris].some((whole) => isPartOf(uri, whole))
    },
    onChange(subscriber, listener) {
      const place = placeOf(subscriber)
      const own = listeners.get(place) ?? new Set()
      listeners.set(place, own.add(listener))
      return () => {
        own.delete(listener)
        if (own.size === 0 && listeners.get(place) === own) listeners.delete(place)
      }
    },
    endOf: ({ owner, key }) => drop(owner, (entry) => entry.key === key),
    endOwner: (owner) => drop(owner, () => true),
  }
}

const none: ReadonlySet<string> = new Set()

function octetsOf(uris: ReadonlySet<string>): number {
  let octets = 0
  for (const uri of uris) octets += Buffer.byteLength(uri)
  return octets
}

function placeOf({ key, server }: Pick<Subscriber, 'key' | 'server'>): string {
  return `${key} ${server}`
}
