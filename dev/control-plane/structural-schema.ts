import {
  invalid,
  notSupported,
  required,
  tooLong,
  typeInvalid,
  type FieldError,
} from './field-error.ts'
import { isJsonObject, type JsonObject } from './json-object.ts'
import { parseTime } from './kube-object.ts'

/** The part of OpenAPI v3 that structural schemas of custom resources use, as far as we honour it. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly nullable?: boolean
  readonly default?: unknown
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[]
  /** How a strategic merge patch changes a list: `merge`, by the key below. */
  readonly 'x-kubernetes-patch-strategy'?: string
  readonly 'x-kubernetes-patch-merge-key'?: string
  /** How server-side apply owns a list: `atomic`, `set`, or `map` by the keys below. */
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
}

export interface ValidationRule {
  readonly rule: string
  readonly message?: string
  readonly messageExpression?: string
  readonly reason?: string
  readonly fieldPath?: string
}

/** The value without the members that its schema does not know, and their paths; defaults filled in. */
export function prune(
  value: unknown,
  schema: Schema,
  path = '',
): { readonly value: unknown; readonly unknown: readonly string[] } {
  if (schema['x-kubernetes-preserve-unknown-fields'] === true && schema.properties === undefined) {
    return { value, unknown: [] }
  }
  const unknown: string[] = []
  if (Array.isArray(value)) {
    const pruned = value.map((item, index) => {
      const inner = prune(item, schema.items ?? {}, `${path}[${index}]`)
      unknown.push(...inner.unknown)
      return inner.value
    })
    return { value: pruned, unknown }
  }
  if (!isJsonObject(value)) return { value, unknown }
  const members: [string, unknown][] = []
  for (const [name, inner] of Object.entries(value)) {
    const innerPath = path === '' ? name : `${path}.${name}`
    const innerSchema = memberSchema(schema, name)
    if (innerSchema === undefined) unknown.push(innerPath)
    // Null is "not set" unless the schema says that it is a value (structural schemas: nullable).
    else if (inner !== null || innerSchema.nullable === true) {
      const pruned = prune(inner, innerSchema, innerPath)
      unknown.push(...pruned.unknown)
      members.push([name, pruned.value])
    }
  }
  return { value: Object.fromEntries([...members, ...defaults(schema, members)]), unknown }
}

function defaults(
  schema: Schema,
  members: readonly (readonly [string, unknown])[],
): readonly [string, unknown][] {
  const present = new Set(members.map(([name]) => name))
  return Object.entries(schema.properties ?? {})
    .filter(([name, inner]) => inner.default !== undefined && !present.has(name))
    .map(([name, inner]) => [name, inner.default])
}

export function memberSchema(schema: Schema, name: string): Schema | undefined {
  const properties = schema.properties ?? {}
  if (Object.hasOwn(properties, name)) return properties[name]
  if (isJsonObject(schema.additionalProperties)) return schema.additionalProperties
  if (schema.additionalProperties === true) return anything
  return schema['x-kubernetes-preserve-unknown-fields'] === true ? anything : undefined
}

const anything: Schema = { 'x-kubernetes-preserve-unknown-fields': true }

/** Every rule of the schema that the value breaks, `x-kubernetes-validations` apart. */
export function validateSchema(
  value: unknown,
  schema: Schema,
  path: string,
): readonly FieldError[] {
  if (value === null) {
    if (schema.nullable === true || schema.type === undefined) return []
    return [typeInvalid(path, 'null', `must be of type ${schema.type}: "null"`)]
  }
  const typeError = checkType(value, schema, path)
  if (typeError !== undefined) return [typeError]
  const errors: FieldError[] = []
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    errors.push(notSupported(path, value, schema.enum.map(String)))
  }
  if (typeof value === 'string') errors.push(...validateText(value, schema, path))
  if (typeof value === 'number') errors.push(...validateNumber(value, schema, path))
  if (Array.isArray(value)) errors.push(...validateItems(value, schema, path))
  if (isJsonObject(value)) errors.push(...validateMembers(value, schema, path))
  return errors
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function checkType(value: unknown, schema: Schema, path: string): FieldError | undefined {
  const actual = typeOf(value)
  if (schema['x-kubernetes-int-or-string'] === true) {
    if (actual === 'integer' || actual === 'string') return undefined
    return typeInvalid(path, actual, `must be of type integer or string: "${actual}"`)
  }
  if (schema.type === undefined || schema.type === actual) return undefined
  if (schema.type === 'number' && actual === 'integer') return undefined
  return typeInvalid(path, actual, `must be of type ${schema.type}: "${actual}"`)
}

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => parseTime(text) !== undefined,
  byte: isBase64,
  uuid: (text) => /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i.test(text),
}

/** Standard alphabet with padding, as Go's decoder wants it. */
function isBase64(text: string): boolean {
  const characters = text.replace(/[\r\n]/g, '')
  return characters.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(characters)
}

/** Unicode code points, as OpenAPI counts. */
export function characterCount(text: string): number {
  return Array.from(text).length
}

function validateText(text: string, schema: Schema, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const length = characterCount(text)
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    errors.push(tooLong(path, schema.maxLength))
  }
  if (schema.minLength !== undefined && length < schema.minLength) {
    const rule = `must be at least ${schema.minLength} chars long`
    errors.push(invalid(path, text, `${path} in body ${rule}`))
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(text)) {
    errors.push(invalid(path, text, `${path} in body should match '${schema.pattern}'`))
  }
  const check = schema.format === undefined ? undefined : formats[schema.format]
  if (check !== undefined && !check(text)) {
    errors.push(invalid(path, text, `${path} in body must be of type ${schema.format}`))
  }
  return errors
}

function validateNumber(value: number, schema: Schema, path: string): readonly FieldError[] {
  const low = Math.max(
    schema.minimum ?? -Infinity,
    schema.format === 'int32' ? -(2 ** 31) : -Infinity,
  )
  const high = Math.min(
    schema.maximum ?? Infinity,
    schema.format === 'int32' ? 2 ** 31 - 1 : Infinity,
  )
  if (value < low) {
    return [invalid(path, value, `${path} in body should be greater than or equal to ${low}`)]
  }
  if (value > high) {
    return [invalid(path, value, `${path} in body should be less than or equal to ${high}`)]
  }
  return []
}

function validateItems(
  items: readonly unknown[],
  schema: Schema,
  path: string,
): readonly FieldError[] {
  const errors = items.flatMap((item, index) =>
    validateSchema(item, schema.items ?? {}, `${path}[${index}]`),
  )
  if (schema.maxItems !== undefined && items.length > schema.maxItems) {
    errors.push(invalid(path, items.length, `must have at most ${schema.maxItems} items`))
  }
  if (schema.minItems !== undefined && items.length < schema.minItems) {
    errors.push(invalid(path, items.length, `should have at least ${schema.minItems} items`))
  }
  return errors
}

function validateMembers(value: JsonObject, schema: Schema, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
  const count = Object.keys(value).length
  if (schema.maxProperties !== undefined && count > schema.maxProperties) {
    errors.push(invalid(path, count, `must have at most ${schema.maxProperties} members`))
  }
  if (schema.minProperties !== undefined && count < schema.minProperties) {
    errors.push(invalid(path, count, `should have at least ${schema.minProperties} members`))
  }
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) errors.push(required(at(name)))
  }
  for (const [name, inner] of Object.entries(value)) {
    const innerSchema = memberSchema(schema, name)
    if (innerSchema !== undefined) errors.push(...validateSchema(inner, innerSchema, at(name)))
  }
  return errors
}
