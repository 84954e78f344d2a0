import type { Account, SharePercents } from '../../shares.ts'
import type { ExchangeFailure } from './exchange.ts'
import type { LegacySession } from './legacy-session.ts'
import type { Soon } from '../soon.ts'
import { Shelf, type Owned } from './shelf.ts'

/** Whose session it is, and with whom. */
export interface Holder {
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
  readonly account: Account
  /** Of the caller's own session. */
  readonly key: string
  readonly server: string
  /** It is of all clients of its owner that have no session of their own, and ends when nobody uses it. */
  readonly isShared?: boolean
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
  ): Soon<LegacySession | ExchangeFailure>
  /** The caller has ended its session: it is over, and so are those given back. */
  end(caller: Pick<Holder, 'owner' | 'account' | 'key'>): readonly Held[]
  isEnded(key: string): boolean
  /** One that is not to be used any more; undefined where it is not held. */
  drop(holder: Pick<Holder, 'owner' | 'key' | 'server'>): Held | undefined
  /** The caller itself is no more. */
  endOwner(owner: string): readonly Held[]
  /** Something is done in a shared session, until what comes back is called. */
  use(holder: Pick<Holder, 'key' | 'server'>): () => void
  /** The shared ones that nobody has used since. */
  endUnused(since: number): readonly Held[]
  /** The server is no more, and so are all sessions with it. */
  forgetServer(server: string): void
  /** The id of a request in a session that several clients share: no other request of this process has it. */
  nextId(): number
}

interface Entry extends Held, Owned {
  /** No caller carries it: whoever forgets it ends it. */
  readonly isRenewed: boolean
  usedAt: number
  /** How much is done in it at this moment. */
  uses: number
}

export function createHeldSessions(options: {
  /** Ends one that nobody knows any more. */
  readonly close: (held: Held) => void
  readonly shares: SharePercents
  readonly now: () => number
}): HeldSessions {
  const { now } = options
  // `initialize` has the first.
  let lastId = 1
  const shelf = new Shelf<Entry>(options.shares, (entry) => {
    if (entry.isRenewed) options.close(entry)
  })
  const ended = new Shelf<Owned>(options.shares, () => {})
  const opening = new Map<string, Promise<LegacySession | ExchangeFailure>>()

  async function openInPlace(
    holder: Holder,
    spiffeId: string,
    open: () => Promise<LegacySession | ExchangeFailure>,
  ): Promise<LegacySession | ExchangeFailure> {
    const session = await open()
    if ('failed' in session) return session
    if (session.spiffeId !== spiffeId) return ofAnother
    const held = { ...holder, session }
    if (ended.find(holder.key) !== undefined) options.close(held)
    else shelf.put(entryOf(held, true, now()))
    return session
  }

  function findUsed(place: string): Entry | undefined {
    const entry = shelf.find(place)
    if (entry !== undefined) entry.usedAt = now()
    return entry
  }

  return {
    find: (holder) => findUsed(placeOf(holder))?.session,
    hold: (held) => shelf.put(entryOf(held, false, now())),
    renew({ spiffeId, ...holder }, lost, open) {
      const place = placeOf(holder)
      const { session } = findUsed(place) ?? {}
      const isOfIt = session?.spiffeId === spiffeId
      if (session !== undefined && isOfIt && session.id !== lost?.id) return session
      // Whoever has the name of a server that was replaced meanwhile would learn an id that is good elsewhere.
      const openingOf = `${place} ${spiffeId}`
      const begun = opening.get(openingOf)
      if (begun !== undefined) return begun
      const began = openInPlace(holder, spiffeId, open).finally(() => opening.delete(openingOf))
      opening.set(openingOf, began)
      return began
    },
    end({ owner, account, key }) {
      ended.put({ owner, account, place: key, wasUsed: false })
      return shelf.takeOf(owner, (entry) => entry.key === key)
    },
    isEnded: (key) => ended.find(key) !== undefined,
    drop: ({ owner, ...holder }) =>
      shelf.takeOf(owner, ({ place }) => place === placeOf(holder)).at(0),
    endOwner: (owner) => shelf.takeOf(owner, () => true),
    use: (holder) => useOf(findUsed(placeOf(holder)), now),
    endUnused: (since) => shelf.takeAll((entry) => isUnused(entry, since)),
    forgetServer: (server) => void shelf.takeAll((entry) => entry.server === server),
    nextId: () => (lastId += 1),
  }
}

const ofAnother: ExchangeFailure = { failed: 'bad answer', detail: 'session is of another server' }

/** Something is done in a session, until what is given is called. */
function useOf(entry: Entry | undefined, now: () => number): () => void {
  if (entry === undefined) return () => {}
  entry.uses += 1
  return () => {
    entry.uses -= 1
    entry.usedAt = now()
  }
}

function isUnused({ isShared, uses, usedAt }: Entry, since: number): boolean {
  return isShared === true && uses === 0 && usedAt < since
}

function entryOf(held: Held, isRenewed: boolean, usedAt: number): Entry {
  return { ...held, isRenewed, usedAt, uses: 0, place: placeOf(held), wasUsed: false }
}

function placeOf({ key, server }: Pick<Holder, 'key' | 'server'>): string {
  return `${key} ${server}`
}
