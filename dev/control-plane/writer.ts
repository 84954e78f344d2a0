import type { Admission } from './admission.ts'
import type { Authorize } from './attributes.ts'
import { decode, encode, type Draft } from './decode.ts'
import { invalid, notSupported, type FieldError } from './field-error.ts'
import { isJsonObject, semanticallyEqual, textAt } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import {
  metadataForCreate,
  metadataForStatus,
  metadataForUpdate,
  sameObject,
  validateMetadata,
  validateMetadataUpdate,
} from './metadata.ts'
import type { ObjectStore } from './object-store.ts'
import type { BuiltInSchemas } from './openapi/built-in-schemas.ts'
import { acceptedPatchTypes, applyPatch } from './patch.ts'
import type { ResourceRequest } from './request.ts'
import type { ResourceType, WriteContext } from './resource-type.ts'
import {
  alreadyExists,
  badRequest,
  conflict,
  notFound,
  unknownError,
  unprocessable,
  type Subject,
} from './status.ts'
import type { User } from './user.ts'

export interface WriteRequest {
  readonly target: ResourceRequest
  readonly user: User
  readonly body: unknown
  readonly mediaType: string
}

/** Creations and updates, each in one turn of the event loop, so that nothing comes between check and write. */
export class Writer {
  readonly #store: ObjectStore
  readonly #admission: Admission
  readonly #authorize: Authorize
  readonly #now: () => number
  readonly #schemas: BuiltInSchemas

  constructor(options: {
    readonly store: ObjectStore
    readonly admission: Admission
    readonly authorize: Authorize
    readonly now: () => number
    readonly schemas: BuiltInSchemas
  }) {
    this.#store = options.store
    this.#admission = options.admission
    this.#authorize = options.authorize
    this.#now = options.now
    this.#schemas = options.schemas
  }

