import { hash, X509Certificate } from 'node:crypto'
import { certificateBlocks } from './pem.ts'

/** SHA-256, hex, of the public key in a certificate: the same in every certificate of one key. Undefined where it cannot be read. */
export function publicKeySha256(der: Buffer): string | undefined {
  try {
    const { publicKey } = new X509Certificate(der)
    return hash('sha256', publicKey.export({ format: 'der', type: 'spki' }), 'hex')
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
