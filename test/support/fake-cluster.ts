import { ApiError, parseApiError } from '../../src/kubernetes/api-error.ts'
import type { ApiClient, ApiRequest, ApiStream } from '../../src/kubernetes/api-client.ts'
import { CountersignError } from '../../src/errors.ts'
import type { JsonLine } from '../../src/kubernetes/json-lines.ts'

export interface RawObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: Record<string, unknown> & {
    readonly name: string
    readonly namespace?: string
  }
  readonly [member: string]: unknown
}

/** What happens to a request that a switch picks. `lose`: it has its effect, and the answer is lost. */
export type ClusterFault =
  | { readonly kind: 'refuse'; readonly status: number; readonly reason?: string }
  | { readonly kind: 'drop' }
  | { readonly kind: 'lose' }

interface Switch {
  readonly picks: (request: ApiRequest) => boolean
  readonly fault: ClusterFault
  left: number
}

interface Change {
  readonly plural: string
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: RawObject
  readonly version: number
}

/**
 * An API server in memory, behind the `ApiClient` that the shells get: lists, watches, creates and merge patches, with the rules for
 * the status of certificate requests that the signer lives by. Requests fail when told to, and a watch can lag.
 */
export class FakeCluster implements ApiClient {
  readonly server = 'https://fake'
  /** Every request, in order. */
  readonly requests: ApiRequest[] = []
  /** The plurals of each group and version: answers of discovery. */
  readonly served: Map<string, readonly string[]> = new Map([
    ['certificates.k8s.io/v1', ['podcertificaterequests', 'clustertrustbundles']],
  ])
  /** Whether the signer holds `sign` on its name. */
  maySign = true
  /** What reviews of our own access answer; `verb resource` of what is not given. */
  readonly denied: Set<string> = new Set()
  /** What becomes of a pod that is evicted: it is gone at once, unless told. */
  evict: (pod: RawObject) => void = ({ metadata: { name, namespace } }) =>
    this.remove('pods', name, namespace)
  readonly #objects = new Map<string, Map<string, RawObject>>()
  readonly #changes: Change[] = []
  readonly #paused = new Set<string>()
  readonly #switches: Switch[] = []
  #version = 1
  #cut = false
  #changed = Promise.withResolvers<void>()

  /** The next `times` requests that are picked meet the fault. */
  fail(picks: Switch['picks'], fault: ClusterFault, times = 1): void {
    this.#switches.push({ picks, fault, left: times })
  }

  /** Watches of that plural say nothing until `resume`: caches lag. */
  pause(plural: string): void {
    this.#paused.add(plural)
  }

  resume(plural: string): void {
    this.#paused.delete(plural)
    this.#wake()
  }

  /** Ends every open watch; a new one is refused. */
  cutWatches(): void {
    this.#cut = true
    this.#wake()
  }

  put(plural: string, object: RawObject): RawObject {
    const key = keyOf(object.metadata)
    const objects = this.#of(plural)
    const known = objects.get(key)
    this.#version += 1
    const stored: RawObject = {
      ...object,
      metadata: {
        uid: `${plural}-${key}`,
        creationTimestamp: new Date(Math.floor(Date.now() / 1000) * 1000).toISOString(),
        ...object.metadata,
        resourceVersion: String(this.#version),
      },
    }
    objects.set(key, stored)
    this.#tell(plural, known === undefined ? 'ADDED' : 'MODIFIED', stored)
    return stored
  }

  get(plural: string, name: string, namespace?: string): RawObject | undefined {
    return this.#of(plural).get(keyOf({ name, ...(namespace === undefined ? {} : { namespace }) }))
  }

  list(plural: string): readonly RawObject[] {
    return [...this.#of(plural).values()]
  }

  remove(plural: string, name: string, namespace?: string): void {
    const object = this.get(plural, name, namespace)
    if (object === undefined) return
    this.#of(plural).delete(keyOf(object.metadata))
    this.#version += 1
    this.#tell(plural, 'DELETED', object)
  }

  async request<T>(request: ApiRequest): Promise<T> {
    request.signal?.throwIfAborted()
    if (request.path.endsWith('/selfsubjectaccessreviews')) return this.#review(request) as T
    this.requests.push(request)
    const fault = this.#take(request)
    await Promise.resolve()
    if (fault?.kind === 'refuse')
      throw refusal(request, fault.status, { reason: fault.reason ?? '' })
    if (fault?.kind === 'drop') throw unreachable(request)
    const answer = this.#answer(request)
    if (fault?.kind === 'lose') throw unreachable(request)
    return structuredClone(answer) as T
  }

  async *stream({ path, query = {}, signal, onOpen }: ApiStream): AsyncIterable<JsonLine> {
    const { plural } = parsePath(path)
    let sent = Number(query['resourceVersion'] ?? 0)
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    if (this.#cut) throw unreachable({ method: 'GET', path })
    onOpen?.()
    while (!signal.aborted && !this.#cut) {
      const changed = this.#changed.promise
      if (!this.#paused.has(plural)) {
        for (const change of this.#changes) {
          if (change.plural !== plural || change.version <= sent) continue
          sent = change.version
          if (matches(change.object, query)) {
            const value = { type: change.type, object: structuredClone(change.object) }
            yield { value, bytes: JSON.stringify(value).length }
          }
        }
      }
      await Promise.race([changed, aborted])
    }
    if (signal.aborted) throw signal.reason
    throw unreachable({ method: 'GET', path })
  }

  close(): void {}

  #of(plural: string): Map<string, RawObject> {
    const objects = this.#objects.get(plural) ?? new Map<string, RawObject>()
    this.#objects.set(plural, objects)
    return objects
  }

  #tell(plural: string, type: Change['type'], object: RawObject): void {
    this.#changes.push({ plural, type, object, version: this.#version })
    this.#wake()
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }

  #take(request: ApiRequest): ClusterFault | undefined {
    const found = this.#switches.find(({ left, picks }) => left > 0 && picks(request))
    if (found === undefined) return undefined
    found.left -= 1
    return found.fault
  }

