import { CountersignError } from '../errors.ts'
import type { ApiClient } from './api-client.ts'
import { isNotFound } from './api-error.ts'
import { readFields, readList, readOptionalText, readText } from './read-field.ts'
import { resourcePath, type Metadata, type ObjectName, type Resource } from './resource.ts'

const listBytesMax = 64 * 1024 * 1024
const listTimeoutSeconds = 60
const pageObjects = 500

interface Where {
  readonly namespace?: string | undefined
  readonly signal?: AbortSignal
}

export interface ListOptions extends Where {
  readonly fieldSelector?: string | undefined
  readonly labelSelector?: string | undefined
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

/** One object as it is now on the server; undefined when there is none. */
export async function readObject<T>(
  client: ApiClient,
  resource: Resource<T>,
  where: ObjectName & Where,
): Promise<T | undefined> {
  try {
    const path = resourcePath(resource, where)
    return resource.parse(
      await client.request({ method: 'GET', path, ...withSignal(where.signal) }),
    )
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Creates an object; `body` is the whole object without apiVersion and kind. A namesake is an `ApiError` 409. */
export async function createObject<T>(
  client: ApiClient,
  resource: Resource<T>,
  options: Where & { readonly body: object; readonly query?: Readonly<Record<string, string>> },
): Promise<T> {
  const apiVersion =
    resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
  const answer = await client.request({
    method: 'POST',
    path: resourcePath(resource, { namespace: options.namespace }),
    body: { apiVersion, kind: resource.kind, ...options.body },
    ...(options.query === undefined ? {} : { query: options.query }),
    ...withSignal(options.signal),
  })
  return resource.parse(answer)
}

/** A merge patch of the very object that was read: a namesake is a 422, a concurrent change a 409. */
export async function mergeObject<T>(
  client: ApiClient,
  resource: Resource<T>,
  options: {
    readonly metadata: Pick<Metadata, 'name' | 'namespace' | 'uid' | 'resourceVersion'>
    /** Members beside `metadata`. */
    readonly patch: object
    readonly subresource?: string
    readonly query?: Readonly<Record<string, string>>
    readonly signal?: AbortSignal
  },
): Promise<T> {
  const { name, namespace, uid, resourceVersion } = options.metadata
  const { subresource, query } = options
  const answer = await client.request({
    method: 'PATCH',
    path: resourcePath(resource, {
      namespace,
      name,
      ...(subresource === undefined ? {} : { subresource }),
    }),
    contentType: 'application/merge-patch+json',
    body: { ...options.patch, metadata: { uid, resourceVersion } },
    ...(query === undefined ? {} : { query }),
    ...withSignal(options.signal),
  })
  return resource.parse(answer)
}

/** What a list holds, not parsed yet, and the point in time from which to watch. */
export interface RawList {
  readonly items: readonly unknown[]
  readonly resourceVersion: string
}

function selectors(options: ListOptions): Record<string, string> {
  return {
    ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
    ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
  }
}

/** The whole list, page by page. A page token that expires meanwhile is an `ApiError` for which `isExpired` holds. */
export async function listRaw(
  client: ApiClient,
  resource: Resource<unknown>,
  options: ListOptions & { readonly paged?: boolean } = {},
): Promise<RawList> {
  const path = resourcePath(resource, { namespace: options.namespace })
  const items: unknown[] = []
  let token: string | undefined
  for (;;) {
    const answer = await client.request({
      method: 'GET',
      path,
      query: {
        ...selectors(options),
        ...(options.paged === false ? {} : { limit: String(pageObjects) }),
        ...(token === undefined ? {} : { continue: token }),
      },
      answerBytesMax: listBytesMax,
      timeoutSeconds: listTimeoutSeconds,
      ...withSignal(options.signal),
    })
    const fields = readFields(answer, 'list')
    const metadata = readFields(fields['metadata'], 'list metadata')
    for (const item of readList(fields['items'], 'list items')) items.push(item)
    const next = readOptionalText(metadata['continue'], 'list metadata.continue')
    if (next === undefined) {
      const resourceVersion = readText(metadata['resourceVersion'], 'list metadata.resourceVersion')
      return { items, resourceVersion }
    }
    if (next === token) {
      throw new CountersignError('kubernetes/answer', `${path}: page token: want=new got=same`)
    }
    token = next
  }
}

/** The whole list, parsed; throws at the first malformed object. */
export async function listObjects<T>(
  client: ApiClient,
  resource: Resource<T>,
  options: ListOptions = {},
): Promise<readonly T[]> {
  const { items } = await listRaw(client, resource, options)
  return items.map((item) => resource.parse(item))
}

/** The changes after `resourceVersion`, as the server sends them, until it ends the watch after `timeoutSeconds`. */
export function watchRaw(
  client: ApiClient,
  resource: Resource<unknown>,
  options: ListOptions & {
    readonly resourceVersion: string
    readonly timeoutSeconds: number
    readonly idleSeconds?: number | undefined
    readonly onOpen?: () => void
    readonly signal: AbortSignal
  },
): AsyncIterable<unknown> {
  return client.stream({
    path: resourcePath(resource, { namespace: options.namespace }),
    query: {
      ...selectors(options),
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    },
    signal: options.signal,
    ...(options.idleSeconds === undefined ? {} : { idleSeconds: options.idleSeconds }),
    ...(options.onOpen === undefined ? {} : { onOpen: options.onOpen }),
  })
}
