import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import type { Credential } from './credential.ts'

/** As many as path validation takes. */
const chainMax = 4

/**
 * The intermediates that may stand between a peer and the anchors: those that the peer has sent, as far as this Node tells (24.21
 * keeps only the leaf of a finished handshake, nodejs/node#65579), and our own chain's, which the same signer has issued.
 */
export function intermediatesOf(socket: TLSSocket, own: Credential): readonly Buffer[] {
  const found = new Map<string, Buffer>()
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  for (let depth = 0; depth < chainMax; depth += 1) {
    const issuer: DetailedPeerCertificate | undefined = certificate?.issuerCertificate
    if (issuer === undefined || issuer === certificate) break
    found.set(issuer.fingerprint256, issuer.raw)
    certificate = issuer
  }
  for (const pem of own.chainPem.match(certificateBlock)?.slice(1) ?? []) {
    const parsed = new X509Certificate(pem)
    found.set(parsed.fingerprint256, parsed.raw)
  }
  return [...found.values()].slice(0, chainMax)
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
