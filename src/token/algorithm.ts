import { constants, sign } from 'node:crypto'
import type { KeyObject, SignKeyObjectInput } from 'node:crypto'
import { createSigningTurns } from './signing-turns.ts'
import type { Signing, SigningThread, StartSigningThread } from './signing-turns.ts'

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

/** Two for each thread of the pool, so that none goes to sleep between them; the decision log's writes wait for two at most. */
const signingMax = 8

/**
 * How the algorithm of this key signs (RFC 7518 §3.4 and §3.5, RFC 8037 §3.1). Undefined for a key that has no algorithm here. What takes
 * much longer than P-256 is better spread over the pool than given to one thread.
 */
export function signOf(key: KeyObject, startThread?: StartSigningThread): Signing | undefined {
  switch (algorithmOf(key)) {
    case 'ES256': {
      const turns = inPool('sha256', key, startThread && (() => startThread(key)))
      return { ...turns, sign: async (text) => rawSignature(await turns.sign(text), 32) }
    }
    case 'ES384': {
      const turns = inPool('sha384', key)
      return { ...turns, sign: async (text) => rawSignature(await turns.sign(text), 48) }
    }
    case 'ES512': {
      const turns = inPool('sha512', key)
      return { ...turns, sign: async (text) => rawSignature(await turns.sign(text), 66) }
    }
    case 'PS256': {
      const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants
      return inPool('sha256', { key, padding, saltLength })
    }
    case 'Ed25519':
      return inPool(null, key)
    case undefined:
    default:
      return undefined
  }
}

function inPool(
  digest: string | null,
  key: KeyObject | SignKeyObjectInput,
  startThread?: () => Promise<SigningThread>,
): Signing {
  const sign = (octets: Buffer): Promise<Buffer> => signing(digest, octets, key)
  return createSigningTurns({ sign, most: signingMax, startThread })
}

function signing(
  digest: string | null,
  octets: Buffer,
  key: KeyObject | SignKeyObjectInput,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  sign(digest, octets, key, settling(resolve, reject))
  return promise
}

/**
 * Made where nothing of a call is in scope: what Node keeps of a job, and this with it, most often lives until old memory is collected,
 * and the octets of every call would.
 */
function settling(
  resolve: (signature: Buffer) => void,
  reject: (error: Error) => void,
): (error: Error | null, signature: Buffer) => void {
  return (error, signature) => {
    if (error === null) resolve(signature)
    else reject(error)
  }
}

/**
 * R and S side by side, of a DER signature (RFC 3279 §2.2.3). Node would do it, but when it is given more than the key it takes
 * longer to look at that than to sign.
 */
function rawSignature(der: Buffer, size: number): Buffer {
  const raw = Buffer.alloc(2 * size)
  // The long form of a length has one more octet, and the largest signature (P-521) needs no further one.
  let at = der.readUInt8(1) > 0x7f ? 3 : 2
  for (const end of [size, 2 * size]) {
    const from = at + 2
    at = from + der.readUInt8(at + 1)
    // An integer has a zero before a high first bit, and none of its own: so it may be longer than R, or shorter.
    const value = der.subarray(Math.max(from, at - size), at)
    value.copy(raw, end - value.length)
  }
  return raw
}
