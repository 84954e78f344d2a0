import type { Era } from '../../mcp/message.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import {
  createShares,
  Hold,
  type Account,
  type OctetRoom,
  type SharePercents,
} from '../../shares.ts'
import type { Turns } from '../turns.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createCatalogue, type Catalogue } from './catalogue.ts'
import { createListings } from './listings.ts'
import { listTools } from './list-upstream.ts'

/** One catalogue for each upstream and era: the same tool may be described differently in the other era. */
export type Catalogues = (upstream: Upstream, era: Era) => Catalogue

export interface CataloguesOptions {
  readonly answerBytesMax: number
  readonly turns: Turns
  /** Those that there are now: what others have goes unkept. */
  readonly upstreams: ReadonlyMap<string, Upstream>
  /** Of all octets, for each owner of upstreams and for each upstream. */
  readonly shares: SharePercents
  /** All octets: of what is known, and of what is read on the way there. Default 128 MiB. */
  readonly octetsMax?: number
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}

const octetsMaxDefault = 128 * 1024 * 1024

interface Rooms {
  /** Gives back the octets of upstreams that are no more. */
  readonly forgetGone: () => void
  /** Of all catalogues together. */
  readonly takenOctets: () => number
}

export function createCatalogues(options: CataloguesOptions): Rooms & { readonly of: Catalogues } {
  const { roomOf, ...rooms } = createRooms(options)
  const inTurn = createListings(options.shares)
  const known = {
    modern: new WeakMap<Upstream, Catalogue>(),
    legacy: new WeakMap<Upstream, Catalogue>(),
  }
  return {
    ...rooms,
    of(upstream, era) {
      const before = known[era].get(upstream)
      if (before !== undefined) return before
      const { server } = upstream.config
      const { answerBytesMax } = options
      const catalogue = createCatalogue({
        ...options,
        server,
        room: roomOf(upstream),
        list: (room) =>
          inTurn(ownerOf(upstream), () => listTools({ upstream, era, answerBytesMax, room })),
      })
      known[era].set(upstream, catalogue)
      return catalogue
    },
  }
}

function createRooms({
  upstreams,
  log,
  shares: percents,
  octetsMax = octetsMaxDefault,
}: CataloguesOptions): Rooms & { readonly roomOf: (upstream: Upstream) => OctetRoom } {
  const shares = createShares(octetsMax, percents)
  const holds = new Map<Upstream, Hold>()
  const logged = new WeakSet<Upstream>()
  const isThere = (upstream: Upstream): boolean =>
    upstreams.get(upstream.config.server) === upstream

  function holdOf(upstream: Upstream): Hold {
    const held = holds.get(upstream)
    if (held !== undefined) return held
    const account = ownerOf(upstream)
    const hold = new Hold({
      take: (octets) => shares.take(account, octets),
      give: (octets) => shares.give(account, octets),
    })
    holds.set(upstream, hold)
    return hold
  }
  return {
    roomOf(upstream) {
      const { server } = upstream.config
      return {
        take(octets) {
          // A call that is still under way with it would take what nobody gives back.
          if (!isThere(upstream)) return 'gateway'
          const full = holdOf(upstream).take(octets)
          if (full !== undefined && !logged.has(upstream)) {
            logged.add(upstream)
            log.warn({ server, full }, 'definitions of a tool server find no room')
          }
          return full
        },
        give: (octets) => holds.get(upstream)?.give(octets),
      }
    },
    forgetGone() {
      for (const [upstream, hold] of holds) {
        if (isThere(upstream)) continue
        hold.end()
        holds.delete(upstream)
      }
    },
    takenOctets: () => octetsMax - shares.free,
  }
}

/** A namespace has one share for all of its upstreams, and operators have one for theirs. No name of a namespace holds a space. */
function ownerOf({ config: { namespace, server } }: Upstream): Account {
  const owner = namespace === undefined ? 'of operators' : `namespace ${namespace}`
  return [owner, owner, server]
}
