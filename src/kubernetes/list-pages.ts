import { CountersignError } from '../errors.ts'
import { isTimeout, type ApiClient } from './api-client.ts'
import { ApiError, isExpired } from './api-error.ts'
import { TooLongError } from './exchange.ts'
import type { ScannedItem } from './list-scanner.ts'
import { readFields, readList, readOptionalText, readText } from './read-field.ts'
import { keptBytesMaxDefault, readScanned, type Reading } from './read-object.ts'
import { resourcePath, type KubernetesObject, type Resource } from './resource.ts'

const pageObjectsMax = 500
/** What one page may weigh: of larger objects fewer are asked for, which spares the API server more than us. */
const pageBytesMax = 64 * 1024 * 1024
/** A page of one object has to pass, whatever it weighs: the object itself is left out when it is too long. */
const lastPageBytesMax = 512 * 1024 * 1024
const pageSeconds = 60
/** A list of which more page tokens expire is begun again. */
const tokensInsteadMax = 3

export interface ListOptions {
  readonly namespace?: string | undefined
  readonly fieldSelector?: string | undefined
  readonly labelSelector?: string | undefined
  readonly signal?: AbortSignal
}

/** How many objects a page is asked for: half after a page that was too large or too slow, more again after light ones. */
export class PageSize {
  #objects = pageObjectsMax

  get objects(): number {
    return this.#objects
  }

  get bytesMax(): number {
    return this.#objects === 1 ? lastPageBytesMax : pageBytesMax
  }

  /** `read`: of the page that failed so many objects had come. False where a page cannot be smaller. */
  shrink(read = 0): boolean {
    if (this.#objects === 1) return false
    const half = Math.ceil(this.#objects / 2)
    this.#objects = read === 0 ? half : Math.min(half, read)
    return true
  }

  grow(bytes: number): void {
    if (bytes < pageBytesMax / 8) this.#objects = Math.min(pageObjectsMax, this.#objects * 2)
  }
}

export interface Listed<T> {
  readonly readings: readonly Reading<T>[]
  /** From which to watch. */
  readonly resourceVersion: string
}

interface Page {
  readonly bytes: number
  readonly resourceVersion: string
  readonly next: string | undefined
}

/**
 * The whole list, page by page, object by object: what is not kept of an object is gone before the next one is read. A page token
 * that expires is followed by the one that the server gives instead, or is an `ApiError` for which `isExpired` holds.
 */
export async function listPages<T extends KubernetesObject>(
  client: ApiClient,
  resource: Resource<T>,
  options: ListOptions & { readonly pageSize?: PageSize; readonly keptBytesMax?: number } = {},
): Promise<Listed<T>> {
  const { pageSize = new PageSize() } = options
  const readings: Reading<T>[] = []
  let resourceVersion: string | undefined
  let token: string | undefined
  let tokensInstead = 0
  for (;;) {
    const read: Reading<T>[] = []
    let page: Page
    try {
      page = await readPage(client, resource, { ...options, pageSize, token, read })
    } catch (error) {
      const instead = inconsistentToken(error)
      if (instead !== undefined && tokensInstead < tokensInsteadMax) {
        tokensInstead += 1
        token = instead
      } else if (!mayBeSmaller(error, pageSize, read.length)) throw error
      continue
    }
    for (const reading of read) readings.push(reading)
    // What the first page showed may have changed before the last one was read: the watch has to tell it.
    resourceVersion ??= page.resourceVersion
    if (page.next === undefined) return { readings, resourceVersion }
    if (page.next === token) {
      const path = resourcePath(resource, { namespace: options.namespace })
      throw new CountersignError('kubernetes/answer', `${path}: page token: want=new got=same`)
    }
    token = page.next
    pageSize.grow(page.bytes)
  }
}

async function readPage<T extends KubernetesObject>(
  client: ApiClient,
  resource: Resource<T>,
  options: ListOptions & {
    readonly pageSize: PageSize
    readonly keptBytesMax?: number
    readonly token: string | undefined
    /** Takes the objects as they come. */
    readonly read: Reading<T>[]
  },
): Promise<Page> {
  const { pageSize, token, read, signal, keptBytesMax = keptBytesMaxDefault } = options
  let bytes = 0
  const onItem = (item: ScannedItem): void => {
    bytes += item.bytes
    read.push(readScanned(resource, item, keptBytesMax))
  }
  const answer = await client.request({
    method: 'GET',
    path: resourcePath(resource, { namespace: options.namespace }),
    query: {
      ...selectors(options),
      limit: String(pageSize.objects),
      ...(token === undefined ? {} : { continue: token }),
    },
    answerBytesMax: pageSize.bytesMax,
    timeoutSeconds: pageSeconds,
    onItem,
    ...(signal === undefined ? {} : { signal }),
  })
  const fields = readFields(answer, 'list')
  const metadata = readFields(fields['metadata'], 'list metadata')
  // A client that holds the whole answer anyway leaves the members where they are.
  for (const value of readList(fields['items'], 'list items')) onItem({ value, bytes: Infinity })
  return {
    bytes,
    resourceVersion: readText(metadata['resourceVersion'], 'list metadata.resourceVersion'),
    next: readOptionalText(metadata['continue'], 'list metadata.continue'),
  }
}

export function selectors(options: ListOptions): Record<string, string> {
  return {
    ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
    ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
  }
}

/** True to ask again at once. Where the server itself gave up, the smaller page is for the next list, after a pause. */
function mayBeSmaller(error: unknown, pageSize: PageSize, read: number): boolean {
  if (error instanceof TooLongError || isTimeout(error)) return pageSize.shrink(read)
  if (error instanceof ApiError && [408, 413, 500, 504].includes(error.status)) pageSize.shrink()
  return false
}

/** API concepts, "Retrieving large results sets in chunks": a 410 may say how to go on, with objects of a later time. */
function inconsistentToken(error: unknown): string | undefined {
  if (!(error instanceof ApiError) || !isExpired(error)) return undefined
  return error.continueToken
}
