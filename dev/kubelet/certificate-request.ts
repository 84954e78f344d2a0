import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { bitString, der, integer, objectIdentifier, sequence, tags } from '../der.ts'

interface SignatureAlgorithm {
  readonly oid: string
  /** RFC 4055 wants a NULL behind the RSA identifiers; the others have nothing there. */
  readonly parameters: Buffer
  readonly digest: string | null
}

const nothing = Buffer.alloc(0)

/** The algorithms that Go chooses for these keys, so that our requests look like kubelet's. */
const algorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  rsa: { oid: '1.2.840.113549.1.1.11', parameters: der(tags.null), digest: 'sha256' },
  prime256v1: { oid: '1.2.840.10045.4.3.2', parameters: nothing, digest: 'sha256' },
  secp384r1: { oid: '1.2.840.10045.4.3.3', parameters: nothing, digest: 'sha384' },
  secp521r1: { oid: '1.2.840.10045.4.3.4', parameters: nothing, digest: 'sha512' },
  ed25519: { oid: '1.3.101.112', parameters: nothing, digest: null },
}

function algorithmOf(key: KeyObject): SignatureAlgorithm {
  const name = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? ''
  const algorithm = Object.hasOwn(algorithms, name) ? algorithms[name] : undefined
  if (algorithm === undefined) throw new RangeError(`key: want=RSA, ECDSA or Ed25519 got=${name}`)
  return algorithm
}

/** A PKCS#10 request in DER, RFC 2986: the key and the proof of its possession, and no name unless asked. */
export function encodeCertificateRequest(options: {
  readonly privateKey: KeyObject
  readonly commonName?: string
}): Buffer {
  const { privateKey, commonName } = options
  const { oid, parameters, digest } = algorithmOf(privateKey)
  const name = commonName === undefined ? [] : [commonNameOf(commonName)]
  const information = sequence(
    integer(Buffer.of(0)),
    sequence(...name),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    // No attributes.
    der(0xa0),
  )
  return sequence(
    information,
    sequence(objectIdentifier(oid), parameters),
    bitString(sign(digest, information, privateKey)),
  )
}

function commonNameOf(text: string): Buffer {
  const value = der(tags.utf8String, Buffer.from(text))
  return der(tags.set, sequence(objectIdentifier('2.5.4.3'), value))
}
