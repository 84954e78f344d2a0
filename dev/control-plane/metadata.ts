import { randomInt, randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { duplicate, forbidden, invalid, required, tooLong, type FieldError } from './field-error.ts'
import { isJsonObject, textAt, type JsonObject } from './json-object.ts'
import { formatTime, type KubeObject, type ObjectMeta } from './kube-object.ts'
import {
  annotationBytes,
  annotationBytesMax,
  checkLabelValue,
  checkQualifiedName,
  checkLabel,
} from './names.ts'
import { nameRuleOf, type ResourceType } from './resource-type.ts'
import { badRequest } from './status.ts'
import { validateSchema, type Schema } from './structural-schema.ts'

const textMap: Schema = { type: 'object', additionalProperties: { type: 'string', nullable: true } }

const metadataSchema: Schema = {
  type: 'object',
  'x-kubernetes-preserve-unknown-fields': true,
  properties: {
    name: { type: 'string' },
    generateName: { type: 'string' },
    namespace: { type: 'string' },
    uid: { type: 'string' },
    resourceVersion: { type: 'string' },
    labels: textMap,
    annotations: textMap,
    finalizers: { type: 'array', items: { type: 'string' } },
    ownerReferences: {
      type: 'array',
      items: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: {
          apiVersion: { type: 'string' },
          kind: { type: 'string' },
          name: { type: 'string' },
          uid: { type: 'string' },
        },
      },
    },
  },
}

/** The metadata of a body, nulls and empty members gone; a member of a wrong type is a 400. */
export function parseMetadata(raw: unknown): JsonObject {
  const metadata = isJsonObject(raw) ? raw : {}
  const present = Object.fromEntries(
    Object.entries(metadata).filter(([, value]) => value !== null && value !== ''),
  )
  const [error] = validateSchema(present, metadataSchema, 'metadata')
  if (error !== undefined)
    throw badRequest(`json: cannot unmarshal ${error.field}: ${error.message}`)
  return present
}

// Without vowels and look-alikes, as the API server generates names.
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'
const generatedBaseMax = 58

function generateName(base: string): string {
  const suffix = Array.from({ length: 5 }, () => nameAlphabet[randomInt(nameAlphabet.length)])
  return base.slice(0, generatedBaseMax) + suffix.join('')
}

const serverMembers = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'resourceVersion',
  'managedFields',
  'selfLink',
]

/** Metadata of a new object: what only the server may say is taken from the server. */
export function metadataForCreate(options: {
  readonly raw: JsonObject
  readonly type: ResourceType
  readonly namespace: string
  readonly now: number
}): ObjectMeta {
  const { raw, type, namespace, now } = options
  const given = Object.fromEntries(
    Object.entries(raw).filter(([name]) => !serverMembers.includes(name)),
  )
  const prefix = textAt(raw, 'generateName')
  const name = textAt(raw, 'name') || (prefix === '' ? '' : generateName(prefix))
  return {
    ...given,
    name,
    ...(type.namespaced ? { namespace } : {}),
    uid: randomUUID(),
    resourceVersion: '',
    ...(type.countsGenerations === true ? { generation: 1 } : {}),
    creationTimestamp: formatTime(now),
  }
}

/** Metadata of an update: what it may not say is the old object's. */
export function metadataForUpdate(raw: JsonObject, previous: ObjectMeta): ObjectMeta {
  const { creationTimestamp, generation, deletionTimestamp } = previous
  const grace = previous.deletionGracePeriodSeconds
  const given = Object.fromEntries(
    Object.entries(raw).filter(([name]) => !serverMembers.includes(name)),
  )
  return {
    ...given,
    name: textAt(raw, 'name'),
    ...(previous.namespace === undefined
      ? {}
      : { namespace: textAt(raw, 'namespace') || previous.namespace }),
    uid: textAt(raw, 'uid') || previous.uid,
    resourceVersion: textAt(raw, 'resourceVersion') || previous.resourceVersion,
    creationTimestamp,
    ...(generation === undefined ? {} : { generation }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(grace === undefined ? {} : { deletionGracePeriodSeconds: grace }),
  }
}

/** /status overwrites most metadata with the stored one (`ResetObjectMetaForStatus`). */
export function metadataForStatus(next: ObjectMeta, previous: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion } = next
  return {
    ...previous,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid,
    resourceVersion,
  }
}

