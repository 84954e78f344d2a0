import { CountersignError, quoted } from '../errors.ts'
import { jsonFault } from './json-fault.ts'
import { formatJsonPointer } from './json-pointer.ts'

/** A JSON document of the operator's, merged with the data of the bundle. */
export interface DataDocument {
  /** Its file, for messages. */
  readonly name: string
  readonly value: Readonly<Record<string, unknown>>
}

const depthMax = 64

/**
 * Reads a document strictly: an object, no member twice (of two the last would win, and nobody sees the first), and no `__proto__`,
 * which readers of JavaScript lose. Throws `policy/data`, naming file and JSON pointer.
 */
export function parseDataDocument(text: string, name: string): DataDocument {
  if (text.includes('\ufffd')) throw refusedData(name, 'is not UTF-8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw refusedData(name, `is not JSON, ${jsonFault(text) ?? 'want=JSON'}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refusedData(name, 'want=an object')
  }
  const fault = faultInJson(text)
  if (fault !== undefined) throw refusedData(name, fault)
  return { name, value: value as DataDocument['value'] }
}

/** What a reader of this file is told: the file, the place and the rule. */
export function refusedData(name: string, fault: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/data', `${name}: ${fault}`, {
    cause,
    hint: 'what policy data may hold is in policies/schemas and docs/AUTHORIZATION.md',
  })
}

/** An open object or array, and where in it we are. */
interface Frame {
  /** Of an object. */
  readonly names: Set<string> | undefined
  at: string | number
  isName: boolean
}

const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g

/** The first fault of a text that is JSON, with its place: what `JSON.parse` does not tell. Of two members the last would win. */
export function faultInJson(text: string): string | undefined {
  const frames: Frame[] = []
  for (const [token] of text.matchAll(tokens)) {
    const frame = frames.at(-1)
    if (token === '{' || token === '[') {
      if (frames.length === depthMax)
        return `${whereIn(frames)}: want=a depth of at most ${depthMax}`
      const isObject = token === '{'
      frames.push({
        names: isObject ? new Set() : undefined,
        at: isObject ? '' : 0,
        isName: isObject,
      })
    } else if (frame === undefined) return undefined
    else if (token === '}' || token === ']') frames.pop()
    else if (token === ',') {
      frame.isName = frame.names !== undefined
      if (typeof frame.at === 'number') frame.at += 1
    } else if (frame.isName) {
      frame.isName = false
      frame.at = JSON.parse(token) as string
      if (frame.at === '__proto__') return `${whereIn(frames)}: is no name for a member`
      if (frame.names?.has(frame.at) === true) return `${whereIn(frames)}: is said twice`
      frame.names?.add(frame.at)
    }
  }
  return undefined
}

function whereIn(frames: readonly Frame[]): string {
  return quotedPointer(frames.map(({ at }) => String(at)))
}

/** A pointer in a message: plain where it can be read so. */
export function quotedPointer(path: readonly string[]): string {
  const pointer = formatJsonPointer(path)
  if (pointer === '') return '(top level)'
  return /^[\x21-\x7e]{1,300}$/.test(pointer) ? pointer : quoted(pointer, 300)
}
