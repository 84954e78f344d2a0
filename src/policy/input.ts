import { CountersignError } from '../errors.ts'

/** Deep enough for any tool's arguments; the parser inside the module recurses. */
const depthMax = 64

/** The most octets of one input, as JSON, unless more is asked for. */
export const inputOctetsDefault: number = 256 * 1024

/** The JSON text of an input that was found fit: what is evaluated, and what is logged. */
export type InputText = string & { readonly [fit]: true }

declare const fit: unique symbol

/**
 * The input of an evaluation as JSON text, exactly as the module will read it. Refuses what JSON would change on its way
 * (non-finite numbers, dates, functions) and what aborts the module (lone surrogates, RFC 8259 §8.2). Throws `policy/input`.
 */
export function formatInput(input: object, octetsMax: number = inputOctetsDefault): InputText {
  if (Array.isArray(input)) throw refused('input is of the wrong type, want=object got=array')
  checkValue(input, 1)
  return boundedText(JSON.stringify(input), octetsMax)
}

/** JSON text that was put together from fit texts. Throws `policy/input` when it is too large. */
export function boundedText(text: string, octetsMax: number = inputOctetsDefault): InputText {
  // No character of UTF-16 takes more than three octets.
  if (text.length * 3 <= octetsMax) return text as InputText
  checkOctets(Buffer.byteLength(text), octetsMax)
  return text as InputText
}

/** Throws `policy/input` when there are too many. */
export function checkOctets(octets: number, octetsMax: number): void {
  if (octets <= octetsMax) return
  throw refused(`input is too large, want=..${octetsMax} octets got=${octets}`)
}

function checkValue(value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string':
      checkText(value)
      return
    case 'number':
      if (!Number.isFinite(value)) throw refused('input has a number that is not finite')
      return
    case 'boolean':
      return
    case 'object':
      if (value !== null) checkMembers(value, depth)
      return
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      throw refused(`input has a value that JSON has not, got=${typeof value}`)
  }
}

function checkMembers(value: object, depth: number): void {
  if (depth > depthMax) throw refused(`input is too deep, want=..${depthMax}`)
  if (Array.isArray(value)) {
    for (const member of value) checkValue(member, depth + 1)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw refused('input has an object that is not plain')
  }
  const members = value as Readonly<Record<string, unknown>>
  for (const name of Object.keys(members)) {
    checkText(name)
    const member = members[name]
    // An optional member that is not there: JSON leaves it out too.
    if (member !== undefined) checkValue(member, depth + 1)
  }
}

function checkText(text: string): void {
  if (!text.isWellFormed()) throw refused('input has a string with a lone surrogate')
}

function refused(message: string): CountersignError {
  return new CountersignError('policy/input', message)
}
