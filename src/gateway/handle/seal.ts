import { createCipheriv, createDecipheriv, randomBytes as systemRandomBytes } from 'node:crypto'
import { CountersignError } from '../../errors.ts'

const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32

/**
 * State that callers carry for us: encrypted and authenticated (AES-256-GCM, NIST SP 800-38D §8.2.2 random nonces), base64url,
 * so that it is visible ASCII. Every replica with the same key opens it.
 */
export interface Seal {
  seal(purpose: string, value: object): string
  /** The value, or undefined for whatever was not sealed by this key for this purpose. */
  open(purpose: string, text: string): unknown
}

/** Throws `gateway/session-key` for a key of another length than 32 octets. */
export function createSeal(options: {
  readonly key?: Buffer | undefined
  readonly charactersMax?: number
  readonly randomBytes?: (count: number) => Buffer
}): Seal {
  const { charactersMax = 32_768, randomBytes = systemRandomBytes } = options
  const key = options.key ?? randomBytes(keyBytes)
  if (key.length !== keyBytes) {
    throw new CountersignError(
      'gateway/session-key',
      `session key is of the wrong length, want=${keyBytes} octets got=${key.length}`,
    )
  }
  return {
    seal(purpose, value) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose))
      const sealed = [nonce, cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]
      return Buffer.concat([...sealed, cipher.getAuthTag()]).toString('base64url')
    },
    open(purpose, text) {
      if (text.length > charactersMax || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined
      const octets = Buffer.from(text, 'base64url')
      // The last character has bits that mean nothing: one value has one text (RFC 4648 §3.5).
      if (octets.toString('base64url') !== text) return undefined
      if (octets.length < nonceBytes + tagBytes) return undefined
      const sealed = octets.subarray(nonceBytes, octets.length - tagBytes)
      const decipher = createDecipheriv('aes-256-gcm', key, octets.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      })
        .setAAD(Buffer.from(purpose))
        .setAuthTag(octets.subarray(octets.length - tagBytes))
      try {
        return JSON.parse(decipher.update(sealed, undefined, 'utf8') + decipher.final('utf8'))
      } catch {
        // A wrong tag is the only way in here: what opens was sealed from JSON.
        return undefined
      }
    },
  }
}