  create(request: WriteRequest): KubeObject {
    const { target, user } = request
    const { type, namespace } = target
    const draft = this.#decode(request, request.body)
    requireNamespace(draft, target)
    if (textAt(draft.metadata, 'resourceVersion') !== '') {
      throw unknownError('resourceVersion should not be set on objects to be created')
    }
    const metadata = metadataForCreate({ raw: draft.metadata, type, namespace, now: this.#now() })
    // A client's status is nobody's statement: only /status writes it.
    const { status: _status, ...members } = draft.members
    const drafted = { ...(type.hasStatus === true ? members : draft.members), metadata }
    const write = { operation: 'CREATE', type, subresource: '', user, previous: undefined } as const
    const object = type.prepareForCreate?.(drafted, this.#context(user)) ?? drafted
    this.#admission.admit({ ...write, object })
    const errors = [...validateMetadata(object, type), ...(type.validateCreate?.(object) ?? [])]
    refuseErrors(type, metadata.name, errors)
    this.#admission.validate({ ...write, object })
    if (this.#store.get(type, metadata.namespace, metadata.name) !== undefined) {
      throw alreadyExists(subjectOf(target, metadata.name))
    }
    const canonical = type.canonicalize?.(object) ?? object
    return isDryRun(target) ? canonical : this.#store.put(type, canonical)
  }

  update(request: WriteRequest): KubeObject {
    const { target } = request
    const draft = this.#decode(request, request.body)
    requireName(draft, target)
    requireNamespace(draft, target)
    const previous = this.#existing(target)
    const uid = textAt(draft.metadata, 'uid')
    if (uid !== '' && uid !== previous.metadata.uid) {
      const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${previous.metadata.uid}`
      throw conflict(subjectOf(target), why)
    }
    if (textAt(draft.metadata, 'resourceVersion') === '' && !target.type.unconditionalUpdate) {
      const rule = 'must be specified for an update'
      const { group, plural } = target.type
      const subject = { group, kind: plural, name: target.name }
      throw unprocessable(subject, [invalid('metadata.resourceVersion', 0, rule)])
    }
    return this.#replace({ request, draft, previous })
  }

  patch(request: WriteRequest): KubeObject {
    const { target, mediaType, body } = request
    const previous = this.#existing(target)
    const shown = encode(previous, target.type, target.version)
    const { group, kind } = target.type
    const patched = applyPatch(shown, {
      mediaType,
      body,
      accepted: acceptedPatchTypes(target.type),
      schema: this.#schemas.ofKind({ group, version: target.version, kind }) ?? {},
    })
    const draft = this.#decode(request, patched)
    requireName(draft, target)
    requireNamespace(draft, target)
    // A patch that says nothing about the version carries the one it was applied to.
    return this.#replace({ request, draft, previous })
  }

  #decode({ target }: WriteRequest, body: unknown): Draft {
    const strict = target.query.get('fieldValidation') === 'Strict'
    const { type, version } = target
    return decode({ body, type, version, strict, schemas: this.#schemas })
  }

  #existing(target: ResourceRequest): KubeObject {
    const found = this.#store.get(target.type, scopeOf(target), target.name)
    if (found === undefined) throw notFound(subjectOf(target))
    return found
  }

  #context(user: User): WriteContext {
    return { user, authorize: this.#authorize, now: this.#now }
  }

  #replace(options: {
    readonly request: WriteRequest
    readonly draft: Draft
    readonly previous: KubeObject
  }): KubeObject {
    const { request, draft, previous } = options
    const { target, user } = request
    const { type, subresource } = target
    const metadata = metadataForUpdate(draft.metadata, previous.metadata)
    if (metadata.resourceVersion !== previous.metadata.resourceVersion) {
      const why =
        'the object has been modified; please apply your changes to the latest version and try again'
      throw conflict(subjectOf(target), why)
    }
    const drafted: KubeObject = { ...draft.members, metadata }
    const object =
      subresource === 'status'
        ? statusOnly(drafted, previous)
        : specOnly(type.prepareForUpdate?.(drafted, previous) ?? drafted, previous, type)
    const write = { operation: 'UPDATE', type, subresource, user, object, previous } as const
    this.#admission.admit(write)
    const metadataErrors = validateMetadataUpdate(object.metadata, previous.metadata)
    // The status rules are not asked about an object that is not this one.
    const errors =
      metadataErrors.length > 0
        ? metadataErrors
        : subresource === 'status'
          ? type.validateStatus?.(object, previous, this.#context(user))
          : type.validateUpdate?.(object, previous)
    refuseErrors(type, target.name, errors ?? [])
    this.#admission.validate(write)
    return this.#commit(target, type.canonicalize?.(object) ?? object, previous)
  }

  #commit(target: ResourceRequest, object: KubeObject, previous: KubeObject): KubeObject {
    if (sameObject(object, previous)) return previous
    if (isDryRun(target)) return object
    const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = object.metadata
    const wasHeld = (previous.metadata.finalizers ?? []).length > 0
    // The last finalizer has gone: so does the object.
    if (
      deletionTimestamp &&
      finalizers.length === 0 &&
      wasHeld &&
      deletionGracePeriodSeconds === 0
    ) {
      return this.#store.delete(target.type, object)
    }
    return this.#store.put(target.type, object)
  }
}

export function scopeOf(target: ResourceRequest): string | undefined {
  return target.type.namespaced ? target.namespace : undefined
}

export function subjectOf(target: ResourceRequest, name: string = target.name): Subject {
  return { group: target.type.group, resource: target.type.plural, name }
}

const optionsKinds: Readonly<Record<string, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
}

export function isDryRun(target: ResourceRequest): boolean {
  const value = target.query.get('dryRun')
  if (value !== null && value !== 'All') {
    const subject = { group: 'meta.k8s.io', kind: optionsKinds[target.verb] ?? '', name: '' }
    throw unprocessable(subject, [notSupported('dryRun', [value], ['All'])])
  }
  return value === 'All'
}

function refuseErrors(type: ResourceType, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw unprocessable({ group: type.group, kind: type.kind, name }, errors)
}

function requireName(draft: Draft, target: ResourceRequest): void {
  const name = textAt(draft.metadata, 'name')
  if (name === target.name) return
  throw badRequest(
    name === ''
      ? `the name of the object (${target.name} based on URL) is missing in its body`
      : `the name of the object (${name}) does not match the name on the URL (${target.name})`,
  )
}

function requireNamespace(draft: Draft, { type, namespace }: ResourceRequest): void {
  const given = textAt(draft.metadata, 'namespace')
  if (given === '' || !type.namespaced || given === namespace) return
  throw badRequest(
    'the namespace of the provided object does not match the namespace sent on the request',
  )
}

/** On /status everything but the status is the stored one. */
function statusOnly(next: KubeObject, previous: KubeObject): KubeObject {
  return {
    ...previous,
    metadata: metadataForStatus(next.metadata, previous.metadata),
    status: isJsonObject(next.status) ? next.status : {},
  }
}

function specOnly(next: KubeObject, previous: KubeObject, type: ResourceType): KubeObject {
  const { status: _status, ...rest } = next
  const kept: KubeObject =
    type.hasStatus === true && previous.status !== undefined
      ? { ...rest, status: previous.status }
      : type.hasStatus === true
        ? rest
        : next
  if (type.countsGenerations !== true || semanticallyEqual(next.spec, previous.spec)) return kept
  const generation = (previous.metadata.generation ?? 0) + 1
  return { ...kept, metadata: { ...kept.metadata, generation } }
}
