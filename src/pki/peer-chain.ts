import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { Credential } from './credential.ts'

/** As many as path validation takes. */
const chainMax = 4

/**
 * The intermediates that may stand between a peer and the anchors: our own chain's, which the same signer has issued, and those that the
 * peer has sent, as far as this Node tells. A client is told all until it asks for the leaf; a server of Node 24.21 is told the leaf alone
 * (nodejs/node#65579), so that there a peer is known by an intermediate that we have, too.
 */
export function intermediatesOf(socket: TLSSocket, own: Credential): readonly Buffer[] {
  const found = new Map(own.intermediates.map((der) => [der.toString('latin1'), der]))
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  for (let depth = 0; depth < chainMax; depth += 1) {
    const issuer: DetailedPeerCertificate | undefined = certificate?.issuerCertificate
    // A root is its own issuer, and no intermediate.
    if (issuer === undefined || issuer === issuer.issuerCertificate) break
    found.set(issuer.raw.toString('latin1'), issuer.raw)
    certificate = issuer
  }
  return [...found.values()].slice(0, chainMax)
}
