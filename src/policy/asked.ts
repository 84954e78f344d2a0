import { hash } from 'node:crypto'
import { checkOctets, inputOctetsDefault } from './input.ts'
import type { InputText } from './input.ts'
import type { Value } from './plan/values.ts'

/** What is true of the question rather than of who asks for what. */
export interface DecisionContext {
  readonly era: 'modern' | 'legacy'
  /** RFC 3339, from our clock: rules have none of their own. */
  readonly time: string
  /** `mcp` or `mcp/<server>`. */
  readonly door: string
  /** `response`: a server asks its caller for something. */
  readonly phase: 'request' | 'list' | 'response'
  /** Of the tool server that is meant; absent where none is alone. */
  readonly upstream?: { readonly era: 'modern' | 'legacy' } | undefined
  readonly asked?: DecisionAsked | undefined
  /** What was kept of the caller; undefined where policy has nothing kept. */
  readonly history?: InputText | undefined
  /** Of the ticket that somebody would decide. */
  readonly approval?: InputText | undefined
}

/** Of what a server asks: what may be decided on, and none of its content. */
export interface DecisionAsked {
  /** How it elicits, and the host of the page. */
  readonly mode?: 'form' | 'url'
  readonly host?: string
  /** Whether the model that answers may be given tools. */
  readonly tools?: boolean
}

/** `params.arguments` of a call by its own octets: what is decided on, logged and signed for is one and the same. */
export interface ArgumentsText {
  /** The octets, as the text that they are. */
  readonly text: string
  readonly octets: number
  /** SHA-256 of the octets, hex: the one digest of them. */
  readonly sha256: string
  /** The same as parsers read it that put every number into a double; undefined where that is no other value. */
  readonly rounded: string | undefined
  /** The value of the text: made when it is read for the first time. */
  readonly read: { value?: Value }
}

/**
 * Digests the octets of `params.arguments`. They come from a strict reading of the whole message: UTF-8, one JSON value, no member
 * twice, no half surrogate pair, no deeper than an input may be. The module's own parser forgives what JSON does not.
 */
export function argumentsText(octets: Buffer, rounded?: object): ArgumentsText {
  return {
    text: octets.toString('utf8'),
    octets: octets.length,
    sha256: hash('sha256', octets, 'hex'),
    rounded: rounded === undefined ? undefined : JSON.stringify(rounded),
    read: {},
  }
}

interface Asking {
  /** Made once a connection: all of it from the verified certificate. */
  readonly subject: InputText
  /** An MCP method. */
  readonly action: string
  readonly context: DecisionContext
}

/** The texts that the input of one decision is joined of. */
export interface CallTexts extends Asking {
  /** Made once a definition. */
  readonly resource: InputText
  readonly arguments: ArgumentsText | undefined
}

/** What the input of one evaluation of a whole list is made of. */
export interface ListTexts extends Asking {
  /** Each made once a definition. */
  readonly resources: readonly AskedResource[]
}

/** One of a list, twice: as the text that is logged, and as the value of that text, which nobody changes. */
export interface AskedResource {
  readonly text: InputText
  readonly octets: number
  readonly value: Value
}

/** What policy is asked, in pieces: what a caller or an upstream wrote stands apart, so that the log can leave it out unread. */
export type Asked = AskedCall | AskedList | AskedPlain

/** What the text around is made of, for who reads it part by part. */
export interface AskedParts {
  readonly subject: InputText
  readonly action: string
  /** The members of the context that are ours. */
  readonly context: DecisionContext
}

export interface AskedCall {
  readonly kind: 'call'
  readonly parts: AskedParts & { readonly resource: InputText }
  readonly before: string
  readonly arguments: ArgumentsText | undefined
  readonly after: string
}

export interface AskedList {
  readonly kind: 'list'
  readonly parts: AskedParts
  readonly before: string
  readonly resources: readonly AskedResource[]
  readonly after: string
  /** What its events say of the list and the answer to it: made with the first of them. */
  readonly told: { list?: ToldList }
}

/** What an event says of a list in place of all of it. */
export interface ToldList {
  readonly asked: number
  readonly shown: number
  readonly sha256: string
  readonly octets: number
  /** The first tools that are not shown. */
  readonly hidden: readonly string[]
}

/** Nothing of it is anybody's own words, or nothing of its outline. */
export interface AskedPlain {
  readonly kind: 'plain'
  readonly text: InputText
  readonly outline?: InputText
}

