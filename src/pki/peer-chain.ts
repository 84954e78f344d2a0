import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { Credential } from './credential.ts'

/** As many as path validation takes. */
const chainMax = 4

/**
 * The intermediates that may stand between a peer and the anchors: those that the peer has sent, as far as this Node tells, and our own
 * chain's, which the same signer has issued. A client is told all until it asks for the leaf; a server of Node 24.21 is told the leaf alone
 * (nodejs/node#65579), so that there a peer is known by an intermediate that we have or had, too.
 */
export function intermediatesOf(
  socket: TLSSocket,
  own: Pick<Credential, 'intermediates'>,
): readonly Buffer[] {
  const found = new Map<string, Buffer>()
  // None, once the connection has ended.
  let certificate: DetailedPeerCertificate | null | undefined = socket.getPeerCertificate(true)
  for (let depth = 0; depth < chainMax; depth += 1) {
    const issuer: DetailedPeerCertificate | undefined = certificate?.issuerCertificate
    // A root is its own issuer, and no intermediate.
    if (issuer === undefined || issuer === issuer.issuerCertificate) break
    found.set(issuer.raw.toString('latin1'), issuer.raw)
    certificate = issuer
  }
  for (const der of own.intermediates) found.set(der.toString('latin1'), der)
  return [...found.values()].slice(0, chainMax)
}
