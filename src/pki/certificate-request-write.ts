import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { tags } from './der-read.ts'
import { element } from './der-write.ts'
import { signatureAlgorithmFor } from './signature.ts'

/** A PKCS#10 request (RFC 2986), DER: the key and the proof of its possession, and no name. Throws `pki/key-type`. */
export function writeCertificateRequest(privateKey: KeyObject): Buffer {
  const algorithm = signatureAlgorithmFor(privateKey)
  if (algorithm === undefined) {
    throw new CountersignError('pki/key-type', 'key is of a type that does not sign requests')
  }
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const version = element(tags.integer, Buffer.of(0))
  const info = element(tags.sequence, version, element(tags.sequence), spki, element(0xa0))
  const signature = sign(algorithm.digest, info, privateKey)
  const bits = element(tags.bitString, Buffer.alloc(1), signature)
  return element(tags.sequence, info, algorithm.der, bits)
}
