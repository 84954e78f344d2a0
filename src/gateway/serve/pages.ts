import type { Account, SharePercents } from '../../shares.ts'
import { Shelf, type Owned } from '../upstream/shelf.ts'

/** Whose session a page was shown in, and by which server. */
export interface Shown {
  readonly owner: string
  readonly account: Account
  /** Of the caller's session. */
  readonly key: string
  readonly server: string
}

/** The pages that callers were asked to open here (MCP 2025-11-25 elicitation, URL mode), by the ids of their servers. */
export interface Pages {
  note(shown: Shown, elicitationId: string): void
  has(shown: Pick<Shown, 'key' | 'server'>, elicitationId: unknown): boolean
  /** The session is over. */
  endOf(session: Pick<Shown, 'owner' | 'key'>): void
}

interface Entry extends Owned {
  readonly key: string
}

export function createPages(shares: SharePercents): Pages {
  const shelf = new Shelf<Entry>(shares, () => {})
  return {
    note({ owner, account, key, server }, elicitationId) {
      const place = JSON.stringify([key, server, elicitationId])
      shelf.put({ owner, account, key, place, wasUsed: true })
    },
    has({ key, server }, elicitationId) {
      return shelf.find(JSON.stringify([key, server, elicitationId])) !== undefined
    },
    endOf: ({ owner, key }) => void shelf.takeOf(owner, (entry) => entry.key === key),
  }
}
