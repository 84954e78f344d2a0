import { hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readBoundedFile } from '../bounded-file.ts'
import { CountersignError, quoted } from '../errors.ts'
import { proveKey, signingAlgorithmOf } from '../pki/ca-key.ts'
import type { CaKey } from '../pki/ca-key.ts'
import { formatEcdsaSignature, verifySignature } from '../pki/signature.ts'
import type { SignatureAlgorithm } from '../pki/signature.ts'
import {
  initialize,
  openConnection,
  returned,
  TokenRefusal,
  type Connection,
} from './connection.ts'
import { attributes, byteArray, calls, mechanism, room, ulong } from './message.ts'
import type { NoParameters } from './message.ts'

/** Where a key is, by the names that people give: nothing of it is a number that changes with the next start. */
export interface TokenPlace {
  /** Unix socket on which p11-kit serves the module. */
  readonly socket: string
  /** Label of the token. */
  readonly token: string
  /** Label of the private key. Of several that have it each certificate finds its own. */
  readonly key: string
  /** File of the user's PIN; a token that asks for none has none. */
  readonly pinFile?: string | undefined
  readonly answerSeconds?: number
}

/** The keys of one token, used over one connection that is opened when it is needed and again when it was lost. */
export interface Token extends Disposable {
  /** The key that belongs to a certificate with this public key. Throws `pki/authority` for a type that tokens are not asked for. */
  keyOf(publicKey: KeyObject): CaKey
}

/** More slots than any token has, and as many keys of one label as a rotation can need. */
const slotsMax = 64
const keysMax = 8

const pinOctetsMax = 256
const signatureOctetsMax = 2048

const serialSession = 4
const user = 1
const classAttribute = 0x0
const labelAttribute = 0x3
const privateKeyClass = 3n

/** CKM_RSA_PKCS and CKM_ECDSA: both are given the digest, and have no parameters. */
const mechanisms = { rsa: 0x1, ec: 0x1041 } as const

/** RFC 8017 §9.2: what stands before the digest in what RSA signs. */
const digestInfos: Readonly<Record<string, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

const pinRefusals: ReadonlySet<bigint> = new Set([
  returned.pinIncorrect,
  returned.pinInvalid,
  returned.pinLenRange,
  returned.pinExpired,
  returned.pinLocked,
])

const keyRefusals: ReadonlySet<bigint> = new Set([
  returned.keyHandleInvalid,
  returned.objectHandleInvalid,
])

export function openToken(place: TokenPlace): Token {
  return new SocketToken(place)
}

interface Session {
  readonly connection: Connection
  readonly handle: bigint
  /** Which of them belongs to a public key, once that is found. */
  readonly found: Map<KeyObject, Promise<bigint>>
  /** How this p11-kit reads mechanisms, once a signature has shown it. */
  noParameters?: NoParameters
}

/** A connection, and the session that is opened on it. */
interface Opening {
  readonly connection: Connection
  readonly session: Promise<Session>
}

class SocketToken implements Token {
  readonly #place: TokenPlace
  #opening: Opening | undefined
  /** One that was refused. It is not tried again: after a few times the token locks. */
  #refusedPin: string | undefined
  #closed = false

  constructor(place: TokenPlace) {
    this.#place = place
  }

  keyOf(publicKey: KeyObject): CaKey {
    const algorithm = signingAlgorithmOf(publicKey)
    if (algorithm.keyKind === 'ed25519') {
      throw new CountersignError(
        'pki/authority',
        'authority has a key of a type that tokens are not asked for, want=P-256|P-384|P-521|RSA got=Ed25519',
      )
    }
    const sign = (octets: Uint8Array): Promise<Buffer> => this.#sign(publicKey, algorithm, octets)
    return { publicKey, algorithm, sign }
  }

