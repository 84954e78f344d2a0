import type { Socket } from 'node:net'

/** The other end of a connection: the same of a TLS connection and of the one below it. */
export function endpointOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
