import type { Authorize } from './attributes.ts'
import type { FieldError } from './field-error.ts'
import type { KubeObject } from './kube-object.ts'
import { checkSubdomain, type NameRule } from './names.ts'
import type { Schema } from './structural-schema.ts'
import type { Column } from './tables/column.ts'
import type { User } from './user.ts'

/** Who writes, and what a rule may have to ask. */
export interface WriteContext {
  readonly user: User
  readonly authorize: Authorize
  readonly now: () => number
}

/** A resource that the server serves: a row of the table, and the rules that are its own. */
export interface ResourceType {
  readonly group: string
  /** The first is the one preferred. */
  readonly versions: readonly string[]
  readonly plural: string
  readonly singular: string
  readonly kind: string
  readonly namespaced: boolean
  readonly shortNames?: readonly string[]
  /** Names of groups of resources, such as `all`. */
  readonly categories?: readonly string[]
  /** Served with a /status subresource, which alone writes the status. */
  readonly hasStatus?: boolean
  /** PUT without a resourceVersion overwrites whatever there is. */
  readonly unconditionalUpdate?: boolean
  /** metadata.generation counts the changes of the spec. */
  readonly countsGenerations?: boolean
  /** A custom resource: a member of a wrong type breaks its schema (422), not the decoder (400). */
  readonly isCustom?: boolean
  /** DELETE answers with the object, not with a Status. */
  readonly returnsDeleted?: boolean
  readonly nameRule?: (object: KubeObject) => NameRule
  /** What field selectors may name, metadata.name apart. */
  readonly selectableFields?: Readonly<Record<string, (object: KubeObject) => string>>
  /** Known members and their types: unknown ones are dropped (or 400 when strict), wrong ones are a 400. */
  readonly schema?: (version: string) => Schema
  /** Seconds until a deleted object must be gone; undefined: at once. */
  readonly gracePeriodSeconds?: (
    object: KubeObject,
    asked: number | undefined,
  ) => number | undefined
  /** The stored form as this version shows it. */
  readonly encode?: (object: KubeObject, version: string) => KubeObject
  /** The columns of its table; built-in resources have theirs in `tables/built-in-columns.ts`. */
  readonly columns?: (version: string) => readonly Column[]
  readonly prepareForCreate?: (object: KubeObject, context: WriteContext) => KubeObject
  readonly validateCreate?: (object: KubeObject) => readonly FieldError[]
  readonly prepareForUpdate?: (next: KubeObject, previous: KubeObject) => KubeObject
  readonly validateUpdate?: (next: KubeObject, previous: KubeObject) => readonly FieldError[]
  readonly validateStatus?: (
    next: KubeObject,
    previous: KubeObject,
    context: WriteContext,
  ) => readonly FieldError[]
  /** After validation, before the store: the canonical spelling of times and the like. */
  readonly canonicalize?: (object: KubeObject) => KubeObject
}

export function resourceKey(type: Pick<ResourceType, 'group' | 'plural'>): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`
}

export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}

export function nameRuleOf(type: ResourceType, object: KubeObject): NameRule {
  return type.nameRule?.(object) ?? checkSubdomain
}

/** The reader of a selectable field, or undefined when the resource has no such field (400). */
export function selectableField(
  type: ResourceType,
  field: string,
): ((object: KubeObject) => string) | undefined {
  if (field === 'metadata.name') return (object) => object.metadata.name
  const fields = type.selectableFields ?? {}
  return Object.hasOwn(fields, field) ? fields[field] : undefined
}
