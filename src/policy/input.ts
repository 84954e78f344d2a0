import { CountersignError } from '../errors.ts'

/** Deep enough for any tool's arguments; the parser inside the module recurses. */
const depthMax = 64

/** The most octets of one input, as JSON. */
export const inputOctetsMax: number = 256 * 1024

/**
 * The input of an evaluation as JSON text, exactly as the module will read it. Refuses what JSON would change on its way
 * (non-finite numbers, dates, functions) and what aborts the module (lone surrogates, RFC 8259 §8.2). Throws `policy/input`.
 */
export function formatInput(input: object, octetsMax: number = inputOctetsMax): ArrayBuffer {
  if (Array.isArray(input)) throw refused('input is of the wrong type, want=object got=array')
  checkValue(input, 1)
  // Well-formed text of this many UTF-16 units has at least as many octets: refuse it before encoding.
  const text = JSON.stringify(input)
  if (text.length > octetsMax) throw tooLarge(text.length, octetsMax)
  const octets = new TextEncoder().encode(text)
  if (octets.byteLength > octetsMax) throw tooLarge(octets.byteLength, octetsMax)
  return octets.buffer.byteLength === octets.byteLength
    ? octets.buffer
    : octets.buffer.slice(octets.byteOffset, octets.byteOffset + octets.byteLength)
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
  for (const [name, member] of Object.entries(value)) {
    checkText(name)
    // An optional member that is not there: JSON leaves it out too.
    if (member !== undefined) checkValue(member, depth + 1)
  }
}

function checkText(text: string): void {
  if (!text.isWellFormed()) throw refused('input has a string with a lone surrogate')
}

function tooLarge(octets: number, octetsMax: number): CountersignError {
  return refused(`input is too large, want=..${octetsMax} octets got=${octets}`)
}

function refused(message: string): CountersignError {
  return new CountersignError('policy/input', message)
}
