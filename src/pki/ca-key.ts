import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import { parsePem } from './pem.ts'
import { signatureAlgorithmFor, verifySignature } from './signature.ts'
import type { SignatureAlgorithm } from './signature.ts'

/** The key of a CA, wherever it is: in this process, in a token, at a service. It is used, and never shown. */
export interface CaKey {
  readonly publicKey: KeyObject
  /** What it signs by: the one that `signatureAlgorithmFor` gives for its public key. */
  readonly algorithm: SignatureAlgorithm
  /**
   * The signature as a certificate has it (ECDSA in DER): at once where the key is in this process, and within a bound of its own elsewhere.
   * Throws `pki/authority-unavailable`. Who calls it verifies what it gives.
   */
  sign(octets: Uint8Array): Buffer | Promise<Buffer>
}

const charactersMax = 128 * 1024

/** How Node reads what a label announces. PKCS#1 and SEC1 are what cert-manager and openssl write by default. */
const keyTypesByLabel: Readonly<Record<string, 'pkcs8' | 'sec1' | 'pkcs1'>> = {
  'PRIVATE KEY': 'pkcs8',
  'EC PRIVATE KEY': 'sec1',
  'RSA PRIVATE KEY': 'pkcs1',
}

/** The one key in a PEM text, used in this process. Throws `pki/authority`. */
export function parseCaKey(privateKeyPem: string): CaKey {
  const privateKey = readKey(privateKeyPem)
  const publicKey = createPublicKey(privateKey)
  const algorithm = signingAlgorithmOf(publicKey)
  return { publicKey, algorithm, sign: (octets) => sign(algorithm.digest, octets, privateKey) }
}

/** Throws `pki/authority` for a key that no CA may have. */
export function signingAlgorithmOf(publicKey: KeyObject): SignatureAlgorithm {
  const algorithm = signatureAlgorithmFor(publicKey)
  if (algorithm !== undefined) return algorithm
  throw refused('has a key of a type that does not sign certificates')
}

/**
 * Asks a key that is kept elsewhere for a signature that only the key of this certificate makes, before anything is signed with it. What is
 * signed is no certificate, and cannot be taken for one. Throws `pki/authority` when another key has signed it.
 */
export async function proveKey(key: CaKey): Promise<void> {
  const challenge = Buffer.concat([Buffer.from('countersign: is this the key?'), randomBytes(32)])
  const signature = await key.sign(challenge)
  if (verifySignature(key.algorithm, key.publicKey, { octets: challenge, signature })) return
  throw refused('has a key that does not belong to its certificate')
}

/** OpenSSL's own message is dropped: it may tell of the key's octets. */
function readKey(pem: string): KeyObject {
  const what = 'authority key'
  // `openssl ecparam -genkey` writes the curve before the key, which names it again.
  const blocks = parsePem(pem, { code: 'pki/authority', what, charactersMax }).filter(
    ({ label }) => label !== 'EC PARAMETERS',
  )
  const labels = Object.keys(keyTypesByLabel).join('|')
  const [block] = blocks
  if (block === undefined || blocks.length > 1) {
    throw refused(`key is not one block, want=${labels} got=${blocks.length}`)
  }
  if (block.label === 'ENCRYPTED PRIVATE KEY')
    throw refused('key is encrypted, and nobody is asked')
  const type = keyTypesByLabel[block.label]
  if (type === undefined) {
    throw refused(`key is another block, want=${labels} got=${quoted(block.label)}`)
  }
  try {
    return createPrivateKey({ key: block.der, format: 'der', type })
  } catch {
    throw refused('key cannot be read')
  }
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/authority', `authority ${message}`)
}
