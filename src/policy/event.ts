import { hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { digestsOf, outlineOf, resourcesText, textOf } from './asked.ts'
import type { Asked, AskedList, ToldList } from './asked.ts'
import type { Evaluated } from './authorizer.ts'
import type { DroppedMembers } from './dropped.ts'
import { documentOf, outlineDocument } from './document.ts'
import type { DocumentOf } from './document.ts'
import { dropEntrypoint, entrypoints } from './engine.ts'
import type { PolicyEngine } from './engine.ts'
import { parseExactly } from './exact-json.ts'
import { boundedText } from './input.ts'
import type { InputText } from './input.ts'
import { applyMask, parseMask } from './mask.ts'
import type { MaskChange } from './mask.ts'
import type { Plain, Value } from './plan/values.ts'

/** How much of a list is kept: what it was made of by digest and count, or each of its tools. */
export type ListDetail = 'digest' | 'full'

/** One decision, as it was taken: texts and values that nobody changes any more. */
export interface TakenEvent {
  readonly decisionId: string
  /** The entrypoint, or `countersign/gateway/<check>` for a decision without policy. */
  readonly path: string
  readonly evaluated: Evaluated<unknown>
  /** SPIFFE ID of the caller. */
  readonly requestedBy: string
  /** Milliseconds since the epoch; a fraction is kept. */
  readonly at: number
  /** Its number among all events of this log. */
  readonly number: number
  /** The members that all events of one policy share. */
  readonly constant: string
}

/** The input of a call may be six mebibytes, and the event has more than the input. */
const maskOctetsMax = 8 * 1024 * 1024

/**
 * The line of an event, without its end: OPA's format, masked by the policy's own rule; undefined where rules that may drop it do. Throws
 * what these rules throw.
 */
export function formatEvent(
  event: TakenEvent,
  how: { readonly engine: PolicyEngine; readonly lists: ListDetail; readonly mayDrop: boolean },
): string | undefined {
  const { engine, lists, mayDrop } = how
  const { error } = event.evaluated
  const common = commonMembers(event)
  const shown = shownOf(event.evaluated, lists)
  const whole = wholeEvent(event, common, shown)
  if (mayDrop && isDropped(whole, engine)) return undefined
  const masked = maskedMembers(whole, shown, engine)
  const told = error === undefined ? '' : `,"error":${JSON.stringify({ message: error })}`
  return oneLine(`{${common},${masked}${told},${trailer(event)}}`)
}

/** What is kept of an event whose mask fails: OPA loses it. Ours keeps what can hold no secret. */
export function formatMinimalEvent(event: TakenEvent, code: string): string {
  const { asked, value, error = 'event cannot be masked' } = event.evaluated
  const members = formatMembers({
    input: outlineOf(asked),
    result: outcomeOf(value),
    error: { message: error, mask: code },
  })
  return oneLine(`{${commonMembers(event)},${members},${trailer(event)}}`)
}

/** The event that stands for those that were lost before it. */
export function formatLost(
  lost: { readonly events: number; readonly from: number; readonly until: number },
  event: NoteOf,
): string {
  const { events } = lost
  const from = formatTimestamp(lost.from)
  const until = formatTimestamp(lost.until)
  return formatNote('countersign/log/lost', { lost: { events, from, until } }, event)
}

/** The event that stands for those that rules have dropped. */
export function formatDropped({ from, until, ...whose }: DroppedMembers, event: NoteOf): string {
  const dropped = { ...whose, from: formatTimestamp(from), until: formatTimestamp(until) }
  return formatNote('countersign/log/dropped', { dropped }, event)
}

type NoteOf = Pick<TakenEvent, 'decisionId' | 'number' | 'constant' | 'at'>

/** An event that is no decision. */
export function formatNote(path: string, members: object, event: NoteOf): string {
  const own = formatMembers({
    decision_id: event.decisionId,
    path,
    timestamp: formatTimestamp(event.at),
    ...members,
    req_id: event.number,
  })
  return `{${event.constant},${own}}`
}

/** The members of an object, without its braces. */
export function formatMembers(members: object): string {
  return JSON.stringify(members).slice(1, -1)
}

function commonMembers({ constant, decisionId, path, requestedBy, at }: TakenEvent): string {
  const who = `"requested_by":${JSON.stringify(requestedBy)}`
  const what = `"decision_id":${JSON.stringify(decisionId)},"path":${JSON.stringify(path)}`
  return `${constant},${what},${who},"timestamp":"${formatTimestamp(at)}"`
}

function trailer({ evaluated, number }: TakenEvent): string {
  const nanoseconds = Math.round(evaluated.seconds * 1e9)
  return `"metrics":{"timer_rego_query_eval_ns":${nanoseconds}},"req_id":${number}`
}

/** The members of an event that rules may change, before they do. */
interface Shown {
  readonly input: string
  readonly result: string
  /** The same two as values. */
  readonly values: { readonly input: DocumentOf; readonly result: unknown }
  /** The input around what is not ours, and where a pointer finds that; none where all of it is ours. */
  readonly around:
    { readonly before: string; readonly after: string; readonly path: string } | undefined
  readonly digests: object
  readonly erased: readonly string[]
  /** More members, each after a comma. */
  readonly more: string
}

function shownOf({ asked, result, error }: Evaluated<unknown>, lists: ListDetail): Shown {
  if (asked.kind === 'list' && lists === 'digest') return shownList(asked, result, error)
  return {
    input: textOf(asked),
    result: JSON.stringify(result ?? null),
    values: { input: documentOf(asked), result: result ?? null },
    around: aroundOf(asked),
    digests: digestsOf(asked),
    erased: [],
    more: '',
  }
}

function aroundOf(asked: Asked): Shown['around'] {
  if (asked.kind === 'plain') return undefined
  const { before, after } = asked
  if (asked.kind === 'list') return { before, after, path: '/input/resources' }
  return asked.arguments === undefined
    ? undefined
    : { before, after, path: '/input/context/arguments' }
}

/** Tools that an event names because they were hidden: enough to see why one does not show, however long the list is. */
const hiddenMax = 16

function toldOf(asked: AskedList, result: unknown): ToldList {
  const { allowed } = (result ?? {}) as { readonly allowed?: unknown }
  const shown = new Set(Array.isArray(allowed) ? (allowed as readonly unknown[]) : [])
  const hidden = asked.resources.filter((_, index) => !shown.has(index))
  const text = resourcesText(asked)
  return {
    asked: asked.resources.length,
    shown: asked.resources.length - hidden.length,
    sha256: hash('sha256', text, 'hex'),
    octets: Buffer.byteLength(text),
    hidden: hidden.slice(0, hiddenMax).map(({ text }) => nameOf(text)),
  }
}

function shownList(asked: AskedList, result: unknown, error: string | undefined): Shown {
  const list = (asked.told.list ??= toldOf(asked, result))
  const { after } = asked
  const told = error === undefined ? { count: list.asked } : (result ?? null)
  return {
    // Its last member is the one that is left out, so that is the end of the text before it.
    input: asked.before.slice(0, -',"resources":'.length) + after,
    result: JSON.stringify(told),
    values: { input: (read) => outlineDocument(asked, read), result: told },
    around: undefined,
    digests: {},
    erased: error === undefined ? ['/input/resources', '/result/allowed'] : ['/input/resources'],
    more: `,"list":${JSON.stringify(list)}`,
  }
}

function nameOf(resource: string): string {
  const { id, properties } = JSON.parse(resource) as {
    readonly id: string
    readonly properties: { readonly server: string }
  }
  return `${properties.server}:${id}`
}

/** An event as rules are asked about it. */
interface WholeEvent {
  readonly text: InputText
  readonly document: DocumentOf
}

/** Rules are asked about the very text that policy was asked about. */
function wholeEvent(taken: TakenEvent, common: string, shown: Shown): WholeEvent {
  const { input, result, digests } = shown
  const told = JSON.stringify(digests)
  const event = `{${common},"input":${input},"result":${result},"digests":${told}}`
  return { text: boundedText(event, maskOctetsMax), document: maskDocument(taken, shown) }
}

/** As OPA: exactly true drops an event. Where rules say anything else, or nothing, it is kept. */
function isDropped({ text, document }: WholeEvent, engine: PolicyEngine): boolean {
  try {
    return engine.evaluate(dropEntrypoint, text, document) === true
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'policy/undefined') return false
    throw error
  }
}

