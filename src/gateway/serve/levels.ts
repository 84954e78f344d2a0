import { loggingLevels } from '../../mcp/logging.ts'
import type { Account, SharePercents } from '../../shares.ts'
import { deliver } from '../upstream/deliver.ts'
import {
  isOwn,
  sessionRequest,
  type LegacySession,
  type OwnSession,
} from '../upstream/legacy-session.ts'
import { Shelf, type Owned } from '../upstream/shelf.ts'
import type { Upstream } from '../upstream/upstream.ts'

/*
 * How much of its log a server tells: said once a session in the legacy eras, with each request since MCP 2026-07-28.
 */

/** The level that each legacy session has asked for, for servers that have none: as far as this process has heard of it. */
export interface Levels {
  set(
    session: { readonly owner: string; readonly account: Account; readonly key: string },
    level: string,
  ): void
  of(key: string): string | undefined
}

interface Entry extends Owned {
  readonly level: string
}

export function createLevels(shares: SharePercents): Levels {
  const shelf = new Shelf<Entry>(shares, () => {})
  return {
    set: ({ key, ...whose }, level) => shelf.put({ ...whose, place: key, level, wasUsed: true }),
    of: (key) => shelf.find(key)?.level,
  }
}

/** What was said last in each session, by its place among the levels. */
const said = new WeakMap<LegacySession, number>()

interface Telling {
  readonly upstream: Upstream
  readonly account: Account
  readonly session: LegacySession
  readonly nextId: () => number
}

/**
 * Has a session tell at least as much as one of its requests wants. It is never told less: other requests share it, and what a request does
 * not want is not passed on to it. Whether that arrives or not, the request follows. Undefined: there is nothing to say.
 */
export function raiseLevel(telling: Telling, wanted: unknown): Promise<void> | undefined {
  const { session } = telling
  const level = loggingLevels.findIndex((each) => each === wanted)
  const isLogging = session.said?.capabilities.includes('logging') === true
  if (level === -1 || !isLogging || !isOwn(session)) return undefined
  const before = said.get(session)
  return before !== undefined && before <= level ? undefined : tell(telling, session, level)
}

async function tell(
  { upstream, account, nextId }: Telling,
  session: OwnSession,
  level: number,
): Promise<void> {
  said.set(session, level)
  const method = 'logging/setLevel'
  const params = { level: loggingLevels[level] }
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: nextId(), method, params }))
  const failure = await deliver({ upstream, account, request: sessionRequest(session, body) })
  if (failure !== undefined && said.get(session) === level) said.delete(session)
}
