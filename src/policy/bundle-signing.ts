import { constants, createHash, createPrivateKey, sign } from 'node:crypto'
import type { KeyObject, SignKeyObjectInput } from 'node:crypto'
import type { BundleContent } from './bundle-content.ts'
import { refused, signatureFile, structuredFiles } from './bundle-signature.ts'
import type { SignatureAlgorithm } from './bundle-signature.ts'
import { structuredHash } from './structured-hash.ts'

/** What a signature says beside the files. */
export interface BundleSigning {
  readonly key: KeyObject
  readonly algorithm: SignatureAlgorithm
  readonly keyId: string | undefined
  readonly scope: string
  /** Seconds since the epoch: with it no older bundle comes back. */
  readonly issuedAt: number
}

/** Throws `policy/signature` for a key that does not fit its algorithm. */
export function parseSigningKey(pem: string, algorithm: SignatureAlgorithm): KeyObject {
  const key = readKey(pem)
  const want = algorithm.startsWith('ES') ? 'ec' : 'rsa'
  if (key.asymmetricKeyType !== want) {
    throw refused(`key of ${algorithm}: want=${want} got=${key.asymmetricKeyType}`)
  }
  return key
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
    .map(([name, content]) => ({ name, hash: hashOf(name, content), algorithm: 'SHA-256' }))
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

function hashOf(name: string, content: Buffer): string {
  if (structuredFiles.has(name)) return structuredHash(content.toString('utf8'), 'sha256')
  return createHash('sha256').update(content).digest('hex')
}
