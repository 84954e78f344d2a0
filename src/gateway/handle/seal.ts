import { createCipheriv, createDecipheriv, randomBytes as systemRandomBytes } from 'node:crypto'
import type { HandleKey, HandleKeySource } from './keys.ts'

const keyIdBytes = 4
const nonceBytes = 12
const tagBytes = 16

/**
 * What a caller can hold of ours, and approvals, which no caller holds; and the form of what is sealed in it: a form that changes has another number. Each kind has a row in
 * `test/gateway/handle/seal.calls.test.ts`, which tries it in the hands of everybody else.
 */
const forms = {
  session: 5,
  cursor: 3,
  requestState: 1,
  ask: 3,
  approval: 3,
  task: 2,
  place: 1,
} as const

export type HandleKind = keyof typeof forms

/** What is taken for one, and so what is sealed: an id stands in a header, an approval in an object whose schema says the same. */
export const sealedCharactersMax: Readonly<Record<HandleKind, number>> = {
  session: 4096,
  cursor: 32_768,
  requestState: 32_768,
  ask: 4096,
  approval: 65_536,
  task: 4096,
  place: 4096,
}

/** What a handle is, and whose: both are asked of whoever seals one, and of whoever opens one. */
export interface HandleOf {
  readonly kind: HandleKind
  /** SPIFFE ID, pod UID and that of its claim. */
  readonly owner: string
}

/** What was sealed; or of whom it is, where that is somebody else. Undefined for whatever no key here has sealed as this kind. */
export type Opened = { readonly value: unknown } | { readonly ownedBy: string } | undefined

/**
 * State that callers carry for us: encrypted and authenticated (AES-256-GCM, NIST SP 800-38D §8.2.2 random nonces), base64url, so that
 * it is visible ASCII. Every replica that has the key opens it, for its owner alone. The owner is within what is encrypted: a handle
 * that stands in somebody's log says nothing of who holds it, and one in the wrong hands still tells us whose it is.
 */
export interface Seal {
  /** Undefined: it is longer than anybody would take it back. */
  seal(of: HandleOf, value: object): string | undefined
  open(of: HandleOf, text: string): Opened
  /** Whether it has the form of what is sealed, by a key that is not here: not yet, not any more, or never. */
  isSealedElsewhere(kind: HandleKind, text: string): boolean
}

/** How many sessions are known by their ids: a session stands in each of its requests, any other handle in one or two. */
const knownMax = 512

export interface SealOptions {
  readonly keys: HandleKeySource
  readonly randomBytes?: (count: number) => Buffer
}

export function createSeal(options: SealOptions): Seal {
  const { keys, randomBytes = systemRandomBytes } = options
  const known = new Map<string, Decrypted>()

  function textOf(kind: HandleKind, handle: string): string | undefined {
    const before = kind === 'session' ? known.get(handle) : undefined
    // One that goes takes with it what it has sealed.
    if (before !== undefined && keys.current().find(before.key.id) === before.key)
      return before.text
    const octets = readOctets(kind, handle)
    const decrypted = octets && decrypt(octets, kind, keys)
    if (decrypted === undefined || kind !== 'session') return decrypted?.text
    known.delete(handle)
    known.set(handle, decrypted)
    const [oldest] = known.size > knownMax ? known.keys() : []
    if (oldest !== undefined) known.delete(oldest)
    return decrypted.text
  }
  return {
    seal({ kind, owner }, value) {
      const { id, octets } = keys.current().sealing
      const keyId = Buffer.from(id, 'hex')
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', octets, nonce)
      cipher.setAAD(associated(kind, keyId))
      const text = JSON.stringify([owner, value])
      const sealed = [keyId, nonce, cipher.update(text, 'utf8'), cipher.final()]
      const handle = Buffer.concat([...sealed, cipher.getAuthTag()]).toString('base64url')
      return handle.length > sealedCharactersMax[kind] ? undefined : handle
    },
    open({ kind, owner }, text) {
      const opened = textOf(kind, text)
      if (opened === undefined) return undefined
      const [ownedBy, value] = JSON.parse(opened) as [owner: string, value: unknown]
      return ownedBy === owner ? { value } : { ownedBy }
    },
    isSealedElsewhere(kind, text) {
      const octets = readOctets(kind, text)
      return octets !== undefined && keys.current().find(keyIdOf(octets)) === undefined
    },
  }
}

/** Undefined: it is of no form in which anything is sealed. */
function readOctets(kind: HandleKind, text: string): Buffer | undefined {
  if (text.length > sealedCharactersMax[kind] || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  const octets = Buffer.from(text, 'base64url')
  // The last character has bits that mean nothing: one value has one text (RFC 4648 §3.5).
  if (octets.toString('base64url') !== text) return undefined
  return octets.length < keyIdBytes + nonceBytes + tagBytes ? undefined : octets
}

function keyIdOf(octets: Buffer): string {
  return octets.subarray(0, keyIdBytes).toString('hex')
}

interface Decrypted {
  readonly key: HandleKey
  /** JSON of whose it is, and of what was sealed. */
  readonly text: string
}

function decrypt(octets: Buffer, kind: HandleKind, keys: HandleKeySource): Decrypted | undefined {
  const keyId = octets.subarray(0, keyIdBytes)
  const key = keys.current().find(keyIdOf(octets))
  if (key === undefined) return undefined
  const sealedAt = keyIdBytes + nonceBytes
  const tagAt = octets.length - tagBytes
  const nonce = octets.subarray(keyIdBytes, sealedAt)
  const decipher = createDecipheriv('aes-256-gcm', key.octets, nonce, { authTagLength: tagBytes })
  decipher.setAAD(associated(kind, keyId)).setAuthTag(octets.subarray(tagAt))
  try {
    const text =
      decipher.update(octets.subarray(sealedAt, tagAt), undefined, 'utf8') + decipher.final('utf8')
    return { key, text }
  } catch {
    // A wrong tag is the only way in here.
    return undefined
  }
}

function associated(kind: HandleKind, keyId: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`countersign/${kind}/${forms[kind]}/`), keyId])
}
