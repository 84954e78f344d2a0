import { constants, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { KeyObject, SignKeyObjectInput } from 'node:crypto'
import type { BundleContent } from './bundle-content.ts'
import { hashOf, refused, signatureFile } from './bundle-signature.ts'
import type { BundleKey, SignatureAlgorithm } from './bundle-signature.ts'
import { parseBundleKey } from './bundle-trust.ts'

/** What a signature says beside the files. */
export interface BundleSigning {
  readonly key: KeyObject
  readonly algorithm: SignatureAlgorithm
  readonly keyId: string | undefined
  readonly scope: string
  /** Seconds since the epoch: with it no older bundle comes back. */
  readonly issuedAt: number
}

/** A private key, and its public half as those know it who verify. */
export interface SigningKey {
  readonly key: KeyObject
  readonly known: BundleKey
}

/** Throws `policy/signature` for a key that nobody who verifies would take for this algorithm. */
export function parseSigningKey(
  pem: string,
  { id, algorithm }: { readonly id: string; readonly algorithm: SignatureAlgorithm },
): SigningKey {
  const key = readKey(pem)
  const publicPem = createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString()
  return { key, known: parseBundleKey(publicPem, { id, algorithm }) }
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    // What the reader says of a private key stays unsaid.
    throw refused('file has no private key, want=PEM without a passphrase')
  }
}

/** The content of `.signatures.json` for these files, by OPA's algorithm: one JWS over the names and the hashes of all of them. */
export function signBundle({ files }: BundleContent, signing: BundleSigning): Buffer {
  const { key, algorithm, keyId, scope, issuedAt } = signing
  const listed = [...files]
    .filter(([name]) => name !== signatureFile)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, content]) => ({
      name,
      hash: hashOf(name, content, 'SHA-256'),
      algorithm: 'SHA-256',
    }))
  const header = { alg: algorithm, ...(keyId === undefined ? {} : { kid: keyId }) }
  const input = [header, { files: listed, iat: issuedAt, scope }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const octets = sign(`sha${algorithm.slice(2)}`, Buffer.from(input), keyOf(key, algorithm))
  const token = `${input}.${octets.toString('base64url')}`
  return Buffer.from(`${JSON.stringify({ signatures: [token] })}\n`)
}

function keyOf(key: KeyObject, algorithm: SignatureAlgorithm): SignKeyObjectInput {
  if (algorithm.startsWith('ES')) return { key, dsaEncoding: 'ieee-p1363' }
  if (algorithm.startsWith('RS')) return { key }
  return {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  }
}