export function askCall(texts: CallTexts): AskedCall {
  const { resource, arguments: given } = texts
  const head = `${headOf(texts)},"resource":${resource},"context":{`
  const { context } = texts
  const parts = { subject: texts.subject, action: texts.action, resource, context }
  const tail = `${contextMembers(context)}}}`
  if (given === undefined) {
    return { kind: 'call', parts, before: head, arguments: undefined, after: tail }
  }
  const digest = `"argumentsSha256":"${given.sha256}"`
  const [before, after] = [`${head}"arguments":`, `,${digest},${tail}`]
  return { kind: 'call', parts, before, arguments: given, after }
}

export function askList(texts: ListTexts): AskedList {
  const before = `${headOf(texts)},"resources":`
  const { context } = texts
  const after = `,"context":{${contextMembers(context)}}}`
  const parts = { subject: texts.subject, action: texts.action, context }
  return { kind: 'list', parts, before, resources: texts.resources, after, told: {} }
}

function headOf({ subject, action }: Asking): string {
  return `{"subject":${subject},"action":{"name":${JSON.stringify(action)}}`
}

function contextMembers(context: DecisionContext): string {
  const { era, time, door, phase, upstream, asked, approval, history } = context
  const there = upstream === undefined ? '' : `,"upstream":{"era":"${upstream.era}"}`
  const before = history === undefined ? '' : `,"history":${history}`
  const members = `"era":"${era}","time":${JSON.stringify(time)},"door":${JSON.stringify(door)},"phase":"${phase}"${there}${before}`
  if (approval !== undefined) return `${members},"approval":${approval}`
  return asked === undefined ? members : `${members},"asked":${JSON.stringify(asked)}`
}

/**
 * Gives the whole input as JSON text: what is evaluated, where it is evaluated as text. Throws `policy/input` at once when it is too large.
 */
export function inputTextOf(asked: Asked, octetsMax: number = inputOctetsDefault): () => InputText {
  checkOctets(octetsOf(asked, octetsMax), octetsMax)
  return () => textOf(asked) as InputText
}

/** Of the whole text; where that is well below a bound it may be more than there are. */
function octetsOf(asked: Asked, octetsMax: number): number {
  if (asked.kind === 'list') {
    const around = Buffer.byteLength(asked.before) + Buffer.byteLength(asked.after)
    const between = 2 + Math.max(asked.resources.length - 1, 0)
    return asked.resources.reduce((sum, { octets }) => sum + octets, around + between)
  }
  const texts =
    asked.kind === 'plain' ? [asked.text] : [asked.before, asked.arguments?.text ?? '', asked.after]
  // No character of UTF-16 takes more than three octets.
  const most = texts.reduce((sum, { length }) => sum + length * 3, 0)
  if (most <= octetsMax) return most
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}

/** The whole input as JSON text. */
export function textOf(asked: Asked): string {
  if (asked.kind === 'plain') return asked.text
  if (asked.kind === 'list') return asked.before + resourcesText(asked) + asked.after
  return asked.before + (asked.arguments?.text ?? '') + asked.after
}

export function resourcesText({ resources }: AskedList): string {
  return `[${resources.map(({ text }) => text).join(',')}]`
}

/** How much of memory it takes, about. */
export function sizeOf(asked: Asked): number {
  if (asked.kind === 'plain') return asked.text.length
  const { length } = asked.before
  if (asked.kind === 'call') return length + asked.after.length + (asked.arguments?.octets ?? 0)
  return asked.resources.reduce((sum, { text }) => sum + text.length, length)
}

/** The longest name of a resource in an outline: a caller may say any. */
const nameCharactersMax = 256

interface Resource {
  readonly type: string
  readonly id: string
  readonly properties: { readonly server: string }
}

/** Who asked for what: of anybody's own words only the name of the resource, and the digest of the arguments. */
export function outlineOf(asked: Asked): object {
  if (asked.kind === 'plain') return JSON.parse(asked.outline ?? asked.text) as object
  const written = asked.kind === 'list' ? '[]' : asked.arguments === undefined ? '' : 'null'
  const input = JSON.parse(asked.before + written + asked.after) as {
    readonly subject: object
    readonly action: object
    readonly resource?: Resource
  }
  const { subject, action, resource } = input
  const digests = digestsOf(asked)
  if (resource === undefined) return { subject, action, context: digests }
  const { type, id, properties } = resource
  return {
    subject,
    action,
    resource: {
      type,
      id: id.slice(0, nameCharactersMax),
      properties: { server: properties.server },
    },
    context: digests,
  }
}

/** What may stand in the log for what is left out: rules have no hash function of their own. */
export function digestsOf(asked: Asked): { readonly arguments?: object } {
  if (asked.kind !== 'call' || asked.arguments === undefined) return {}
  const { sha256, octets } = asked.arguments
  return { arguments: { sha256, octets } }
}
