import { quoted } from '../errors.ts'
import { stripped, type MessageHeaders } from './headers.ts'
import { problemCodes, type Problem } from './problem.ts'

/** Whether the body comes in a form that is read here, and the answer may go in one that the client reads. */
export function checkForm(headers: MessageHeaders): Problem | undefined {
  return (
    checkContentType(headers['content-type']) ??
    checkContentEncoding(headers['content-encoding']) ??
    checkAccept(headers.accept)
  )
}

/** 415 unless the body is declared as JSON, and in UTF-8 where a charset is named (RFC 8259 §8.1); other parameters say nothing. */
function checkContentType(value = ''): Problem | undefined {
  if (value === 'application/json') return undefined
  const [type, ...parameters] = partsOf(value.toLowerCase(), ';')
  const isUtf8 = parameters.every((one) => !one.startsWith('charset') || utf8Charsets.has(one))
  if (type === 'application/json' && isUtf8) return undefined
  return refusedForm(
    415,
    `content-type not served: want=${quoted('application/json')} got=${quoted(value)}`,
  )
}

const utf8Charsets: ReadonlySet<string> = new Set([
  'charset=utf-8',
  'charset="utf-8"',
  'charset=utf8',
  'charset="utf8"',
])

/** 415 for what would have to be unpacked: two parsers could be made to unpack it differently, and a bound on it bounds nothing. */
function checkContentEncoding(value = 'identity'): Problem | undefined {
  if (value.toLowerCase() === 'identity') return undefined
  return refusedForm(
    415,
    `content-encoding not served: want=${quoted('identity')} got=${quoted(value)}`,
  )
}

const wanted = ['application/json', 'text/event-stream']

/** What SDKs send, which need not be taken apart. */
const usual: ReadonlySet<string> = new Set([wanted.join(', '), wanted.join(','), '*/*'])

/** 406 unless the client takes both forms of an answer: which one comes is the server's choice. */
function checkAccept(value = ''): Problem | undefined {
  if (usual.has(value)) return undefined
  const ranges = partsOf(value.toLowerCase(), ',').map(rangeOf)
  if (wanted.every((type) => isAccepted(type, ranges))) return undefined
  const want = wanted.join(', ')
  return refusedForm(406, `accept lacks a type: want=${quoted(want)} got=${quoted(value)}`)
}

/** Whether a client that wants nothing but a stream takes it. */
export function takesEvents(accept: string): boolean {
  return isAccepted('text/event-stream', partsOf(accept.toLowerCase(), ',').map(rangeOf))
}

function refusedForm(status: number, message: string): Problem {
  return { status, code: problemCodes.invalidRequest, message }
}

interface Range {
  readonly type: string
  readonly isWanted: boolean
}

// RFC 9110 §12.4.2: a weight of 0 is "not acceptable".
const refusedWeight = /^q=0(\.0{0,3})?$/

function rangeOf(text: string): Range {
  const [type = '', ...parameters] = partsOf(text, ';')
  return { type, isWanted: !parameters.some((parameter) => refusedWeight.test(parameter)) }
}

/** The narrowest range that speaks of a type decides (RFC 9110 §12.5.1). */
function isAccepted(type: string, ranges: readonly Range[]): boolean {
  const main = type.slice(0, type.indexOf('/'))
  for (const narrower of [type, `${main}/*`, '*/*']) {
    const found = ranges.filter((range) => range.type === narrower)
    if (found.length > 0) return found.some((range) => range.isWanted)
  }
  return false
}

/** The parts between separators, stripped; one that stands in a quoted string separates nothing (RFC 9110 §5.6). */
function partsOf(value: string, separator: ',' | ';'): string[] {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < value.length; at++) {
    const found = value[at]
    if (found === '"') isQuoted = !isQuoted
    else if (found === '\\' && isQuoted) at++
    else if (found === separator && !isQuoted) {
      parts.push(stripped(value.slice(start, at)))
      start = at + 1
    }
  }
  parts.push(stripped(value.slice(start)))
  return parts
}