  #answer(request: ApiRequest): unknown {
    const { plural, namespace, name, groupVersion } = parsePath(request.path)
    if (plural === '') return this.#discover(request, groupVersion)
    if (name === undefined) return this.#answerCollection(request, plural, namespace)
    const object = this.get(plural, name, namespace)
    if (object === undefined) throw refusal(request, 404, { reason: 'NotFound' })
    if (request.method === 'GET') return object
    if (request.method === 'PATCH') return this.#patch(request, plural, object)
    if (request.path.endsWith('/eviction')) return this.#evict(request, object)
    if (request.method === 'DELETE') return this.#delete(request, plural, object)
    throw refusal(request, 405, {})
  }

  #delete(request: ApiRequest, plural: string, object: RawObject): unknown {
    const { preconditions } = request.body as { preconditions?: { uid?: string } }
    const { uid } = object.metadata
    if ((preconditions?.uid ?? uid) !== uid) throw refusal(request, 409, { reason: 'Conflict' })
    this.remove(plural, object.metadata.name, object.metadata.namespace)
    return { kind: 'Status', status: 'Success' }
  }

  #evict(request: ApiRequest, pod: RawObject): unknown {
    const { deleteOptions } = request.body as {
      deleteOptions?: { preconditions?: { uid?: string } }
    }
    const { uid = pod.metadata['uid'] } = deleteOptions?.preconditions ?? {}
    if (uid !== pod.metadata['uid']) throw refusal(request, 409, { reason: 'Conflict' })
    this.evict(pod)
    return { kind: 'Status', status: 'Success' }
  }

  #review({ body }: ApiRequest): unknown {
    const { spec } = body as { spec: { resourceAttributes: { verb: string; resource: string } } }
    const { verb, resource } = spec.resourceAttributes
    return { status: { allowed: !this.denied.has(`${verb} ${resource}`) } }
  }

  #discover(request: ApiRequest, groupVersion: string): unknown {
    // The group itself, which is there whatever it serves.
    if (groupVersion.endsWith('/')) {
      const versions = [...this.served.keys()].filter((each) => each.startsWith(groupVersion))
      return { versions: versions.map((each) => ({ version: each.slice(groupVersion.length) })) }
    }
    const plurals = this.served.get(groupVersion)
    if (plurals === undefined) throw refusal(request, 404, {})
    return { resources: plurals.map((name) => ({ name })) }
  }

  #answerCollection(request: ApiRequest, plural: string, namespace: string | undefined): unknown {
    if (request.method === 'POST') return this.#create(request, plural, namespace)
    const items = this.list(plural).filter(
      (object) =>
        (namespace === undefined || object.metadata.namespace === namespace) &&
        matches(object, request.query ?? {}),
    )
    return { metadata: { resourceVersion: String(this.#version) }, items }
  }

  #create(request: ApiRequest, plural: string, namespace: string | undefined): unknown {
    const body = request.body as RawObject
    const { generateName } = body.metadata
    const name =
      typeof generateName === 'string' ? `${generateName}${this.#version}` : body.metadata.name
    if (this.get(plural, name, namespace) !== undefined) throw refusal(request, 409, {})
    const place = namespace === undefined ? {} : { namespace }
    return this.put(plural, { ...body, metadata: { ...body.metadata, name, ...place } })
  }

  #patch(request: ApiRequest, plural: string, object: RawObject): unknown {
    const patch = request.body as RawObject
    const { uid, resourceVersion } = patch.metadata
    if (uid !== undefined && uid !== object.metadata['uid']) {
      throw refusal(request, 422, { field: 'metadata.uid' })
    }
    if (resourceVersion !== undefined && resourceVersion !== object.metadata['resourceVersion']) {
      throw refusal(request, 409, { reason: 'Conflict' })
    }
    if (plural === 'podcertificaterequests') this.#checkStatus(request, patch, object)
    const { metadata, ...members } = patch
    const { annotations, labels } = metadata
    const given = Object.entries({ annotations, labels }).filter(([, value]) => value !== undefined)
    const more = { metadata: Object.fromEntries(given) }
    return this.put(plural, merge(object, { ...members, ...more }) as RawObject)
  }

  #checkStatus(request: ApiRequest, patch: RawObject, object: RawObject): void {
    const before = object['status'] as { conditions?: unknown[] } | undefined
    if ((before?.conditions ?? []).length > 0) throw refusal(request, 422, { field: 'status' })
    const { notBefore } = (patch['status'] ?? {}) as { notBefore?: string }
    if (notBefore !== undefined && Math.abs(Date.parse(notBefore) - Date.now()) >= 300_000) {
      throw refusal(request, 422, { field: 'status.notBefore' })
    }
    if (this.maySign) return
    throw refusal(request, 422, { field: 'spec.signerName', causeReason: 'FieldValueForbidden' })
  }
}

