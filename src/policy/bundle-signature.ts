import {
  constants,
  createHash,
  verify,
  type KeyObject,
  type VerifyKeyObjectInput,
} from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import type { BundleContent } from './bundle-content.ts'
import { faultInJson } from './data-document.ts'
import { structuredHash } from './structured-hash.ts'

/** Who may sign a bundle. */
export interface BundleKey {
  /** As a signature may name it (`kid`, or OPA's older `keyid`). */
  readonly id: string
  /** Of this key, whatever a signature says of itself. */
  readonly algorithm: SignatureAlgorithm
  readonly publicKey: KeyObject
}

/** What signatures are made with. With a shared secret whoever verifies could sign, so there is none of those. */
export const signatureAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
] as const

export type SignatureAlgorithm = (typeof signatureAlgorithms)[number]

/** When a verified bundle was signed, in seconds since the epoch: OPA's `iat`, where its signer has said it. */
export interface VerifiedBundle {
  readonly issuedAt: number | undefined
}

export const signatureFile = '.signatures.json'

const signatureOctetsMax = 1024 * 1024

/** OPA knows MD5 and SHA-1 too, which are broken. */
const hashes: Readonly<Record<string, string>> = {
  'SHA-224': 'sha224',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
  'SHA-512-224': 'sha512-224',
  'SHA-512-256': 'sha512-256',
}

/** Documents that OPA hashes by their structure; everything else by its octets. */
const structuredFiles: ReadonlySet<string> = new Set(['.manifest', 'data.json'])

/**
 * Verifies a bundle by OPA's algorithm: one JWS over the names and the hashes of all files. Every file is listed, every listed file is
 * there, and nothing is left out of it. Throws `policy/signature`.
 */
export function verifyBundle(
  { files }: BundleContent,
  { keys, scope }: { readonly keys: readonly BundleKey[]; readonly scope: string },
): VerifiedBundle {
  const octets = files.get(signatureFile)
  if (octets === undefined) throw refused(`bundle is not signed, want=${signatureFile}`)
  if (octets.length > signatureOctetsMax) throw refused(`${signatureFile} is too large`)
  const payload = verifyToken(tokenOf(octets), keys)
  const { scope: got = '', iat, files: listed } = payload
  if (got !== scope) {
    throw refused(`scope of the signature: want=${quoted(scope)} got=${quoted(String(got))}`)
  }
  if (iat !== undefined && !(Number.isSafeInteger(iat) && Number(iat) >= 0)) {
    throw refused('iat of the signature is no time in seconds')
  }
  checkFiles(files, parseListed(listed))
  return { issuedAt: iat as number | undefined }
}

type Json = Readonly<Record<string, unknown>>

function tokenOf(octets: Buffer): string {
  const { signatures, plugin = '_default' } = parseObject(octets, signatureFile)
  if (plugin !== '_default') throw refused('signature is of a plugin, want=none')
  const [token, ...more] = Array.isArray(signatures) ? (signatures as unknown[]) : []
  if (typeof token !== 'string' || more.length > 0) {
    throw refused(`${signatureFile}: want=one signature`)
  }
  return token
}

function verifyToken(token: string, keys: readonly BundleKey[]): Json {
  const [head = '', body = '', signature = '', ...more] = token.split('.')
  if (more.length > 0 || signature === '') throw refused('signature is no compact JWS')
  const header = parseObject(Buffer.from(head, 'base64url'), 'header of the signature')
  const payload = parseObject(Buffer.from(body, 'base64url'), 'payload of the signature')
  if (header['crit'] !== undefined) throw refused('signature has critical headers, want=none')
  const named = header['kid'] ?? payload['keyid']
  const fit = named === undefined ? keys : keys.filter(({ id }) => id === named)
  if (fit.length === 0) {
    const ids = keys.map(({ id }) => id).join('|')
    throw refused(`key of the signature is not known, want=${ids} got=${quoted(String(named))}`)
  }
  const input = Buffer.from(`${head}.${body}`)
  const octets = Buffer.from(signature, 'base64url')
  // The algorithm is the key's: a signature that says another one of itself is of somebody else.
  const isGood = fit.some((key) => key.algorithm === header['alg'] && isBy(key, input, octets))
  if (!isGood) throw refused('signature is not by a key of policy.signature')
  return payload
}

function isBy({ algorithm, publicKey }: BundleKey, input: Buffer, signature: Buffer): boolean {
  const hash = `sha${algorithm.slice(2)}`
  const key: VerifyKeyObjectInput = { key: publicKey }
  if (algorithm.startsWith('PS')) {
    key.padding = constants.RSA_PKCS1_PSS_PADDING
    key.saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  }
  if (algorithm.startsWith('ES')) key.dsaEncoding = 'ieee-p1363'
  return verify(hash, input, key, signature)
}

interface Listed {
  readonly name: string
  readonly hash: string
  readonly algorithm: string
}

function parseListed(value: unknown): readonly Listed[] {
  if (!Array.isArray(value)) throw refused('signature lists no files')
  const names = new Set<string>()
  return value.map((each: unknown) => {
    const { name, hash, algorithm = 'SHA-256' } = (each ?? {}) as Partial<Record<string, unknown>>
    if (typeof name !== 'string' || typeof hash !== 'string' || typeof algorithm !== 'string') {
      throw refused('signature lists a file without name or hash')
    }
    if (names.has(name)) throw refused(`signature lists a file twice, got=${quoted(name, 255)}`)
    names.add(name)
    return { name, hash, algorithm }
  })
}

function checkFiles(files: ReadonlyMap<string, Buffer>, listed: readonly Listed[]): void {
  const names = new Set(listed.map(({ name }) => name))
  for (const name of files.keys()) {
    if (name !== signatureFile && !names.has(name)) {
      throw refused(`file is not signed, got=${quoted(name, 255)}`)
    }
  }
  for (const { name, hash, algorithm } of listed) {
    const content = name === signatureFile ? undefined : files.get(name)
    if (content === undefined) throw refused(`signed file is not there, want=${quoted(name, 255)}`)
    if (hashOf(name, content, algorithm) !== hash.toLowerCase()) {
      throw refused(`file is not what was signed, got=${quoted(name, 255)}`)
    }
  }
}

/** The hash of a file as a signature lists it. Throws `policy/signature`. */
export function hashOf(name: string, content: Buffer, algorithm: string): string {
  const hash = Object.hasOwn(hashes, algorithm) ? hashes[algorithm] : undefined
  if (hash === undefined) {
    throw refused(`hash of a file: want=${Object.keys(hashes).join('|')} got=${quoted(algorithm)}`)
  }
  if (!structuredFiles.has(name)) return createHash(hash).update(content).digest('hex')
  const text = content.toString('utf8')
  parseObject(content, name)
  return structuredHash(text, hash)
}

function parseObject(octets: Buffer, what: string): Json {
  let value: unknown
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(octets)
    value = JSON.parse(text)
  } catch (error) {
    throw refused(`${what} is not JSON`, error)
  }
  const fault = faultInJson(text)
  if (fault !== undefined) throw refused(`${what}: ${fault}`)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused(`${what} is not a JSON object`)
  }
  return value as Json
}

export function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/signature', message, { cause })
}
