import { constants, createPublicKey, hash, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { asBuffer, DerReader, readDer, tags } from './der-read.ts'

/** The key types that a pod certificate may have, by kubelet's names (PodCertificateProjection.keyType). */
export type KeyType = 'RSA3072' | 'RSA4096' | 'ECDSAP256' | 'ECDSAP384' | 'ECDSAP521' | 'ED25519'

export const keyTypes: readonly KeyType[] = [
  'RSA3072',
  'RSA4096',
  'ECDSAP256',
  'ECDSAP384',
  'ECDSAP521',
  'ED25519',
]

/** A public key that was read once and can be certified as it is. */
export interface SubjectKey {
  readonly keyType: KeyType
  /** The SubjectPublicKeyInfo, octet for octet as it came. */
  readonly spki: Buffer
  /** SHA-256 of `spki`, hex. */
  readonly sha256: string
  /** Leftmost 160 bits of SHA-256 of the key bits (RFC 7093 §2, method 1). */
  readonly keyIdentifier: Buffer
  readonly publicKey: KeyObject
}

/** The API server's bound on public keys and proofs. */
const octetsMax = 10 * 1024

/** AlgorithmIdentifiers (RFC 5480, RFC 8410) of keys whose type follows from them, with the length of the key bits. */
const fixedAlgorithms: readonly {
  readonly der: string
  readonly keyType: KeyType
  readonly octets: number
  readonly uncompressed: boolean
}[] = [
  fixed('301306072a8648ce3d020106082a8648ce3d030107', 'ECDSAP256', 65),
  fixed('301006072a8648ce3d020106052b81040022', 'ECDSAP384', 97),
  fixed('301006072a8648ce3d020106052b81040023', 'ECDSAP521', 133),
  fixed('300506032b6570', 'ED25519', 32),
]
const rsaAlgorithm = '300d06092a864886f70d0101010500'

/** Reads a SubjectPublicKeyInfo of at most 10 KiB. Throws `pki/key-malformed`, `pki/key-type`. */
export function parseSubjectKey(spki: Uint8Array): SubjectKey {
  const { algorithm, bits } = readDer(
    spki,
    { code: 'pki/key-malformed', what: 'public key', octetsMax },
    (reader) => {
      const info = reader.enter(tags.sequence, 'subjectPublicKeyInfo')
      const identifier = info.element(tags.sequence, 'algorithm')
      const key = info.bits('subjectPublicKey')
      info.finish('subjectPublicKeyInfo')
      return { algorithm: identifier.toString('hex'), bits: key }
    },
  )
  const keyType = algorithm === rsaAlgorithm ? rsaKeyType(bits) : fixedKeyType(algorithm, bits)
  const own = Buffer.from(spki)
  return {
    keyType,
    spki: own,
    sha256: hash('sha256', own, 'hex'),
    keyIdentifier: keyIdentifierOf(bits),
    publicKey: publicKeyOf(own),
  }
}

/** The key identifier of key bits: RFC 7093 §2, method 1. */
export function keyIdentifierOf(bits: Buffer): Buffer {
  return Buffer.from(hash('sha256', bits, 'buffer').subarray(0, 20))
}

/** A KeyObject of a SubjectPublicKeyInfo; OpenSSL checks that a point is on its curve. Throws `pki/key-malformed`. */
export function publicKeyOf(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch (error) {
    throw new CountersignError(
      'pki/key-malformed',
      'public key is not a point or number of its type',
      {
        cause: error,
      },
    )
  }
}

/**
 * Whether the proof that came beside a bare public key is the key's signature of the pod's UID (the older form of a PodCertificateRequest):
 * RSA-PSS or ECDSA with SHA-256 on every curve, Ed25519 over the UID itself.
 */
export function verifyProofOfPossession(
  key: SubjectKey,
  podUid: string,
  proof: Uint8Array,
): boolean {
  if (proof.length > octetsMax) return false
  const octets = Buffer.from(podUid, 'utf8')
  const signature = asBuffer(proof)
  if (key.keyType === 'ED25519') return verify(null, octets, key.publicKey, signature)
  if (key.keyType.startsWith('ECDSA')) return verify('sha256', octets, key.publicKey, signature)
  const pss = {
    key: key.publicKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_AUTO,
  }
  return verify('sha256', octets, pss, signature)
}

function fixedKeyType(algorithm: string, bits: Buffer): KeyType {
  const known = fixedAlgorithms.find((candidate) => candidate.der === algorithm)
  if (known === undefined) {
    throw new CountersignError(
      'pki/key-type',
      `public key is of a type that is not certified, want=${keyTypes.join('|')}`,
    )
  }
  if (bits.length !== known.octets) {
    throw malformed(`public key has the wrong length, want=${known.octets} got=${bits.length}`)
  }
  // Go, and so kube-apiserver, reads uncompressed points only (RFC 5480 §2.2).
  if (known.uncompressed && bits[0] !== 0x04)
    throw malformed('public key is not an uncompressed point')
  return known.keyType
}

/** RFC 8017 A.1.1. The modulus has exactly 3072 or 4096 bits, as the API server wants it. */
function rsaKeyType(bits: Buffer): KeyType {
  const { modulus, exponent } = readDer(
    bits,
    { code: 'pki/key-malformed', what: 'RSA key', octetsMax },
    (reader) => {
      const key: DerReader = reader.enter(tags.sequence, 'RSAPublicKey')
      const numbers = { modulus: key.integer('modulus'), exponent: key.integer('publicExponent') }
      key.finish('RSAPublicKey')
      return numbers
    },
  )
  const negative = (modulus[0] ?? 0) >= 0x80
  const magnitude = modulus[0] === 0 ? modulus.subarray(1) : modulus
  const bitLength = magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24
  if (negative || ((magnitude.at(-1) ?? 0) & 1) === 0) {
    throw malformed('RSA modulus is not a positive odd number')
  }
  if (bitLength !== 3072 && bitLength !== 4096) {
    throw new CountersignError(
      'pki/key-type',
      `RSA modulus has the wrong size, want=3072|4096 got=${bitLength}`,
    )
  }
  // Every generator in use makes this exponent; small ones have a history of broken verifiers.
  if (exponent.toString('hex') !== '010001') {
    throw new CountersignError(
      'pki/key-type',
      `RSA exponent is another one, want=65537 got=0x${exponent.toString('hex').slice(0, 32)}`,
    )
  }
  return bitLength === 3072 ? 'RSA3072' : 'RSA4096'
}

function fixed(
  der: string,
  keyType: KeyType,
  octets: number,
): { der: string; keyType: KeyType; octets: number; uncompressed: boolean } {
  return { der, keyType, octets, uncompressed: keyType !== 'ED25519' }
}

function malformed(message: string): CountersignError {
  return new CountersignError('pki/key-malformed', message)
}
