import { constants, createPublicKey, verify, type KeyObject } from 'node:crypto'
import { readDer, readObjectIdentifier, readOneDer, tags } from '../der.ts'

export interface CertificateRequest {
  readonly publicKey: KeyObject
  readonly signatureVerifies: boolean
}

/** Undefined for what is no PKCS#10 request of one piece; what it asks for is nobody's business here. */
export function parseCertificateRequest(octets: Buffer): CertificateRequest | undefined {
  try {
    const [information, algorithm, signature, ...rest] = readDer(wholeSequence(octets))
    if (!information || !algorithm || signature?.tag !== tags.bitString) return undefined
    if (rest.length > 0) return undefined
    const [version, subject, spki] = readDer(information.content)
    if (version?.tag !== tags.integer || subject?.tag !== tags.sequence || !spki) return undefined
    const publicKey = parsePublicKey(spki.raw)
    if (publicKey === undefined) return undefined
    const signatureVerifies = verifySignature({
      signed: information.raw,
      algorithm: algorithm.content,
      publicKey,
      signature: signature.content.subarray(1),
    })
    return { publicKey, signatureVerifies }
  } catch {
    return undefined
  }
}

function wholeSequence(octets: Buffer): Buffer {
  const outer = readOneDer(octets)
  if (outer.tag !== tags.sequence) throw new RangeError('no sequence')
  return outer.content
}

/** A DER SubjectPublicKeyInfo with nothing after it, of a kind that Node knows. */
export function parsePublicKey(spki: Buffer): KeyObject | undefined {
  try {
    wholeSequence(spki)
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** RFC 8017, RFC 5758, RFC 8410. */
const signatureDigests: Readonly<Record<string, string | null>> = {
  '1.2.840.113549.1.1.5': 'sha1',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.1': 'sha1',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
}

function verifySignature(options: {
  readonly signed: Buffer
  readonly algorithm: Buffer
  readonly publicKey: KeyObject
  readonly signature: Buffer
}): boolean {
  const [oid] = readDer(options.algorithm)
  const name = oid === undefined ? '' : readObjectIdentifier(oid.content)
  if (!Object.hasOwn(signatureDigests, name)) return false
  const digest = signatureDigests[name] ?? null
  return verify(digest, options.signed, options.publicKey, options.signature)
}

const curves = ['prime256v1', 'secp384r1', 'secp521r1']
const modulusBits = [3072, 4096]

/** Why a key may not be certified: RSA of 3072 or 4096 bits, P-256, P-384, P-521, Ed25519 are what there is. */
export function checkKeyType(key: KeyObject): string | undefined {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  const type = key.asymmetricKeyType ?? ''
  if (type === 'ed25519') return undefined
  if (type === 'ec') {
    return curves.includes(namedCurve)
      ? undefined
      : `curve ${namedCurve}: want=P-256, P-384 or P-521`
  }
  if (type !== 'rsa') return `key type ${type}: want=RSA, ECDSA or Ed25519`
  // In whole octets, as Go measures a modulus.
  const bits = Math.ceil(modulusLength / 8) * 8
  return modulusBits.includes(bits) ? undefined : `RSA modulus of ${bits} bits: want=3072 or 4096`
}

/** The pair of kubelets before 1.36: the key's signature over the ASCII pod UID. */
export function verifyProof(key: KeyObject, podUid: string, proof: Buffer): boolean {
  const message = Buffer.from(podUid, 'ascii')
  try {
    if (key.asymmetricKeyType === 'ed25519') return verify(null, message, key, proof)
    if (key.asymmetricKeyType === 'ec') return verify('sha256', message, key, proof)
    const padding = constants.RSA_PKCS1_PSS_PADDING
    const saltLength = constants.RSA_PSS_SALTLEN_AUTO
    return verify('sha256', message, { key, padding, saltLength }, proof)
  } catch {
    return false
  }
}
