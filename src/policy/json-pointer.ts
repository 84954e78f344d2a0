import { CountersignError, quoted } from '../errors.ts'
import { isNumberText } from './exact-json.ts'

/** The segments of a pointer into a document. */
export type JsonPointer = readonly string[]

/** Reads a JSON pointer (RFC 6901 §3). Throws `policy/result`: only masks name pointers. */
export function parseJsonPointer(text: string): JsonPointer {
  if (!text.startsWith('/') || /~(?![01])/.test(text)) {
    throw refused(`mask names no JSON pointer, got=${quoted(text)}`)
  }
  return text
    .slice(1)
    .split('/')
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Writes a JSON pointer; the empty text is the whole document. */
export function formatJsonPointer(pointer: JsonPointer): string {
  return pointer.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** A copy without what the pointer names, or the document itself when it names nothing. */
export function removeAt(document: unknown, pointer: JsonPointer): unknown {
  const [segment, ...rest] = pointer
  if (segment === undefined || !has(document, segment)) return document
  if (rest.length > 0) {
    const member = document[segment]
    const changed = removeAt(member, rest)
    return changed === member ? document : upsertAt(document, [segment], changed)
  }
  if (Array.isArray(document)) return document.toSpliced(Number(segment), 1)
  const { [segment]: _, ...others } = document
  return others
}

/** A copy with another value at the pointer; objects on the way are made. Throws `policy/result` where there is no way. */
export function upsertAt(document: unknown, pointer: JsonPointer, value: unknown): unknown {
  const [segment, ...rest] = pointer
  if (segment === undefined) return value
  if (document === undefined) return { [segment]: upsertAt(undefined, rest, value) }
  if (Array.isArray(document) && has(document, segment)) {
    const index = Number(segment)
    return document.with(index, upsertAt(document[index], rest, value))
  }
  if (!isObject(document)) {
    throw refused(`mask cannot put a value here, got=${quoted(segment)}`)
  }
  const members = document as Readonly<Record<string, unknown>>
  const member = has(members, segment) ? members[segment] : undefined
  return { ...members, [segment]: upsertAt(member, rest, value) }
}

/** Whether a container has this member of its own. RFC 6901 §4: indices have no leading zero. */
function has(container: unknown, segment: string): container is Readonly<Record<string, unknown>> {
  if (Array.isArray(container)) {
    return /^(?:0|[1-9]\d{0,8})$/.test(segment) && Number(segment) < container.length
  }
  return isObject(container) && Object.hasOwn(container, segment)
}

function isObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return !isNumberText(value)
}

function refused(message: string): CountersignError {
  return new CountersignError('policy/result', message)
}
