import type { Asked, AskedCall, AskedList, DecisionContext } from './asked.ts'
import type { InputText } from './input.ts'
import { fromJson } from './plan/json.ts'
import type { Plain, Value } from './plan/values.ts'

/**
 * Gives the input of an evaluation as a value, where it is asked for as one: the value of the very text that goes with it. `read` reads a
 * text that comes again, such as a caller's or a definition's.
 */
export type DocumentOf = (read: (text: string) => Value) => Value

/** The value of what policy is asked. */
export function documentOf(asked: Asked): DocumentOf {
  if (asked.kind === 'plain') return () => fromJson(asked.text)
  return asked.kind === 'call'
    ? (read) => callDocument(asked, read)
    : (read) => ({
        ...outlineDocument(asked, read),
        resources: asked.resources.map(({ value }) => value),
      })
}

/** What a list was asked for and by whom, without its resources. */
export function outlineDocument({ parts }: AskedList, read: (text: string) => Value): Plain {
  const { subject, action, context } = parts
  return { subject: read(subject), action: { name: action }, context: contextOf(context) }
}

/** The value of the text that is written of it, without reading that again. */
function contextOf(context: DecisionContext): Plain {
  const { era, time, door, phase, upstream, asked, approval, history } = context
  const asking = { era, time, door, phase }
  const there = upstream === undefined ? asking : { ...asking, upstream: { era: upstream.era } }
  const own = history === undefined ? there : { ...there, history: fromJson(history) }
  if (approval !== undefined) return { ...own, approval: fromJson(approval) }
  return asked === undefined ? own : { ...own, asked: fromJson(JSON.stringify(asked)) }
}

function callDocument(asked: AskedCall, read: (text: string) => Value): Value {
  const { parts, arguments: given } = asked
  const own = contextOf(parts.context)
  return {
    subject: read(parts.subject),
    action: read(`{"name":${JSON.stringify(parts.action)}}`),
    resource: read(parts.resource),
    context:
      given === undefined
        ? own
        : {
            arguments: (given.read.value ??= fromJson(given.text)),
            argumentsSha256: given.sha256,
            ...own,
          },
  }
}

/** The most characters whose values are kept, twice. */
const keptCharactersMax = 8 * 1024 * 1024

/**
 * Reads texts that come again: a value is the same one each time, and nobody can change it. What has not come for long is forgotten.
 */
export function createReader(charactersMax: number = keptCharactersMax): (text: string) => Value {
  let recent = new Map<string, Value>()
  let before = recent
  let characters = 0
  return (text) => {
    const known = recent.get(text)
    if (known !== undefined) return known
    const value = before.get(text) ?? frozen(fromJson(text))
    characters += text.length
    if (characters > charactersMax) {
      before = recent
      recent = new Map()
      characters = text.length
    }
    recent.set(text, value)
    return value
  }
}

/** The value of a text, which nobody can change. */
export function valueOf(text: InputText): Value {
  return frozen(fromJson(text))
}

/** All the way down. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) frozen(member)
  return Object.freeze(value)
}

/** What an engine does with a question: its value, or `policy/abort`, `policy/fuel` or `policy/undefined`. */
export type Evaluate = (entrypoint: string, text: Text, document?: DocumentOf) => unknown

/** A text, or what gives it: it is not made where the value is read. */
export type Text = InputText | (() => InputText)

export function given(text: Text): InputText {
  return typeof text === 'function' ? text() : text
}
