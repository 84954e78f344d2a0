import { createHash, sign, verify, type KeyObject } from 'node:crypto'
import { readBoundedFile } from '../bounded-file.ts'
import { CountersignError, quoted } from '../errors.ts'
import { ed25519Octets, ed25519PublicKey } from './log-key.ts'

/*
 * Signed notes (C2SP signed-note): a text that ends in a line feed, an empty line, and one line for each signature,
 * `— <key name> <base64(key id ‖ signature)>`. A checkpoint is one, and witnesses add lines to it.
 */

/** What a signature is of: the note itself, or a witness's statement about it (C2SP tlog-cosignature). */
const types = { ed25519: 0x01, cosignature: 0x04 } as const

/** Whose signatures are believed. */
export interface NoteVerifier {
  readonly name: string
  readonly kind: keyof typeof types
  readonly publicKey: KeyObject
  /** 4 octets. */
  readonly keyId: Buffer
}

export interface NoteSigner extends NoteVerifier {
  readonly privateKey: KeyObject
}

export interface NoteSignature {
  readonly name: string
  readonly keyId: Buffer
  readonly signature: Buffer
}

export interface Note {
  /** With its last line feed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** A checkpoint has three lines, and a line for each witness. */
const noteOctetsMax = 65_536
const signaturesMax = 64

const nameForm = /^[^\s+\p{Cc}]{1,255}$/u

export function isKeyName(name: string): boolean {
  return nameForm.test(name)
}

function keyIdOf(name: string, kind: NoteVerifier['kind'], publicKey: KeyObject): Buffer {
  const key = ed25519Octets(publicKey)
  const hashed = createHash('sha256').update(`${name}\n`).update(Buffer.of(types[kind]))
  return hashed.update(key).digest().subarray(0, 4)
}

export function createVerifier(
  name: string,
  publicKey: KeyObject,
  kind: NoteVerifier['kind'] = 'ed25519',
): NoteVerifier {
  if (!isKeyName(name)) throw refused(`name of a key has spaces or '+': got=${quoted(name)}`)
  return { name, kind, publicKey, keyId: keyIdOf(name, kind, publicKey) }
}

/** `<name>+<key id>+<base64(type ‖ key)>`, as Go's note package writes it. */
export function formatVerifierKey({ name, kind, publicKey, keyId }: NoteVerifier): string {
  const key = Buffer.concat([Buffer.of(types[kind]), ed25519Octets(publicKey)])
  return `${name}+${keyId.toString('hex')}+${key.toString('base64')}`
}

/** Throws 'ledger/note'. */
export function parseVerifierKey(text: string): NoteVerifier {
  const [name = '', id = '', ...rest] = text.split('+')
  const key = strictBase64(rest.join('+'))
  const kind = key?.[0] === types.ed25519 ? 'ed25519' : 'cosignature'
  if (key?.length !== 33 || key[0] !== types[kind] || !/^[0-9a-f]{8}$/.test(id)) {
    throw refused(`no verifier key: want=<name>+<key id>+<base64> got=${quoted(text)}`)
  }
  const verifier = createVerifier(name, ed25519PublicKey(key.subarray(1)), kind)
  if (verifier.keyId.toString('hex') !== id) throw refused(`key id of ${quoted(name)} is another`)
  return verifier
}

/** The text of a note's file, whoever has put it there. Throws 'ledger/note', and what the file system says. */
export async function readNote(file: string): Promise<string> {
  const found = await readBoundedFile(file, noteOctetsMax)
  if (found !== undefined) return found.content.toString('utf8')
  throw refused(`note is too long: want=..${noteOctetsMax} octets`)
}

/** Throws 'ledger/note'. */
export function parseNote(octets: string): Note {
  if (octets.length > noteOctetsMax) throw refused(`note is too long: got=${octets.length}`)
  const split = octets.lastIndexOf('\n\n')
  const lines = octets.slice(split + 2).split('\n')
  if (split < 0 || lines.pop() !== '' || lines.length === 0 || lines.length > signaturesMax) {
    throw refused(`no signed note: got=${quoted(octets)}`)
  }
  const text = octets.slice(0, split + 1)
  if (!text.isWellFormed() || /[^\P{Cc}\n]/u.test(text))
    throw refused('note has control characters')
  return { text, signatures: lines.map(parseSignature) }
}

function parseSignature(line: string): NoteSignature {
  const [dash, name = '', base64 = '', ...rest] = line.split(' ')
  const octets = strictBase64(base64)
  if (dash !== '—' || rest.length > 0 || !isKeyName(name) || !octets || octets.length < 5) {
    throw refused(`no signature of a note: got=${quoted(line)}`)
  }
  return { name, keyId: octets.subarray(0, 4), signature: octets.subarray(4) }
}

export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(({ name, keyId, signature }) => {
    return `— ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`
  })
  return `${text}\n${lines.join('')}`
}

export function signNote(text: string, signer: NoteSigner): NoteSignature {
  const { name, keyId, privateKey } = signer
  return { name, keyId, signature: sign(null, Buffer.from(text), privateKey) }
}

/** C2SP cosignature/v1: a witness says that at this time it knew of no other history. */
export function cosignNote(text: string, signer: NoteSigner, seconds: number): NoteSignature {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(seconds))
  const { name, keyId, privateKey } = signer
  const signature = sign(null, cosigned(text, BigInt(seconds)), privateKey)
  return { name, keyId, signature: Buffer.concat([time, signature]) }
}

function cosigned(text: string, seconds: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`)
}

/**
 * Whether this key has signed the note. Signatures of others are passed over; one that bears the name and id of the key
 * and is not its own makes the note nobody's: throws 'ledger/note'.
 */
export function isSignedBy(note: Note, verifier: NoteVerifier): boolean {
  const own = note.signatures.filter(
    ({ name, keyId }) => name === verifier.name && keyId.equals(verifier.keyId),
  )
  for (const { signature } of own) {
    if (!verifies(note.text, signature, verifier)) {
      throw refused(`signature of ${quoted(verifier.name)} is not its own`)
    }
  }
  return own.length > 0
}

function verifies(text: string, signature: Buffer, { kind, publicKey }: NoteVerifier): boolean {
  if (kind === 'ed25519') return verify(null, Buffer.from(text), publicKey, signature)
  if (signature.length !== 72) return false
  const message = cosigned(text, signature.readBigUInt64BE(0))
  return verify(null, message, publicKey, signature.subarray(8))
}

/** Octets of base64 with padding and nothing else; undefined for what Node would only read leniently. */
export function strictBase64(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64')
  return octets.toString('base64') === text ? octets : undefined
}

function refused(rule: string): CountersignError {
  return new CountersignError('ledger/note', rule)
}
