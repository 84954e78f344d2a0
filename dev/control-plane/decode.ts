import { isJsonObject, objectAt, textAt, type JsonObject } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import { parseMetadata } from './metadata.ts'
import { objectMetaName, type BuiltInSchemas } from './openapi/built-in-schemas.ts'
import { apiVersionOf, type ResourceType } from './resource-type.ts'
import { badRequest } from './status.ts'
import { prune, validateSchema, type Schema } from './structural-schema.ts'

/** An object as a client sent it, members in place and of their types; metadata still the client's. */
export interface Draft {
  readonly metadata: JsonObject
  readonly members: JsonObject
}

/** Far more than any object has; Go's decoder has a limit too. */
const depthMax = 500

/** Reads JSON from a body; a body that is none, or nests too deep for what comes after, is a 400. */
export function parseJson(body: Buffer): unknown {
  const value = tryParse(body.toString('utf8'))
  if (value === undefined || isDeeperThan(depthMax, value)) {
    throw badRequest(`the body of the request: want=JSON of at most ${depthMax} levels`)
  }
  return value
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Level by level, without recursion. */
function isDeeperThan(levels: number, value: unknown): boolean {
  let level: readonly unknown[] = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levels) return true
    level = level.flatMap((inner) =>
      typeof inner === 'object' && inner !== null ? Object.values(inner) : [],
    )
  }
  return false
}

/** The draft in a body, for this resource and version. Throws a StatusError (400). */
export function decode(options: {
  readonly body: unknown
  readonly type: ResourceType
  readonly version: string
  /** fieldValidation=Strict: unknown members are a 400 instead of being dropped. */
  readonly strict: boolean
  readonly schemas: BuiltInSchemas
}): Draft {
  const { body, type, version, strict, schemas } = options
  if (!isJsonObject(body)) throw badRequest('the object provided is unrecognized: want=JSON object')
  checkKind(body, type, version)
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = body
  const { group, kind } = type
  const schema = bodySchema(type.schema?.(version) ?? schemas.ofKind({ group, version, kind }))
  const { value, unknown: inBody } = prune(rest, schema)
  const unknown = [
    ...prune(metadata, schemas.ofName(objectMetaName), 'metadata').unknown,
    ...inBody,
  ]
  if (strict && unknown.length > 0) {
    const list = unknown.map((path) => `unknown field ${JSON.stringify(path)}`).join(', ')
    throw badRequest(
      `${type.kind} in version ${JSON.stringify(version)} cannot be handled as a ${type.kind}: strict decoding error: ${list}`,
    )
  }
  if (type.isCustom !== true) {
    const [error] = validateSchema(value, schema, '')
    if (error !== undefined) {
      throw badRequest(
        `${type.kind} in version ${JSON.stringify(version)} cannot be handled as a ${type.kind}: json: cannot unmarshal ${error.field}: ${error.message}`,
      )
    }
  }
  return { metadata: parseMetadata(metadata), members: withObjects(value as JsonObject) }
}

/** A resource without a schema of its own keeps whatever it is sent. */
function bodySchema(schema: Schema | undefined): Schema {
  if (schema === undefined) {
    return {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: {
        spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    }
  }
  const { apiVersion: _a, kind: _k, metadata: _m, ...properties } = schema.properties ?? {}
  return { ...schema, properties }
}

function withObjects(members: JsonObject): JsonObject {
  const { spec, status, ...rest } = members
  return {
    ...rest,
    ...(spec === undefined ? {} : { spec: objectAt(members, 'spec') }),
    ...(status === undefined ? {} : { status: objectAt(members, 'status') }),
  }
}

function checkKind(body: JsonObject, type: ResourceType, version: string): void {
  const apiVersion = textAt(body, 'apiVersion')
  const kind = textAt(body, 'kind')
  const want = apiVersionOf(type.group, version)
  if (type.isCustom === true && (apiVersion === '' || kind === '')) {
    throw badRequest(`Object '${kind === '' ? 'Kind' : 'apiVersion'}' is missing`)
  }
  if (apiVersion !== '' && apiVersion !== want) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${want})`,
    )
  }
  if (kind !== '' && kind !== type.kind) {
    throw badRequest(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(want)}: want=${JSON.stringify(type.kind)}`,
    )
  }
}

/** An object as a client of this version sees it. */
export function encode(object: KubeObject, type: ResourceType, version: string): object {
  const apiVersion = apiVersionOf(type.group, version)
  return { kind: type.kind, apiVersion, ...encodeMember(object, type, version) }
}

/** The same as a member of a list. */
export function encodeMember(object: KubeObject, type: ResourceType, version: string): object {
  return type.encode?.(object, version) ?? object
}
