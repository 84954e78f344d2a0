import { hash, X509Certificate } from 'node:crypto'
import { certificateBlocks } from './pem.ts'

/** Of octets that nobody changes. CAs are few, and are asked about for each certificate that they sign. */
const known = new WeakMap<Buffer, string>()

/** SHA-256, hex, of the public key in a certificate: the same in every certificate of one key. Undefined where it cannot be read. */
export function publicKeySha256(der: Buffer): string | undefined {
  const before = known.get(der)
  if (before !== undefined) return before
  try {
    const { publicKey } = new X509Certificate(der)
    const digest = hash('sha256', publicKey.export({ format: 'der', type: 'spki' }), 'hex')
    known.set(der, digest)
    return digest
  } catch {
    return undefined
  }
}

/** Of all certificates in a text that others have written; what cannot be read is nobody's CA. */
export function publicKeysIn(pem: string): readonly string[] {
  return certificateBlocks(pem)
    .map(publicKeySha256)
    .filter((sha256) => sha256 !== undefined)
}
