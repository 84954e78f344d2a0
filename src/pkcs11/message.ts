import { CountersignError } from '../errors.ts'

/** A call of PKCS#11 as p11-kit's remote protocol has it: its number, and the kinds of what it is given and gives. */
export interface Call {
  readonly name: string
  readonly number: number
  readonly request: string
  readonly response: string
}

/** Those that a key needs that is there already: nothing is made, changed or taken out. */
export const calls: Readonly<
  Record<
    | 'initialize'
    | 'getSlotList'
    | 'getTokenInfo'
    | 'openSession'
    | 'login'
    | 'findObjectsInit'
    | 'findObjects'
    | 'findObjectsFinal'
    | 'signInit'
    | 'sign',
    Call
  >
> = {
  initialize: { name: 'C_Initialize', number: 1, request: 'ayyay', response: '' },
  getSlotList: { name: 'C_GetSlotList', number: 4, request: 'yfu', response: 'au' },
  getTokenInfo: {
    name: 'C_GetTokenInfo',
    number: 6,
    request: 'u',
    response: 'ssssuuuuuuuuuuuvvs',
  },
  openSession: { name: 'C_OpenSession', number: 10, request: 'uu', response: 'u' },
  login: { name: 'C_Login', number: 18, request: 'uuay', response: '' },
  findObjectsInit: { name: 'C_FindObjectsInit', number: 26, request: 'uaA', response: '' },
  findObjects: { name: 'C_FindObjects', number: 27, request: 'ufu', response: 'au' },
  findObjectsFinal: { name: 'C_FindObjectsFinal', number: 28, request: 'u', response: '' },
  signInit: { name: 'C_SignInit', number: 42, request: 'uMu', response: '' },
  sign: { name: 'C_Sign', number: 43, request: 'uayfy', response: 'ay' },
}

/** What is said in the place of an answer when a call fails. */
const failed = { number: 0, response: 'u' } as const

/** Of everything that we call the longest answer is a page of numbers. */
const answerOctetsMax = 64 * 1024

/** Number of the call, length of the options, length of the message. */
export const headerOctets = 12

/** A CK_ULONG: 64 bits on the wire, whatever either side has. */
export function ulong(value: bigint | number): Buffer {
  const octets = Buffer.alloc(8)
  octets.writeBigUInt64BE(BigInt(value))
  return octets
}

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

/** How much room there is for an answer. */
export function room(count: number): Buffer {
  return uint32(count)
}

/** What stands behind a mechanism that has no parameters: since p11-kit 0.25.6 nothing does, and the protocol's version is still the same. */
export type NoParameters = 'no octets' | 'nothing'

export function mechanism(type: number, behind: NoParameters): Buffer {
  return behind === 'nothing' ? uint32(type) : Buffer.concat([uint32(type), uint32(0xffffffff)])
}

/** Octets that are there. */
export function byteArray(octets: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(1), uint32(octets.length), octets])
}

/** None. */
export const noByteArray: Buffer = Buffer.alloc(5)

/** What an object has to have to be found. */
export function attributes(
  wanted: readonly { readonly type: number; readonly value: bigint | Buffer }[],
): Buffer {
  const parts = wanted.flatMap(({ type, value }) => {
    const isNumber = typeof value === 'bigint'
    const encoded = isNumber ? ulong(value) : Buffer.concat([uint32(value.length), value])
    return [uint32(type), Buffer.of(1), uint32(isNumber ? 8 : value.length), encoded]
  })
  return Buffer.concat([uint32(wanted.length), ...parts])
}

/** A whole message, its header before it. The header's own number is any that the answer repeats. */
export function formatMessage(call: Call, tag: number, values: readonly Buffer[]): Buffer {
  const kinds = Buffer.from(call.request, 'latin1')
  const body = Buffer.concat([uint32(call.number), uint32(kinds.length), kinds, ...values])
  return Buffer.concat([uint32(tag), uint32(0), uint32(body.length), body])
}

/** Where a message ends that begins here, header and options included. Throws `pki/authority-unavailable`. */
export function messageOctets(header: Buffer): number {
  const octets = header.readUInt32BE(4) + header.readUInt32BE(8)
  if (octets <= answerOctetsMax) return headerOctets + octets
  throw unreadable(`is too large, want=..${answerOctetsMax} octets got=${octets}`)
}

/** The values of an answer, to be read in their order; or the return value by which the call failed. */
export type Answer = { readonly values: AnswerValues } | { readonly returned: bigint }

/** Reads one whole message as the answer to a call with that tag. Throws `pki/authority-unavailable`. */
export function parseAnswer(message: Buffer, call: Call, tag: number): Answer {
  if (message.readUInt32BE(0) !== tag) throw unreadable('is to another call')
  const reader = new AnswerReader(message.subarray(headerOctets + message.readUInt32BE(4)))
  const number = reader.uint32()
  const kinds = reader.text()
  if (number === failed.number && kinds === failed.response) return { returned: reader.ulong() }
  if (number === call.number && kinds === call.response) return { values: reader }
  throw unreadable(`is to another call, want=${call.name}`)
}

export interface AnswerValues {
  ulong(): bigint
  /** A string, its spaces at the end included. */
  text(): string
  byteArray(): Buffer
  /** As many as there was room for. */
  ulongs(max: number): readonly bigint[]
}

class AnswerReader implements AnswerValues {
  readonly #octets: Buffer
  #at = 0

  constructor(octets: Buffer) {
    this.#octets = octets
  }

  uint32(): number {
    return this.#take(4).readUInt32BE()
  }

  ulong(): bigint {
    return this.#take(8).readBigUInt64BE()
  }

  text(): string {
    return this.#take(this.uint32()).toString('utf8')
  }

  byteArray(): Buffer {
    if (this.#take(1)[0] !== 1) throw unreadable('has no octets')
    return Buffer.from(this.#take(this.uint32()))
  }

  ulongs(max: number): readonly bigint[] {
    if (this.#take(1)[0] !== 1) throw unreadable('has no numbers')
    const count = this.uint32()
    if (count > max) throw unreadable(`has too many numbers, want=..${max} got=${count}`)
    return Array.from({ length: this.#bounded(count) }, () => this.ulong())
  }

  /** A count is believed as far as there are octets for it. */
  #bounded(count: number): number {
    if (count * 8 <= this.#octets.length - this.#at) return count
    throw unreadable('ends too soon')
  }

  #take(octets: number): Buffer {
    const end = this.#at + octets
    if (end > this.#octets.length) throw unreadable('ends too soon')
    const taken = this.#octets.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

function unreadable(message: string): CountersignError {
  return new CountersignError('pki/authority-unavailable', `answer of the token ${message}`)
}
