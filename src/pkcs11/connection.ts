import { connect, type Socket } from 'node:net'
import { CountersignError, quoted } from '../errors.ts'
import {
  byteArray,
  calls,
  formatMessage,
  headerOctets,
  messageOctets,
  noByteArray,
  parseAnswer,
  type AnswerValues,
  type Call,
} from './message.ts'

/** A token that is asked for a signature answers within so much, or is not there. */
const answerSeconds = 10

/** The protocol's first version, which every p11-kit speaks. */
const protocolVersion = 0

const handshake = Buffer.from('PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1', 'latin1')

/** One connection to a PKCS#11 module that p11-kit serves on a Unix socket. */
export interface Connection extends Disposable {
  /**
   * Calls the module, without waiting for calls before: it takes them in their order. Throws `pkcs11/refused` with what the module returned,
   * and `pki/authority-unavailable` for anything else, after which the connection is no more.
   */
  call(call: Call, values: readonly Buffer[]): Promise<AnswerValues>
  readonly isOpen: boolean
}

/** What a module returned instead of an answer: a CKR_ value. */
export class TokenRefusal extends CountersignError {
  readonly returned: bigint

  constructor(call: Call, returned: bigint) {
    const name = returnedNames.get(returned) ?? `0x${returned.toString(16)}`
    super('pki/authority-unavailable', `token does not do ${call.name}, got=${name}`)
    this.returned = returned
  }
}

/** Of PKCS#11 2.40 §3.6, those that tell whoever runs it what to do. */
export const returned = {
  deviceRemoved: 0x32n,
  keyHandleInvalid: 0x60n,
  keyTypeInconsistent: 0x63n,
  mechanismInvalid: 0x70n,
  objectHandleInvalid: 0x82n,
  pinIncorrect: 0xa0n,
  pinInvalid: 0xa1n,
  pinLenRange: 0xa2n,
  pinExpired: 0xa3n,
  pinLocked: 0xa4n,
  tokenNotPresent: 0xe0n,
  alreadyLoggedIn: 0x100n,
  notLoggedIn: 0x101n,
} as const

const returnedNames: ReadonlyMap<bigint, string> = new Map([
  [returned.deviceRemoved, 'CKR_DEVICE_REMOVED'],
  [returned.keyHandleInvalid, 'CKR_KEY_HANDLE_INVALID'],
  [returned.keyTypeInconsistent, 'CKR_KEY_TYPE_INCONSISTENT'],
  [returned.mechanismInvalid, 'CKR_MECHANISM_INVALID'],
  [returned.objectHandleInvalid, 'CKR_OBJECT_HANDLE_INVALID'],
  [returned.pinIncorrect, 'CKR_PIN_INCORRECT'],
  [returned.pinInvalid, 'CKR_PIN_INVALID'],
  [returned.pinLenRange, 'CKR_PIN_LEN_RANGE'],
  [returned.pinExpired, 'CKR_PIN_EXPIRED'],
  [returned.pinLocked, 'CKR_PIN_LOCKED'],
  [returned.tokenNotPresent, 'CKR_TOKEN_NOT_PRESENT'],
  [returned.notLoggedIn, 'CKR_USER_NOT_LOGGED_IN'],
])

/** Connects. What is in the way is told to the first call. */
export function openConnection(path: string, seconds: number = answerSeconds): Connection {
  return new SocketConnection(path, seconds)
}

/** The first of all calls. Throws `pki/authority-unavailable`. */
export async function initialize(connection: Connection): Promise<void> {
  await connection.call(calls.initialize, [byteArray(handshake), Buffer.of(0), noByteArray])
}

interface Asked {
  readonly call: Call
  readonly tag: number
  readonly resolve: (values: AnswerValues) => void
  readonly reject: (error: Error) => void
}

class SocketConnection implements Connection {
  readonly #socket: Socket
  readonly #answerMilliseconds: number
  /** In the order in which they will be answered. */
  readonly #asked: Asked[] = []
  #received: Buffer = Buffer.alloc(0)
  #hasVersion = false
  #tag = 0
  /** Of the call whose turn it is: those behind it wait for no more than their turn. */
  #timer: NodeJS.Timeout | undefined

  constructor(path: string, seconds: number) {
    this.#answerMilliseconds = seconds * 1000
    this.#socket = connect(path)
    this.#socket.on('data', (octets: Buffer) => this.#read(octets))
    this.#socket.on('error', (cause: NodeJS.ErrnoException) => {
      const message = `token at ${quoted(path, 200)} is not reached, got=${cause.code ?? 'unknown'}`
      this.#end(unavailable(message, cause))
    })
    this.#socket.on('close', () => this.#end(unavailable('token has closed the connection')))
    this.#socket.write(Buffer.of(protocolVersion))
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  call(call: Call, values: readonly Buffer[]): Promise<AnswerValues> {
    if (!this.isOpen) return Promise.reject(unavailable('token has closed the connection'))
    const tag = (this.#tag = (this.#tag + 1) % 0x7fffffff)
    const { promise, resolve, reject } = Promise.withResolvers<AnswerValues>()
    this.#asked.push({ call, tag, resolve, reject })
    if (this.#asked.length === 1) this.#waitForNext()
    this.#socket.write(formatMessage(call, tag, values))
    return promise
  }

  [Symbol.dispose](): void {
    this.#end(unavailable('connection to the token is closed'))
  }

  #waitForNext(): void {
    clearTimeout(this.#timer)
    if (this.#asked.length === 0) return
    const late = (): void => {
      const seconds = this.#answerMilliseconds / 1000
      this.#end(unavailable(`token does not answer, want=..${seconds}s`))
    }
    this.#timer = setTimeout(late, this.#answerMilliseconds)
  }

  /** Of what was asked nobody knows what became. */
  #end(error: Error): void {
    this.#socket.destroy()
    clearTimeout(this.#timer)
    for (const { reject } of this.#asked.splice(0)) reject(error)
  }

  #read(octets: Buffer): void {
    this.#received = this.#received.length === 0 ? octets : Buffer.concat([this.#received, octets])
    try {
      if (!this.#hasVersion) this.#takeVersion()
      while (this.#received.length >= headerOctets) {
        const end = messageOctets(this.#received)
        if (this.#received.length < end) return
        const message = this.#received.subarray(0, end)
        this.#received = this.#received.subarray(end)
        this.#answer(message)
      }
    } catch (error) {
      this.#end(error instanceof Error ? error : unavailable(String(error)))
    }
  }

  #takeVersion(): void {
    const [version = protocolVersion] = this.#received
    if (version !== protocolVersion) {
      throw unavailable(`token speaks another protocol, want=${protocolVersion} got=${version}`)
    }
    this.#hasVersion = true
    this.#received = this.#received.subarray(1)
  }

  #answer(message: Buffer): void {
    const [asked] = this.#asked
    if (asked === undefined) throw unavailable('token answers what nobody asked')
    const answer = parseAnswer(message, asked.call, asked.tag)
    this.#asked.shift()
    this.#waitForNext()
    if ('values' in answer) asked.resolve(answer.values)
    else asked.reject(new TokenRefusal(asked.call, answer.returned))
  }
}

function unavailable(message: string, cause?: unknown): CountersignError {
  return new CountersignError('pki/authority-unavailable', message, { cause })
}
