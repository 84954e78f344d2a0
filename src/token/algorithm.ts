import { constants } from 'node:crypto'
import type { KeyObject, SignKeyObjectInput } from 'node:crypto'

/** JWS algorithms by the curve's name in Node. */
const curves: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

/**
 * The one JWS algorithm (RFC 7518 §3, RFC 9864) for a key. The key decides, never the token: RFC 8725 §3.1.
 * Undefined for a kind of key that no certificate of ours has.
 */
export function algorithmOf(key: KeyObject): string | undefined {
  const { asymmetricKeyType: kind } = key
  if (kind === 'rsa') return 'PS256'
  if (kind === 'ed25519') return 'Ed25519'
  return kind === 'ec' ? curves[key.asymmetricKeyDetails?.namedCurve ?? ''] : undefined
}

/** How Node makes the signature of an algorithm: its digest, and the form or padding that RFC 7518 §3.4 and §3.5 ask for. */
export interface SigningMethod {
  /** Null where the algorithm has its own (RFC 8032). */
  readonly digest: string | null
  readonly settings: Omit<SignKeyObjectInput, 'key'>
}

/** Undefined for an algorithm that `algorithmOf` never names. */
export function signingMethodOf(algorithm: string): SigningMethod | undefined {
  return methods[algorithm]
}

/** R and S side by side: Node's default is the DER form that TLS has. */
const raw = { dsaEncoding: 'ieee-p1363' } as const

const methods: Readonly<Record<string, SigningMethod>> = {
  ES256: { digest: 'sha256', settings: raw },
  ES384: { digest: 'sha384', settings: raw },
  ES512: { digest: 'sha512', settings: raw },
  PS256: {
    digest: 'sha256',
    settings: {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    },
  },
  Ed25519: { digest: null, settings: {} },
}