/** Picks writes of the status of certificate requests. */
export function statusWrites(request: ApiRequest): boolean {
  return request.method === 'PATCH' && request.path.endsWith('/status')
}

/** Picks reads of one object of that plural. */
export function readsOf(plural: string): (request: ApiRequest) => boolean {
  return ({ method, path }) =>
    method === 'GET' && parsePath(path).plural === plural && parsePath(path).name !== undefined
}

function keyOf(metadata: { readonly name: string; readonly namespace?: string }): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}

interface Place {
  readonly groupVersion: string
  readonly plural: string
  readonly namespace: string | undefined
  readonly name: string | undefined
}

function parsePath(path: string): Place {
  const segments = path.slice(1).split('/').map(decodeURIComponent)
  const core = segments[0] === 'api'
  const rest = segments.slice(core ? 2 : 3)
  const groupVersion = core ? 'v1' : `${segments[1]}/${segments[2] ?? ''}`
  const namespaced = rest[0] === 'namespaces' && rest.length > 2
  const [plural = '', name] = namespaced ? rest.slice(2) : rest
  return { groupVersion, plural, namespace: namespaced ? rest[1] : undefined, name }
}

function matches(object: RawObject, query: Readonly<Record<string, string>>): boolean {
  const [label, value] = query['labelSelector']?.split('=') ?? []
  const labels = (object.metadata['labels'] ?? {}) as Readonly<Record<string, string>>
  if (label !== undefined && labels[label] !== value) return false
  const [, name] = /^metadata\.name=(.*)$/.exec(query['fieldSelector'] ?? '') ?? []
  if (name !== undefined) return object.metadata.name === name
  const [, signerName] = /^spec\.signerName=(.*)$/.exec(query['fieldSelector'] ?? '') ?? []
  if (signerName === undefined) return true
  return (object['spec'] as { signerName?: string } | undefined)?.signerName === signerName
}

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const base = typeof target === 'object' && target !== null ? target : {}
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = merge(merged[key], value)
  }
  return merged
}

function refusal(
  request: ApiRequest,
  status: number,
  more: { readonly reason?: string; readonly field?: string; readonly causeReason?: string },
): ApiError {
  const { reason = '', field, causeReason = 'FieldValueInvalid' } = more
  const causes = field === undefined ? [] : [{ reason: causeReason, field, message: 'told to' }]
  return parseApiError({
    what: `${request.method} ${request.path}`,
    status,
    answer: { kind: 'Status', code: status, reason, message: 'told to', details: { causes } },
  })
}

function unreachable(request: ApiRequest): CountersignError {
  return new CountersignError(
    'kubernetes/unreachable',
    `${request.method} ${request.path}: told to`,
  )
}
