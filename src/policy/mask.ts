import { CountersignError } from '../errors.ts'
import { parseMembers } from './decision.ts'
import { parseJsonPointer, removeAt, upsertAt } from './json-pointer.ts'

/** What a mask may change. */
export interface MaskableEvent {
  readonly input: unknown
  readonly result: unknown
}

/** An event after its mask, with the pointers that were changed, as OPA's events name them. */
export interface MaskedEvent extends MaskableEvent {
  readonly erased: readonly string[]
  readonly masked: readonly string[]
}

/** One operation of a mask, as OPA knows them. */
export interface MaskChange {
  readonly path: string
  readonly value?: unknown
  readonly op: 'remove' | 'upsert'
}

const changesMax = 256

/** Applies the changes of a mask to a copy: OPA's operations, with pointers of RFC 6901. Throws `policy/result`. */
export function applyMask(event: MaskableEvent, changes: readonly MaskChange[]): MaskedEvent {
  const erased: string[] = []
  const masked: string[] = []
  let document: unknown = { input: event.input, result: event.result }
  for (const { op, path, value } of changes) {
    const pointer = parseJsonPointer(path)
    if (pointer[0] !== 'input' && pointer[0] !== 'result') {
      throw refused('mask changes what it may not, want=/input or /result')
    }
    const changed =
      op === 'remove' ? removeAt(document, pointer) : upsertAt(document, pointer, value)
    if (changed !== document) (op === 'remove' ? erased : masked).push(path)
    document = changed
  }
  const { input, result: shown } = document as Partial<MaskableEvent>
  return { input, result: shown, erased, masked }
}

/** Reads the result of a mask rule, ordered by path: the module gives sets in the order of their hashes. Throws `policy/result`. */
export function parseMask(result: unknown): readonly MaskChange[] {
  if (!Array.isArray(result) || result.length > changesMax) {
    throw refused(`mask is of the wrong type, want=set of 0..${changesMax}`)
  }
  return result.map(parseChange).toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

function parseChange(value: unknown): MaskChange {
  if (typeof value === 'string') return { op: 'remove', path: value }
  const members = parseMembers(value, 'change of a mask', ['op', 'path', 'value'])
  const { op, path } = members
  if (typeof path !== 'string') throw refused('path of a mask is of the wrong type, want=string')
  if (op !== 'remove' && op !== 'upsert')
    throw refused('op of a mask is unknown, want=remove|upsert')
  if (op === 'upsert' && members['value'] === undefined)
    throw refused('upsert of a mask has no value')
  return { op, path, value: members['value'] }
}

function refused(message: string): CountersignError {
  return new CountersignError('policy/result', message)
}
