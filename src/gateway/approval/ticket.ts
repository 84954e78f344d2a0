import { hash, randomBytes } from 'node:crypto'

/** What an approval is good for, and nothing else: this caller, this tool as it is defined now, these octets of arguments and of input. */
export interface Binding {
  /** SPIFFE ID and pod UID of the caller. */
  readonly owner: string
  readonly server: string
  readonly tool: string
  readonly definitionDigest: string
  /** Hex; of no octets where there are none. */
  readonly argumentsSha256: string
  /** Hex; of what the caller answers to the tool server, and of the state that it brings back to it. Undefined: there is none. */
  readonly inputResponsesSha256: string | undefined
  readonly requestStateSha256: string | undefined
}

export function isSameBinding(one: Binding, other: Binding): boolean {
  return textOf(one) === textOf(other)
}

function textOf(binding: Binding): string {
  const { owner, server, tool, definitionDigest, argumentsSha256 } = binding
  const { inputResponsesSha256, requestStateSha256 } = binding
  const input = [inputResponsesSha256 ?? null, requestStateSha256 ?? null]
  return JSON.stringify([owner, server, tool, definitionDigest, argumentsSha256, ...input])
}

const digits = 'abcdefghijklmnopqrstuvwxyz234567'

/** RFC 4648 §6 in small letters, as the names of objects are. */
function base32(octets: Buffer): string {
  let text = ''
  for (let at = 0; at + 5 <= octets.length; at += 5) {
    let rest = BigInt(`0x${octets.subarray(at, at + 5).toString('hex')}`)
    let group = ''
    for (let count = 0; count < 8; count += 1) {
      group = (digits[Number(rest & 31n)] ?? '') + group
      rest >>= 5n
    }
    text += group
  }
  return text
}

/** The name under which a call waits: the same on every replica, so that a client that calls again finds it. */
export function nameOf(binding: Binding): string {
  return base32(hash('sha256', textOf(binding), 'buffer').subarray(0, 15))
}

/** Tells one approval of a call from the next of the same call, and cannot be guessed. */
export function newNonce(random: (count: number) => Buffer = randomBytes): string {
  return base32(random(10))
}

export function formatTicket(name: string, nonce: string): string {
  return `${name}-${nonce}`
}

export interface Ticket {
  readonly name: string
  readonly nonce: string
}

/** Undefined: it is none. */
export function parseTicket(text: unknown): Ticket | undefined {
  if (typeof text !== 'string') return undefined
  const [, name, nonce] = /^([a-z2-7]{24})-([a-z2-7]{16})$/.exec(text) ?? []
  return name === undefined || nonce === undefined ? undefined : { name, nonce }
}
