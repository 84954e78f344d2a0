import { hash } from 'node:crypto'
import { digestsOf, textOf, type AskedCall } from './asked.ts'
import { entrypoints, type PolicyEngine } from './engine.ts'
import { parseExactly } from './exact-json.ts'
import { boundedText } from './input.ts'
import { formatJsonPointer } from './json-pointer.ts'
import { applyMask, parseMask, type MaskedEvent } from './mask.ts'

/** What an approver is shown of the arguments of a call. */
export interface ShownArguments {
  /** JSON. */
  readonly text: string
  /** JSON pointers (RFC 6901) into the arguments: what the policy keeps from approvers. The empty one is all of them. */
  readonly masked: readonly string[]
  /** Of what is too long to be read: its digest stands in its place. */
  readonly shortened: readonly string[]
}

/** In UTF-8: more than a person reads before saying yes, and kept with the rest of what waits. */
const shownOctetsMax = 4096
/** Where all is too long, one argument is from here on. */
const argumentOctetsMax = 512
/** The input of a call may be six mebibytes. */
const maskOctetsMax = 8 * 1024 * 1024

/** The mask of the policy is asked about it under this path, which no event of the log has. */
const path = 'countersign/gateway/approval'
const place = '/input/context/arguments'

/**
 * The arguments of a call as far as the mask of the policy lets an approver see them: `rules` are those that want the approval. Where the mask
 * gives no answer, nothing of them is shown but how long they are: the digest of a short secret is as good as the secret.
 */
export function shownArguments(
  asked: AskedCall,
  rules: readonly string[],
  engine: PolicyEngine,
): ShownArguments {
  const digests: { readonly arguments?: { readonly octets?: number } } = digestsOf(asked)
  if (asked.arguments === undefined) return { text: 'null', masked: [], shortened: [] }
  const nothing: ShownArguments = {
    text: JSON.stringify({ octets: digests.arguments?.octets }),
    masked: [''],
    shortened: [],
  }
  const input = textOf(asked)
  const told = JSON.stringify({ path, result: null, digests, rules }).slice(1)
  try {
    const event = boundedText(`{"input":${input},${told}`, maskOctetsMax)
    const changes = parseMask(engine.evaluate(entrypoints.mask, event))
    return fit(applyMask({ input: parseExactly(input), result: null }, changes)) ?? nothing
  } catch {
    return nothing
  }
}

/** Undefined: it is too long, whatever of it is shortened. */
function fit({ input, erased, masked }: MaskedEvent): ShownArguments | undefined {
  const { context } = input as { readonly context?: { readonly arguments?: unknown } }
  const left = context?.arguments ?? null
  const pointers = [...erased, ...masked]
    .filter((pointer) => isAtOrUnder(pointer, place) || isAtOrUnder(place, pointer))
    // What stands around them is all of them, whatever it was changed into.
    .map((pointer) => pointer.slice(place.length))
  const whole = { text: JSON.stringify(left), masked: pointers, shortened: [] }
  const shown = octetsOf(whole) <= shownOctetsMax ? whole : { ...whole, ...shorten(left) }
  return octetsOf(shown) <= shownOctetsMax ? shown : undefined
}

function isAtOrUnder(pointer: string, above: string): boolean {
  return pointer === above || pointer.startsWith(`${above}/`)
}

function octetsOf({ text, masked, shortened }: ShownArguments): number {
  return Buffer.byteLength(text) + Buffer.byteLength(JSON.stringify([masked, shortened]))
}

function shorten(left: unknown): Partial<ShownArguments> {
  if (typeof left !== 'object' || left === null || Array.isArray(left)) return {}
  const shortened: string[] = []
  const members = Object.entries(left).map(([name, value]) => {
    const text = JSON.stringify(value)
    const octets = Buffer.byteLength(text)
    if (octets <= argumentOctetsMax) return `${JSON.stringify(name)}:${text}`
    shortened.push(formatJsonPointer([name]))
    const told = { sha256: hash('sha256', text, 'hex'), octets }
    return `${JSON.stringify(name)}:${JSON.stringify(told)}`
  })
  return { text: `{${members.join()}}`, shortened }
}
