import type { Account, SharePercents } from '../shares.ts'
import type { ExchangeFailure } from './exchange.ts'
import type { LegacySession } from './legacy-session.ts'
import { Shelf, type Owned } from './shelf.ts'

/** Whose session it is, and with whom. */
export interface Holder {
  /** SPIFFE ID and pod UID. */
  readonly owner: string
  readonly account: Account
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
  end(caller: Pick<Holder, 'owner' | 'account' | 'key'>): readonly Held[]
  isEnded(key: string): boolean
  /** The caller itself is no more. */
  endOwner(owner: string): readonly Held[]
}

interface Entry extends Held, Owned {
  /** No caller carries it: whoever forgets it ends it. */
  readonly isRenewed: boolean
}

export function createHeldSessions(options: {
  /** Ends one that nobody knows any more. */
  readonly close: (held: Held) => void
  readonly shares: SharePercents
}): HeldSessions {
  const shelf = new Shelf<Entry>(options.shares, (entry) => {
    if (entry.isRenewed) options.close(entry)
  })
  const ended = new Shelf<Owned>(options.shares, () => {})
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
    end({ owner, account, key }) {
      ended.put({ owner, account, place: key, wasUsed: false })
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
