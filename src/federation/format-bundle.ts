import type { CaCertificate } from '../pki/ca-certificate.ts'
import { publicKeyOf } from '../pki/subject-key.ts'

/**
 * Writes the bundle of a trust domain as SPIFFE has it, a JWK Set (SPIFFE Trust Domain and Bundle §4): one JWK for each anchor, without `kid`, with exactly one certificate (X509-SVID §6.1).
 */
export function formatBundleDocument(document: {
  readonly anchors: readonly CaCertificate[]
  readonly sequence: bigint
  readonly refreshHintSeconds: number
}): string {
  const { anchors, sequence, refreshHintSeconds } = document
  const keys = anchors.map(({ der, certificate }) => ({
    use: 'x509-svid',
    ...publicKeyOf(certificate.spki).export({ format: 'jwk' }),
    x5c: [der.toString('base64')],
  }))
  // JSON has no bound on numbers; JavaScript's own would round this one.
  return `{"spiffe_sequence":${sequence},"spiffe_refresh_hint":${refreshHintSeconds},"keys":${JSON.stringify(keys)}}\n`
}
