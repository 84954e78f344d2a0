import type { KeyObject } from 'node:crypto'

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
