import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { RevocationSource } from '../pki/revocation.ts'
import { parseX509Svid, type X509Svid } from '../pki/x509-svid.ts'
import { staleSecondsMax } from './verify-request.ts'

/** No change tells that what is known has become too old. */
const staleCheckMilliseconds = 1000

/**
 * Ends the open connections whose peer is revoked, and whatever is open on them; while nobody knows who is revoked, those that have
 * an answer open. Returns what ends the looking.
 */
export function endRevoked(
  server: Server,
  {
    revocations,
    identityExtensionOid,
  }: {
    readonly revocations: RevocationSource | undefined
    readonly identityExtensionOid: string | undefined
  },
): () => void {
  if (revocations === undefined) return () => {}
  const open = new Set<TLSSocket>()
  const opened = (socket: TLSSocket): void => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }
  const answering = new Set<ServerResponse>()
  const asked = (_: IncomingMessage, response: ServerResponse): void => {
    answering.add(response)
    response.once('close', () => answering.delete(response))
  }
  server.on('secureConnection', opened)
  server.on('request', asked)
  const timer = setInterval(() => {
    if (revocations.staleSeconds <= staleSecondsMax) return
    for (const response of answering) if (response.headersSent) response.destroy()
  }, staleCheckMilliseconds).unref()
  const unlisten = revocations.onChange(() => {
    for (const socket of open) {
      const svid = svidOf(socket, identityExtensionOid)
      if (svid === undefined || revocations.find(svid) !== undefined) socket.destroy()
    }
  })
  return () => {
    clearInterval(timer)
    server.off('secureConnection', opened)
    server.off('request', asked)
    unlisten()
  }
}

/** Undefined for who has shown nothing that is let in. */
function svidOf(socket: TLSSocket, identityExtensionOid: string | undefined): X509Svid | undefined {
  try {
    return parseX509Svid(
      socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0),
      identityExtensionOid === undefined ? {} : { identityExtensionOid },
    )
  } catch {
    return undefined
  }
}
