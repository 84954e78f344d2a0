import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** A way to sign certificates and certificate requests. */
export interface SignatureAlgorithm {
  /** The DER of its AlgorithmIdentifier: the same in and outside of what is signed. */
  readonly der: Buffer
  /** The kind of key, as `KeyObject.asymmetricKeyType` names it. */
  readonly keyKind: 'ec' | 'rsa' | 'ed25519'
  /** The digest's name for OpenSSL; null where the algorithm has its own. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null
}

/** RFC 5758 and RFC 8410: parameters absent. RFC 4055: NULL. Nothing with SHA-1, DSA or unknown parameters. */
const algorithms: readonly SignatureAlgorithm[] = [
  { der: hex('300a06082a8648ce3d040302'), keyKind: 'ec', digest: 'sha256' },
  { der: hex('300a06082a8648ce3d040303'), keyKind: 'ec', digest: 'sha384' },
  { der: hex('300a06082a8648ce3d040304'), keyKind: 'ec', digest: 'sha512' },
  { der: hex('300506032b6570'), keyKind: 'ed25519', digest: null },
  { der: hex('300d06092a864886f70d01010b0500'), keyKind: 'rsa', digest: 'sha256' },
  { der: hex('300d06092a864886f70d01010c0500'), keyKind: 'rsa', digest: 'sha384' },
  { der: hex('300d06092a864886f70d01010d0500'), keyKind: 'rsa', digest: 'sha512' },
]

/** The curves of RFC 5480 that we trust, by OpenSSL's names. */
const digestsByCurve: ReadonlyMap<string, SignatureAlgorithm['digest']> = new Map([
  ['prime256v1', 'sha256'],
  ['secp384r1', 'sha384'],
  ['secp521r1', 'sha512'],
])

/** The algorithm of a DER AlgorithmIdentifier, undefined when it is not one that we trust. */
export function signatureAlgorithmOf(der: Buffer): SignatureAlgorithm | undefined {
  return algorithms.find((algorithm) => algorithm.der.equals(der))
}

/** The algorithm that a CA key signs with, the digest as strong as the curve; undefined for a key that no CA may have. */
export function signatureAlgorithmFor(key: KeyObject): SignatureAlgorithm | undefined {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
  if (namedCurve !== undefined && !digestsByCurve.has(namedCurve)) return undefined
  if (modulusLength !== undefined && (modulusLength < 2048 || modulusLength > 8192))
    return undefined
  const digest = digestsByCurve.get(namedCurve ?? '') ?? 'sha256'
  return algorithms.find(
    (algorithm) =>
      algorithm.keyKind === key.asymmetricKeyType &&
      (algorithm.digest === null || algorithm.digest === digest),
  )
}

/** Whether the key made this signature of the octets. A key of another kind did not. */
export function verifySignature(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  signed: { readonly octets: Buffer; readonly signature: Buffer },
): boolean {
  if (key.asymmetricKeyType !== algorithm.keyKind) return false
  return verify(algorithm.digest, signed.octets, key, signed.signature)
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}
