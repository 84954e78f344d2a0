import { isPartOf } from '../../mcp/changes.ts'
import { createShares, type Account, type SharePercents } from '../../shares.ts'
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
  /**
   * Notes what is asked for from here on; undefined: the session has as many as it may have. What is given is told whether it was taken,
   * once: what is taken in none of the requests for it that are under way at once is forgotten.
   */
  ask(subscriber: Subscriber, uri: string): ((isTaken: boolean) => void) | undefined
  remove(subscriber: Subscriber, uri: string): void
  of(subscriber: Pick<Subscriber, 'key' | 'server'>): readonly string[]
  /** Whether a session is to be told of a resource: of one that it has subscribed to, or of a part of that. */
  covers(subscriber: Pick<Subscriber, 'key' | 'server'>, uri: string): boolean
  /** Tells of whatever changes in what a session has, until what is given is called. */
  onChange(subscriber: Pick<Subscriber, 'key' | 'server'>, listener: () => void): () => void
  /** One server has lost the session, and with it whatever was subscribed to there. */
  endAt(subscriber: Pick<Subscriber, 'owner' | 'key' | 'server'>): void
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
  function add(subscriber: Subscriber, uri: string): boolean {
    const uris = urisOf(subscriber)
    if (uris.has(uri)) return true
    if (uris.size >= urisMax) return false
    return put(subscriber, new Set([...uris, uri]))
  }
  function remove(subscriber: Subscriber, uri: string): void {
    const uris = urisOf(subscriber)
    if (uris.has(uri)) put(subscriber, new Set([...uris].filter((each) => each !== uri)))
  }
  return {
    ask: createAsk({ urisOf, add, remove }),
    remove,
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
    endAt: ({ owner, ...at }) => drop(owner, ({ place }) => place === placeOf(at)),
    endOf: ({ owner, key }) => drop(owner, (entry) => entry.key === key),
    endOwner: (owner) => drop(owner, () => true),
  }
}

/** Counts the requests for one URI of one session that are under way, and knows whether it was taken in one of them or before. */
function createAsk({
  urisOf,
  add,
  remove,
}: {
  readonly urisOf: (subscriber: Subscriber) => ReadonlySet<string>
  readonly add: (subscriber: Subscriber, uri: string) => boolean
  readonly remove: Subscriptions['remove']
}): Subscriptions['ask'] {
  const askings = new Map<string, { open: number; isTaken: boolean }>()
  return (subscriber, uri) => {
    const wasTaken = urisOf(subscriber).has(uri)
    if (!add(subscriber, uri)) return undefined
    const key = `${placeOf(subscriber)} ${uri}`
    const asking = askings.get(key) ?? { open: 0, isTaken: wasTaken }
    askings.set(key, asking)
    asking.open += 1
    return (isTaken) => {
      asking.open -= 1
      asking.isTaken ||= isTaken
      if (asking.open === 0) askings.delete(key)
      // It may have been given up meanwhile.
      if (isTaken) add(subscriber, uri)
      else if (asking.open === 0 && !asking.isTaken) remove(subscriber, uri)
    }
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
