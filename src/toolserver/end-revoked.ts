import type { Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { RevocationSource } from '../pki/revocation.ts'
import { parseX509Svid, type X509Svid } from '../pki/x509-svid.ts'

/** Ends the open connections whose peer is revoked, and whatever is open on them. Returns what ends the looking. */
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
  server.on('secureConnection', opened)
  const unlisten = revocations.onChange(() => {
    for (const socket of open) {
      const svid = svidOf(socket, identityExtensionOid)
      if (svid === undefined || revocations.find(svid) !== undefined) socket.destroy()
    }
  })
  return () => {
    server.off('secureConnection', opened)
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
