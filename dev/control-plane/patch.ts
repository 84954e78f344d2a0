import { isJsonObject, semanticallyEqual, type JsonObject } from './json-object.ts'
import type { ResourceType } from './resource-type.ts'
import { strategicMerge } from './strategic-merge.ts'
import type { Schema } from './structural-schema.ts'
import { badRequest, StatusError, unsupportedMediaType } from './status.ts'

const operationsMax = 10_000

/** JSON merge patch, RFC 7396. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch
  const base = isJsonObject(target) ? target : {}
  const kept = Object.entries(base).filter(([name]) => !Object.hasOwn(patch, name))
  const set = Object.entries(patch)
    .filter(([, value]) => value !== null)
    .map(([name, value]): [string, unknown] => [
      name,
      mergePatch(Object.hasOwn(base, name) ? base[name] : undefined, value),
    ])
  // Through entries, because assignment to a member named __proto__ would do something else.
  return Object.fromEntries([...kept, ...set])
}

/** RFC 6902. A failed `test` is a 422, as the API server answers it. */
function jsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw badRequest('json patch: want=array')
  if (operations.length > operationsMax) {
    throw badRequest(`json patch: want=at most ${operationsMax} operations`)
  }
  return operations.reduce((document: unknown, operation: unknown) => {
    if (!isJsonObject(operation)) throw badRequest('json patch operation: want=object')
    return applyOperation(document, operation)
  }, target)
}

function applyOperation(document: unknown, operation: JsonObject): unknown {
  const path = pointer(operation['path'])
  switch (operation['op']) {
    case 'add':
      return withValue(document, path, { value: operation['value'], insert: true })
    case 'replace':
      valueAt(document, path)
      return withValue(document, path, { value: operation['value'], insert: false })
    case 'remove':
      valueAt(document, path)
      return without(document, path)
    case 'move': {
      const from = pointer(operation['from'])
      const value = valueAt(document, from)
      return withValue(without(document, from), path, { value, insert: true })
    }
    case 'copy': {
      const value = valueAt(document, pointer(operation['from']))
      return withValue(document, path, { value, insert: true })
    }
    case 'test': {
      if (semanticallyEqual(valueAt(document, path), operation['value'])) return document
      throw unappliable(`testing path ${String(operation['path'])} failed`)
    }
    default:
      throw unappliable(`unexpected operation ${JSON.stringify(operation['op'])}`)
  }
}

function unappliable(message: string): StatusError {
  return new StatusError(
    422,
    'Invalid',
    `the server rejected our request due to an error in our request: ${message}`,
    {},
  )
}

function pointer(text: unknown): readonly string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) {
    throw badRequest('json patch path: want=JSON pointer')
  }
  return text
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function valueAt(document: unknown, path: readonly string[]): unknown {
  let value = document
  for (const token of path) {
    if (Array.isArray(value) && indexOf(token, value.length) < value.length) {
      value = value[indexOf(token, value.length)]
    } else if (isJsonObject(value) && Object.hasOwn(value, token)) {
      value = value[token]
    } else {
      throw unappliable(`the path /${path.join('/')} does not exist`)
    }
  }
  return value
}

function indexOf(token: string, length: number): number {
  if (token === '-') return length
  if (!/^(0|[1-9]\d{0,8})$/.test(token)) throw unappliable(`${JSON.stringify(token)} is no index`)
  return Number(token)
}

function withValue(
  document: unknown,
  path: readonly string[],
  change: { readonly value: unknown; readonly insert: boolean },
): unknown {
  const [token, ...rest] = path
  if (token === undefined) return change.value
  if (Array.isArray(document)) {
    const index = indexOf(token, document.length)
    if (rest.length > 0)
      return document.with(index, withValue(valueAt(document, [token]), rest, change))
    if (index > document.length) throw unappliable(`index ${index} is past the end`)
    return document.toSpliced(index, change.insert ? 0 : 1, change.value)
  }
  if (!isJsonObject(document))
    throw unappliable(`the path of ${JSON.stringify(token)} does not exist`)
  const inner = rest.length > 0 ? withValue(valueAt(document, [token]), rest, change) : change.value
  return Object.fromEntries([
    ...Object.entries(document).filter(([name]) => name !== token),
    [token, inner],
  ])
}

function without(document: unknown, path: readonly string[]): unknown {
  const [token, ...rest] = path
  if (token === undefined) return {}
  if (Array.isArray(document)) {
    const index = indexOf(token, document.length)
    if (rest.length > 0) return document.with(index, without(document[index], rest))
    return document.toSpliced(index, 1)
  }
  if (!isJsonObject(document)) return document
  if (rest.length > 0) {
    return withValue(document, [token], { value: without(document[token], rest), insert: false })
  }
  return Object.fromEntries(Object.entries(document).filter(([name]) => name !== token))
}

const jsonPatchType = 'application/json-patch+json'
const mergePatchType = 'application/merge-patch+json'
const strategicPatchType = 'application/strategic-merge-patch+json'

/** Custom resources have no strategy: how their lists merge is nobody's to say. */
export function acceptedPatchTypes(type: Pick<ResourceType, 'isCustom'>): readonly string[] {
  const all = [jsonPatchType, mergePatchType]
  return type.isCustom === true ? all : [...all, strategicPatchType]
}

export interface Patch {
  readonly mediaType: string
  readonly body: unknown
  readonly accepted: readonly string[]
  /** Says how lists merge. */
  readonly schema: Schema
}

export function applyPatch(target: unknown, patch: Patch): unknown {
  const { mediaType, body, accepted, schema } = patch
  if (!accepted.includes(mediaType)) throw unsupportedMediaType(accepted)
  if (mediaType === jsonPatchType) return jsonPatch(target, body)
  if (!isJsonObject(body)) throw badRequest('merge patch: want=object')
  return mediaType === mergePatchType
    ? mergePatch(target, body)
    : strategicMerge(target, body, schema)
}