  [Symbol.dispose](): void {
    this.#closed = true
    if (this.#opening !== undefined) this.#drop(this.#opening)
  }

  async #sign(
    publicKey: KeyObject,
    algorithm: SignatureAlgorithm,
    octets: Uint8Array,
  ): Promise<Buffer> {
    if (this.#closed) throw unavailable('token is not used any more')
    const opening = (this.#opening ??= this.#open())
    try {
      const session = await opening.session
      const key = await this.#find(session, publicKey, algorithm)
      const signature = await signWith(session, key, { algorithm, octets })
      if (verifySignature(algorithm, publicKey, { octets, signature })) return signature
      // Its number is another key's by now: that of the certificate, if it is there, has to be found again.
      throw unavailable('token has signed with another key than before')
    } catch (error) {
      // Whatever state the session is in, the next signature begins with a new one; that a key is not there yet tells nothing of it.
      if (!isOfAnotherKey(error)) this.#drop(opening)
      throw error
    }
  }

  #drop(opening: Opening): void {
    if (this.#opening === opening) this.#opening = undefined
    opening.connection[Symbol.dispose]()
  }

  #open(): Opening {
    const connection = openConnection(this.#place.socket, this.#place.answerSeconds)
    return { connection, session: this.#begin(connection) }
  }

  async #begin(connection: Connection): Promise<Session> {
    await initialize(connection)
    const slot = await findSlot(connection, this.#place.token)
    const flags = ulong(serialSession)
    const opened = await connection.call(calls.openSession, [ulong(slot), flags])
    const handle = opened.ulong()
    await this.#login(connection, handle)
    return { connection, handle, found: new Map() }
  }

  async #login(connection: Connection, handle: bigint): Promise<void> {
    const { pinFile, token } = this.#place
    if (pinFile === undefined) return
    const pin = await readPin(pinFile)
    const hint = `write the right one to ${quoted(pinFile, 200)}; it is tried once`
    const refused = `token ${quoted(token)} does not take the PIN`
    if (pin === this.#refusedPin) throw unavailable(refused, hint)
    try {
      const octets = byteArray(Buffer.from(pin, 'utf8'))
      await connection.call(calls.login, [ulong(handle), ulong(user), octets])
    } catch (error) {
      if (!(error instanceof TokenRefusal)) throw error
      if (error.returned === returned.alreadyLoggedIn) return
      if (!pinRefusals.has(error.returned)) throw error
      this.#refusedPin = pin
      throw unavailable(`${refused}: ${error.message}`, hint)
    }
  }

  /** Labels are no proof: which key is the one of the certificate shows in what it signs. */
  #find(session: Session, publicKey: KeyObject, algorithm: SignatureAlgorithm): Promise<bigint> {
    const known = session.found.get(publicKey)
    if (known !== undefined) return known
    const finding = this.#proving(session, publicKey, algorithm)
    session.found.set(publicKey, finding)
    finding.catch(() => session.found.delete(publicKey))
    return finding
  }

  async #proving(
    session: Session,
    publicKey: KeyObject,
    algorithm: SignatureAlgorithm,
  ): Promise<bigint> {
    const { key: label, token } = this.#place
    const keys = await findKeys(session, label)
    for (const key of keys) {
      const sign = (octets: Uint8Array): Promise<Buffer> =>
        signWith(session, key, { algorithm, octets })
      const isOwn = await proveKey({ publicKey, algorithm, sign }).then(
        () => true,
        (error: unknown) => {
          if (isOfAnotherKey(error)) return false
          throw error
        },
      )
      if (isOwn) return key
    }
    throw new CountersignError(
      'pki/authority',
      `no key ${quoted(label)} of token ${quoted(token)} belongs to the certificate, looked at ${keys.length}`,
    )
  }
}

/** It signs, and something else; or it is of a kind that does not sign so. */
function isOfAnotherKey(error: unknown): boolean {
  if (error instanceof TokenRefusal) {
    return [returned.keyTypeInconsistent, returned.mechanismInvalid].some(
      (value) => value === error.returned,
    )
  }
  return error instanceof CountersignError && error.code === 'pki/authority'
}

async function findSlot(connection: Connection, label: string): Promise<bigint> {
  const isTokenPresent = Buffer.of(1)
  const listed = await connection.call(calls.getSlotList, [isTokenPresent, room(slotsMax)])
  const found: bigint[] = []
  for (const slot of listed.ulongs(slotsMax)) {
    const about = await connection.call(calls.getTokenInfo, [ulong(slot)])
    // Padded with spaces (PKCS#11 2.40 §3.3).
    if (about.text().trimEnd() === label) found.push(slot)
  }
  const [slot] = found
  if (slot !== undefined && found.length === 1) return slot
  throw unavailable(`token ${quoted(label)} is not there once, got=${found.length}`)
}

async function findKeys(
  { connection, handle }: Session,
  label: string,
): Promise<readonly bigint[]> {
  const wanted = attributes([
    { type: classAttribute, value: privateKeyClass },
    { type: labelAttribute, value: Buffer.from(label, 'utf8') },
  ])
  await connection.call(calls.findObjectsInit, [ulong(handle), wanted])
  const found = await connection.call(calls.findObjects, [ulong(handle), room(keysMax)])
  await connection.call(calls.findObjectsFinal, [ulong(handle)])
  const keys = found.ulongs(keysMax)
  if (keys.length > 0) return keys
  throw unavailable(
    `token has no private key ${quoted(label)}`,
    'without its PIN a token shows no private key: authority.pkcs11.pinFile',
  )
}

async function signWith(
  session: Session,
  key: bigint,
  { algorithm, octets }: { readonly algorithm: SignatureAlgorithm; readonly octets: Uint8Array },
): Promise<Buffer> {
  const { keyKind, digest } = algorithm
  if (keyKind === 'ed25519' || digest === null) throw new TypeError('want=a digest')
  const digested = hash(digest, octets, 'buffer')
  const prefix = keyKind === 'rsa' ? Buffer.from(digestInfos[digest] ?? '', 'hex') : Buffer.alloc(0)
  const what = { key, type: mechanisms[keyKind], octets: Buffer.concat([prefix, digested]) }
  const signature = await signDigest(session, what)
  return keyKind === 'ec' ? formatEcdsaSignature(signature) : signature
}

interface DigestToSign {
  readonly key: bigint
  /** Of the mechanism. */
  readonly type: number
  readonly octets: Buffer
}

async function signDigest(session: Session, what: DigestToSign): Promise<Buffer> {
  if (session.noParameters !== undefined) return signOnce(session, what, session.noParameters)
  try {
    const signature = await signOnce(session, what, 'no octets')
    session.noParameters = 'no octets'
    return signature
  } catch (error) {
    // Who expects nothing there takes it for the half of a key that does not exist.
    if (!(error instanceof TokenRefusal) || !keyRefusals.has(error.returned)) throw error
  }
  const signature = await signOnce(session, what, 'nothing')
  session.noParameters = 'nothing'
  return signature
}

/** Both calls are sent together: nothing comes between those of one connection. */
async function signOnce(
  { connection, handle }: Session,
  { key, type, octets }: DigestToSign,
  behind: NoParameters,
): Promise<Buffer> {
  const [, answer] = await Promise.all([
    connection.call(calls.signInit, [ulong(handle), mechanism(type, behind), ulong(key)]),
    connection.call(calls.sign, [ulong(handle), byteArray(octets), room(signatureOctetsMax)]),
  ])
  return answer.byteArray()
}

async function readPin(file: string): Promise<string> {
  const read = await readBoundedFile(file, pinOctetsMax).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code ?? cause.message
    throw unavailable(`PIN of the token cannot be read from ${quoted(file, 200)}, got=${why}`)
  })
  const pin = read?.content.toString('utf8').replace(/\r?\n$/, '') ?? ''
  if (pin !== '') return pin
  throw unavailable(
    `PIN of the token in ${quoted(file, 200)} is empty or too long, want=1..${pinOctetsMax} octets`,
  )
}

function unavailable(message: string, hint?: string): CountersignError {
  const more = hint === undefined ? {} : { hint }
  return new CountersignError('pki/authority-unavailable', message, more)
}