export function validateMetadata(object: KubeObject, type: ResourceType): readonly FieldError[] {
  const { metadata } = object
  const rule = nameRuleOf(type, object)
  const errors: FieldError[] = []
  if (metadata.generateName !== undefined) {
    // A prefix may end in a hyphen, which a letter stands for here.
    const masked = metadata.generateName.replace(/-$/, 'a')
    const field = 'metadata.generateName'
    errors.push(...rule(masked).map((message) => invalid(field, metadata.generateName, message)))
  }
  if (metadata.name === '') {
    errors.push(required('metadata.name', 'name or generateName is required'))
  } else {
    const messages = rule(metadata.name)
    errors.push(...messages.map((message) => invalid('metadata.name', metadata.name, message)))
  }
  if (type.namespaced) {
    const messages = checkLabel(metadata.namespace ?? '')
    errors.push(...messages.map((text) => invalid('metadata.namespace', metadata.namespace, text)))
  } else if (metadata.namespace !== undefined) {
    errors.push(forbidden('metadata.namespace', 'not allowed on this type'))
  }
  return [...errors, ...validateSharedMetadata(metadata)]
}

function validateSharedMetadata(metadata: ObjectMeta): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    const field = 'metadata.labels'
    errors.push(...checkQualifiedName(key).map((message) => invalid(field, key, message)))
    errors.push(...checkLabelValue(value).map((message) => invalid(field, value, message)))
  }
  const annotations = metadata.annotations ?? {}
  for (const key of Object.keys(annotations)) {
    const messages = checkQualifiedName(key.toLowerCase())
    errors.push(...messages.map((message) => invalid('metadata.annotations', key, message)))
  }
  if (annotationBytes(annotations) > annotationBytesMax) {
    errors.push(tooLong('metadata.annotations', annotationBytesMax))
  }
  for (const finalizer of metadata.finalizers ?? []) {
    const messages = checkQualifiedName(finalizer)
    errors.push(...messages.map((message) => invalid('metadata.finalizers', finalizer, message)))
  }
  return [...errors, ...validateOwners(metadata)]
}

function validateOwners(metadata: ObjectMeta): readonly FieldError[] {
  const seen = new Set<string>()
  return (metadata.ownerReferences ?? []).flatMap((owner, index) => {
    const field = `metadata.ownerReferences[${index}]`
    const errors: FieldError[] = []
    for (const member of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (!owner[member])
        errors.push(invalid(`${field}.${member}`, owner[member], 'must not be empty'))
    }
    if (seen.has(owner.uid)) errors.push(duplicate(field, owner.uid))
    seen.add(owner.uid)
    return errors
  })
}

const immutable = 'field is immutable'

export function validateMetadataUpdate(
  next: ObjectMeta,
  previous: ObjectMeta,
): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const member of ['name', 'namespace', 'uid'] as const) {
    if (next[member] !== previous[member]) {
      errors.push(invalid(`metadata.${member}`, next[member] ?? '', immutable))
    }
  }
  if (previous.deletionTimestamp !== undefined) {
    const known = previous.finalizers ?? []
    const added = (next.finalizers ?? []).filter((finalizer) => !known.includes(finalizer))
    if (added.length > 0) {
      const rule = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`
      errors.push(forbidden('metadata.finalizers', rule))
    }
  }
  return [...errors, ...validateSharedMetadata(next)]
}

/** Equal but for the revision: a write that changes nothing is no event. */
export function sameObject(left: KubeObject, right: KubeObject): boolean {
  const bare = (object: KubeObject): object => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: '' },
  })
  return isDeepStrictEqual(bare(left), bare(right))
}
