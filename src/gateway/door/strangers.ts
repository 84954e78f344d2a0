import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** The connections on which nobody has been let in: in their handshake, or refused and not ended yet. */
export interface Strangers {
  /** Somebody has been let in on this connection: whose it is bounds it from here on. */
  admitted(socket: TLSSocket): void
}

/**
 * Bounds the memory that those can take who show no certificate of ours. Where there are too many, the oldest connection of the address
 * that has most of them ends: one address keeps no other out.
 */
export function boundStrangers(server: Server, strangersMax: number): Strangers {
  const byAddress = new Map<string, Set<Socket>>()
  const byEndpoint = new Map<string, Socket>()
  let count = 0
  function forget(socket: Socket, address: string, endpoint: string): void {
    const own = byAddress.get(address)
    if (own?.delete(socket) !== true) return
    count -= 1
    if (own.size === 0) byAddress.delete(address)
    if (byEndpoint.get(endpoint) === socket) byEndpoint.delete(endpoint)
  }
  server.prependListener('connection', (socket: Socket) => {
    const { remoteAddress: address = '' } = socket
    const endpoint = endpointOf(socket)
    const own = byAddress.get(address) ?? new Set()
    byAddress.set(address, own.add(socket))
    byEndpoint.set(endpoint, socket)
    count += 1
    socket.once('close', () => forget(socket, address, endpoint))
    if (count > strangersMax) {
      const oldest = oldestOfMost(byAddress)
      oldest?.destroy()
    }
  })
  return {
    admitted(socket) {
      const endpoint = endpointOf(socket)
      const raw = byEndpoint.get(endpoint)
      if (raw !== undefined) forget(raw, socket.remoteAddress ?? '', endpoint)
    },
  }
}

/** The same of a TLS connection and of the one below it. */
function endpointOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

function oldestOfMost(byAddress: ReadonlyMap<string, ReadonlySet<Socket>>): Socket | undefined {
  let most: ReadonlySet<Socket> | undefined
  for (const sockets of byAddress.values()) {
    if (most === undefined || sockets.size > most.size) most = sockets
  }
  return most?.values().next().value
}
