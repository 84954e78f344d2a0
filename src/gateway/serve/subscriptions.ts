import { isPartOf } from '../../mcp/changes.ts'
import type { Account, SharePercents } from '../shares.ts'
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
}

/** As many as a modern client may name at once. */
const urisMax = 256

interface Entry extends Owned {
  readonly key: string
  readonly uris: ReadonlySet<string>
}

export function createSubscriptions(shares: SharePercents): Subscriptions {
  const shelf = new Shelf<Entry>(shares, () => {})
  const listeners = new Map<string, Set<() => void>>()

  function put({ server, ...whose }: Subscriber, uris: ReadonlySet<string>): void {
    const place = placeOf({ ...whose, server })
    if (uris.size === 0) shelf.takeOf(whose.owner, (entry) => entry.place === place)
    else shelf.put({ ...whose, place, uris, wasUsed: true })
    for (const tell of listeners.get(place) ?? []) tell()
  }
  function urisOf(subscriber: Pick<Subscriber, 'key' | 'server'>): ReadonlySet<string> {
    return shelf.find(placeOf(subscriber))?.uris ?? none
  }
  return {
    add(subscriber, uri) {
      const uris = urisOf(subscriber)
      if (uris.has(uri)) return true
      if (uris.size >= urisMax) return false
      put(subscriber, new Set([...uris, uri]))
      return true
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
    endOf: ({ owner, key }) => void shelf.takeOf(owner, (entry) => entry.key === key),
  }
}

const none: ReadonlySet<string> = new Set()

function placeOf({ key, server }: Pick<Subscriber, 'key' | 'server'>): string {
  return `${key} ${server}`
}
