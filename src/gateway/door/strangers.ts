import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { endpointOf } from './endpoint.ts'

/** The connections on which nobody has been let in: in their handshake, or refused and not ended yet. */
export interface Strangers {
  /** Somebody has been let in on this connection: whose it is bounds it from here on. */
  admitted(socket: TLSSocket): void
}

/**
 * Bounds the memory that those can take who show no certificate of ours. Where there are too many, the oldest connection of the party
 * that has most of them ends, which is an address or, where it is known whose that is, a tenant: none keeps another out.
 */
export function boundStrangers(
  server: Server,
  strangersMax: number,
  partyOf: (address: string) => string = (address) => address,
): Strangers {
  const byParty = new Map<string, Set<Socket>>()
  const byEndpoint = new Map<string, { readonly socket: Socket; readonly party: string }>()
  let count = 0
  function forget(socket: Socket, party: string, endpoint: string): void {
    const own = byParty.get(party)
    if (own?.delete(socket) !== true) return
    count -= 1
    if (own.size === 0) byParty.delete(party)
    if (byEndpoint.get(endpoint)?.socket === socket) byEndpoint.delete(endpoint)
  }
  server.prependListener('connection', (socket: Socket) => {
    const party = partyOf(socket.remoteAddress ?? '')
    const endpoint = endpointOf(socket)
    const own = byParty.get(party) ?? new Set()
    byParty.set(party, own.add(socket))
    byEndpoint.set(endpoint, { socket, party })
    count += 1
    socket.once('close', () => forget(socket, party, endpoint))
    if (count > strangersMax) {
      const oldest = oldestOfMost(byParty)
      oldest?.destroy()
    }
  })
  return {
    admitted(socket) {
      const endpoint = endpointOf(socket)
      const known = byEndpoint.get(endpoint)
      if (known !== undefined) forget(known.socket, known.party, endpoint)
    },
  }
}

function oldestOfMost(byParty: ReadonlyMap<string, ReadonlySet<Socket>>): Socket | undefined {
  let most: ReadonlySet<Socket> | undefined
  for (const sockets of byParty.values()) {
    if (most === undefined || sockets.size > most.size) most = sockets
  }
  return most?.values().next().value
}