function maskedMembers({ text, document }: WholeEvent, shown: Shown, engine: PolicyEngine): string {
  const { input, result, around } = shown
  const changes = parseMask(engine.evaluate(entrypoints.mask, text, document))
  const [first] = changes
  if (first === undefined) return joinMembers(shown, { input, result, masked: [], erased: [] })
  if (around !== undefined && changes.length === 1 && isReplaced(first, around.path)) {
    return joinMembers(shown, {
      input: around.before + JSON.stringify(first.value) + around.after,
      result,
      masked: [first.path],
      erased: [],
    })
  }
  const masked = applyMask({ input: parseExactly(input), result: parseExactly(result) }, changes)
  return joinMembers(shown, {
    ...masked,
    input: JSON.stringify(masked.input),
    result: JSON.stringify(masked.result),
  })
}

/** The value of an event before its mask. */
function maskDocument(event: TakenEvent, { values, digests }: Shown): DocumentOf {
  return (read) => ({
    ...(read(`{${event.constant}}`) as Plain),
    decision_id: event.decisionId,
    path: event.path,
    requested_by: event.requestedBy,
    timestamp: formatTimestamp(event.at),
    input: values.input(read),
    result: values.result as Value,
    digests: digests as Plain,
  })
}

/** What the shipped rule does, and nothing else: the members around it need not be read for that. */
function isReplaced({ op, path, value }: MaskChange, expected: string): boolean {
  return op === 'upsert' && path === expected && value !== undefined
}

function joinMembers(
  shown: Shown,
  masked: {
    readonly input: string | undefined
    readonly result: string | undefined
    readonly erased: readonly string[]
    readonly masked: readonly string[]
  },
): string {
  const erased = [...shown.erased, ...masked.erased]
  const members = [
    masked.input === undefined ? [] : [`"input":${masked.input}`],
    masked.result === undefined ? [] : [`"result":${masked.result}`],
    erased.length === 0 ? [] : [`"erased":${JSON.stringify(erased)}`],
    masked.masked.length === 0 ? [] : [`"masked":${JSON.stringify(masked.masked)}`],
  ]
  return members.flat().join(',') + shown.more
}

/** The arguments of a call may be written over several lines. Within a string of JSON a line end is escaped, so none of these counts. */
function oneLine(text: string): string {
  return text.includes('\n') || text.includes('\r') ? text.replaceAll(/[\r\n]/g, ' ') : text
}

function outcomeOf(value: unknown): object | null {
  const allow = (value as { readonly allow?: unknown } | null)?.allow
  return typeof allow === 'boolean' ? { allow } : null
}

/** RFC 3339 with nanoseconds, all nine digits, so that lines sort by time as text. */
function formatTimestamp(milliseconds: number): string {
  const whole = Math.floor(milliseconds)
  const nanoseconds = Math.floor((milliseconds - whole) * 1e6)
  const fraction = String(nanoseconds).padStart(6, '0')
  return `${new Date(whole).toISOString().slice(0, -1)}${fraction}Z`
}
