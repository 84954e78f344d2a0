import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { tags } from './der-read.ts'
import { element } from './der-write.ts'

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
  signed: { readonly octets: Uint8Array; readonly signature: Buffer },
): boolean {
  if (key.asymmetricKeyType !== algorithm.keyKind) return false
  return verify(algorithm.digest, signed.octets, key, signed.signature)
}

/** An ECDSA signature as certificates have it (RFC 5480 §2.2.3), of its two numbers side by side, as tokens give it. */
export function formatEcdsaSignature(numbers: Buffer): Buffer {
  const half = numbers.length / 2
  const parts = [numbers.subarray(0, half), numbers.subarray(half)]
  return element(tags.sequence, ...parts.map(formatPositive))
}

/** As short as it can be, and never negative. */
function formatPositive(number: Buffer): Buffer {
  const first = number.findIndex((octet) => octet !== 0)
  const short = first === -1 ? Buffer.of(0) : number.subarray(first)
  const isNegative = (short[0] ?? 0) >= 0x80
  return element(tags.integer, isNegative ? Buffer.of(0) : Buffer.alloc(0), short)
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}
