import type { GatewayLimits } from '../limits.ts'
import { noRoom, tooMany, type Refusal } from '../refusal.ts'
import {
  createShares,
  type Account,
  type BodyRoom,
  type OctetRoom,
  type Shares,
  type Unsent,
} from '../../shares.ts'
import type { Caller } from './caller.ts'

/** What callers take of the gateway: connections, open requests, octets of their bodies, and of answers that they have not read yet. */
export interface Usage {
  /** Takes a connection, or says why there is no room for it. */
  connect(caller: Caller): Refusal | undefined
  disconnect(caller: Caller): void
  /** Takes a request, from its first check to the last octet of its answer. */
  begin(caller: Caller): Refusal | undefined
  end(caller: Caller): void
  readonly unsentOf: (account: Account) => Unsent
  readonly bodiesOf: (account: Account) => BodyRoom
  /** What is taken of it now, by all. */
  taken(): Taken
}

export interface Taken {
  readonly requests: number
  readonly bodyOctets: number
  readonly unsentOctets: number
}

/** What one pod has. */
interface Pod {
  connections: number
  requests: number
}

export function createUsage(limits: GatewayLimits): Usage {
  const connections = createShares(limits.connectionsMax, limits)
  const requests = createShares(limits.inFlightMax, limits)
  const unsent = createShares(limits.unsentBytesMax, limits)
  const bodies = createShares(limits.bodiesBytesMax, limits)
  const pods = new Map<string, Pod>()
  /** A connection may end before its last answer does. */
  function forgetIdle(owner: string, pod: Pod): void {
    if (pod.connections === 0 && pod.requests === 0) pods.delete(owner)
  }

  return {
    connect({ owner, account }) {
      const pod = pods.get(owner) ?? { connections: 0, requests: 0 }
      if (pod.connections >= limits.podConnectionsMax)
        return { ...tooMany('connections of one pod'), close: true }
      const full = connections.take(account)
      if (full !== undefined) return { ...noRoom('connections', full), close: true }
      pod.connections += 1
      pods.set(owner, pod)
      return undefined
    },
    disconnect({ owner, account }) {
      connections.give(account)
      const pod = pods.get(owner)
      if (pod === undefined) return
      pod.connections -= 1
      forgetIdle(owner, pod)
    },
    begin(caller) {
      // Of a connection first: it is that one which ends.
      if (caller.open >= limits.connectionInFlightMax) {
        return { ...tooMany('open requests of one connection'), close: true }
      }
      const pod = pods.get(caller.owner)
      if ((pod?.requests ?? 0) >= limits.podInFlightMax) {
        return tooMany('open requests of one pod')
      }
      const full = requests.take(caller.account)
      if (full !== undefined) return noRoom('open requests', full)
      caller.open += 1
      if (pod !== undefined) pod.requests += 1
      return undefined
    },
    end(caller) {
      requests.give(caller.account)
      caller.open -= 1
      const pod = pods.get(caller.owner)
      if (pod === undefined) return
      pod.requests -= 1
      forgetIdle(caller.owner, pod)
    },
    unsentOf: (account) => ({
      ...roomOf(unsent, account),
      secondsMax: limits.unsentSecondsMax,
    }),
    bodiesOf: (account) => roomOf(bodies, account),
    taken: () => ({
      requests: limits.inFlightMax - requests.free,
      bodyOctets: limits.bodiesBytesMax - bodies.free,
      unsentOctets: limits.unsentBytesMax - unsent.free,
    }),
  }
}

function roomOf(shares: Shares, account: Account): OctetRoom {
  return {
    take: (octets) => shares.take(account, octets),
    give: (octets) => shares.give(account, octets),
  }
}
