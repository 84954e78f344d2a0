import { createHash, generateKeyPairSync } from 'node:crypto'
import type { KeyObject, KeyPairKeyObjectResult } from 'node:crypto'
import { parseModels, parseToolScopes } from '../../src/identity/ceiling.ts'
import { parseRole } from '../../src/identity/role.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTenant } from '../../src/identity/tenant.ts'
import type { Credential, CredentialSource } from '../../src/pki/credential.ts'
import type { X509Svid } from '../../src/pki/x509-svid.ts'

/** 2026-11-22T09:00:00Z, in milliseconds. */
export const start: number = Date.UTC(2026, 10, 22, 9)

export type Algorithm = 'PS256' | 'ES256' | 'ES384' | 'ES512' | 'Ed25519'

/** Makes a key pair for each algorithm that a certificate of ours can lead to. */
export const keyKinds: Readonly<Record<Algorithm, () => KeyPairKeyObjectResult>> = {
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 3072 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed25519: () => generateKeyPairSync('ed25519'),
}

/** One end of a connection: as much of an SVID as tokens look at. */
export interface Party {
  readonly svid: X509Svid
  readonly privateKey: KeyObject
  readonly credential: Credential
}

export function party(uri: string, algorithm: Algorithm = 'ES256', notAfter?: Date): Party {
  const { publicKey, privateKey } = keyKinds[algorithm]()
  const der = publicKey.export({ format: 'der', type: 'spki' })
  const svid = {
    der,
    sha256: createHash('sha256').update(der).digest('hex'),
    spiffeId: parseSpiffeId(uri),
    notBefore: new Date(start - 60_000),
    notAfter: notAfter ?? new Date(start + 3_600_000),
    publicKey,
    identity: undefined,
  } as unknown as X509Svid
  const privateKeyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return { svid, privateKey, credential: { svid, privateKeyPem, chainPem: '', intermediates: [] } }
}

/** An agent with a ceiling. */
export function caller(toolScopes = 'files:read,github:issues_*'): X509Svid {
  const { svid } = party('spiffe://example.test/ns/research/sa/reader')
  const identity = {
    namespace: { name: 'research', uid: 'n-1' },
    pod: { name: 'reader-0', uid: 'p-1' },
    tenant: parseTenant('acme'),
    role: parseRole('agent'),
    ceiling: { models: parseModels('small,large'), toolScopes: parseToolScopes(toolScopes) },
  }
  return { ...svid, identity: identity as unknown as X509Svid['identity'] }
}

export function sourceOf(current: () => Credential): CredentialSource {
  return { current, onChange: () => () => {} }
}
