import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { tags } from './der-read.ts'
import { asciiElement, element } from './der-write.ts'
import { oids } from './oid.ts'
import type { RequestedNames } from './requested-names.ts'
import { signatureAlgorithmFor } from './signature.ts'

/** A PKCS#10 request (RFC 2986), DER: the key and the proof of its possession, and no name unless asked. Throws `pki/key-type`, `pki/der`. */
export function writeCertificateRequest(privateKey: KeyObject, names?: RequestedNames): Buffer {
  const algorithm = signatureAlgorithmFor(privateKey)
  if (algorithm === undefined) {
    throw new CountersignError('pki/key-type', 'key is of a type that does not sign requests')
  }
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const version = element(tags.integer, Buffer.of(0))
  const subject = names === undefined ? element(tags.sequence) : subjectOf(names)
  const attributes = names === undefined ? element(0xa0) : attributesOf(names)
  const info = element(tags.sequence, version, subject, spki, attributes)
  const signature = sign(algorithm.digest, info, privateKey)
  const bits = element(tags.bitString, Buffer.alloc(1), signature)
  return element(tags.sequence, info, algorithm.der, bits)
}

/** Organizations first, as Go writes a name. */
function subjectOf({ organizations, commonName }: RequestedNames): Buffer {
  const parts = [
    ...organizations.map((each) => [oids.organization, each] as const),
    [oids.commonName, commonName] as const,
  ]
  const written = parts.map(([oid, text]) => {
    const type = element(tags.objectIdentifier, Buffer.from(oid, 'hex'))
    const value = element(tags.utf8String, Buffer.from(text, 'utf8'))
    return element(tags.set, element(tags.sequence, type, value))
  })
  return element(tags.sequence, ...written)
}

function attributesOf({ dnsNames, ipAddresses }: RequestedNames): Buffer {
  if (dnsNames.length + ipAddresses.length === 0) return element(0xa0)
  const names = element(
    tags.sequence,
    ...dnsNames.map((each) => asciiElement(0x82, each)),
    ...ipAddresses.map((each) => element(0x87, each)),
  )
  const extension = element(
    tags.sequence,
    element(tags.objectIdentifier, Buffer.from(oids.subjectAltName, 'hex')),
    element(tags.octetString, names),
  )
  const type = element(tags.objectIdentifier, Buffer.from(oids.extensionRequest, 'hex'))
  const values = element(tags.set, element(tags.sequence, extension))
  return element(0xa0, element(tags.sequence, type, values))
}
