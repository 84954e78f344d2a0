import type { ApiClient } from './api-client.ts'
import { isNotFound } from './api-error.ts'
import type { JsonLine } from './json-lines.ts'
import { listPages, selectors, type ListOptions } from './list-pages.ts'
import {
  resourcePath,
  type KubernetesObject,
  type Metadata,
  type ObjectName,
  type Resource,
} from './resource.ts'

interface Where {
  readonly namespace?: string | undefined
  readonly signal?: AbortSignal
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
  options: Where & {
    readonly body: object
    readonly query?: Readonly<Record<string, string>>
    readonly timeoutSeconds?: number
  },
): Promise<T> {
  const apiVersion =
    resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
  const answer = await client.request({
    method: 'POST',
    path: resourcePath(resource, { namespace: options.namespace }),
    body: { apiVersion, kind: resource.kind, ...options.body },
    ...(options.query === undefined ? {} : { query: options.query }),
    ...(options.timeoutSeconds === undefined ? {} : { timeoutSeconds: options.timeoutSeconds }),
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
    /** Null takes one away. */
    readonly annotations?: Readonly<Record<string, string | null>> | undefined
    readonly labels?: Readonly<Record<string, string | null>> | undefined
    readonly subresource?: string
    readonly query?: Readonly<Record<string, string>>
    readonly signal?: AbortSignal
  },
): Promise<T> {
  const { name, namespace, uid, resourceVersion } = options.metadata
  const { subresource, query, annotations, labels } = options
  const answer = await client.request({
    method: 'PATCH',
    path: resourcePath(resource, {
      namespace,
      name,
      ...(subresource === undefined ? {} : { subresource }),
    }),
    contentType: 'application/merge-patch+json',
    body: {
      ...options.patch,
      metadata: {
        uid,
        resourceVersion,
        ...(annotations && { annotations }),
        ...(labels && { labels }),
      },
    },
    ...(query === undefined ? {} : { query }),
    ...withSignal(options.signal),
  })
  return resource.parse(answer)
}

/** Deletes the very object that was read: a namesake is a 409, and one that is gone is gone. */
export async function removeObject(
  client: ApiClient,
  resource: Resource<unknown>,
  options: {
    readonly metadata: Pick<Metadata, 'name' | 'namespace' | 'uid'>
    readonly signal?: AbortSignal
  },
): Promise<void> {
  const { name, namespace, uid } = options.metadata
  try {
    await client.request({
      method: 'DELETE',
      path: resourcePath(resource, { namespace, name }),
      body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } },
      ...withSignal(options.signal),
    })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

/** The whole list; throws what is wrong with the first object that cannot be read. */
export async function listObjects<T extends KubernetesObject>(
  client: ApiClient,
  resource: Resource<T>,
  options: ListOptions = {},
): Promise<readonly T[]> {
  const { readings } = await listPages(client, resource, options)
  return readings.map((reading) => {
    if ('object' in reading) return reading.object
    throw reading.unreadable.error
  })
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
): AsyncIterable<JsonLine> {
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
