import { randomUUID } from 'node:crypto'
import { encodeMember } from './decode.ts'
import type { Encoder } from './encoder.ts'
import { forbidden } from './field-error.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import type { ResourceRequest } from './request.ts'
import { apiVersionOf } from './resource-type.ts'
import { selectionOf } from './selection.ts'
import { badRequest, expired, tooLargeResourceVersion, unprocessable } from './status.ts'
import { metadataOnly, parseIncludedObject, tableOf } from './tables/table.ts'

const snapshotsMax = 64

interface Snapshot {
  readonly revision: number
  readonly items: readonly KubeObject[]
}

/** Lists in pages, every page of one list from the same moment. */
export class Lister {
  readonly #store: ObjectStore
  readonly #encode: Encoder
  readonly #now: () => number
  readonly #snapshots = new Map<string, Snapshot>()

  constructor(options: {
    readonly store: ObjectStore
    readonly encode: Encoder
    readonly now: () => number
  }) {
    this.#store = options.store
    this.#encode = options.encode
    this.#now = options.now
  }

  /** The JSON of the list that the request asks for. */
  list(target: ResourceRequest): string {
    const { query } = target
    refuseMatch(query)
    const token = query.get('continue') ?? ''
    const limit = Number(query.get('limit') ?? 0)
    if (!Number.isInteger(limit) || limit < 0) throw badRequest('limit: want=a number from 0')
    const page = token === '' ? this.#firstPage(target) : this.#laterPage(token)
    const end = limit === 0 ? page.snapshot.items.length : page.offset + limit
    const items = page.snapshot.items.slice(page.offset, end)
    const remaining = page.snapshot.items.length - end
    const next = remaining > 0 ? this.#keep(page, end) : undefined
    return this.#format(target, items, {
      resourceVersion: String(page.snapshot.revision),
      ...(next === undefined ? {} : { continue: next, remainingItemCount: remaining }),
    })
  }

  #firstPage(target: ResourceRequest): Page {
    requireReached(target.query.get('resourceVersion') ?? '', this.#store.revision)
    const selected = selectionOf(target)
    const namespace =
      target.type.namespaced && target.namespace !== '' ? target.namespace : undefined
    const items = this.#store.list(target.type, namespace).filter(selected)
    return { id: undefined, offset: 0, snapshot: { revision: this.#store.revision, items } }
  }

  #laterPage(token: string): Page {
    const [id = '', offset = ''] = Buffer.from(token, 'base64url').toString('utf8').split('/')
    if (!/^\d{1,9}$/.test(offset)) throw badRequest('invalid continue token')
    const snapshot = this.#snapshots.get(id)
    if (snapshot === undefined) {
      throw expired(
        'The provided continue parameter is too old to display a consistent list result.',
      )
    }
    return { id, offset: Number(offset), snapshot }
  }

  #keep({ id = randomUUID(), snapshot }: Page, offset: number): string {
    this.#snapshots.delete(id)
    this.#snapshots.set(id, snapshot)
    const [oldest] = this.#snapshots.keys()
    if (this.#snapshots.size > snapshotsMax && oldest !== undefined) this.#snapshots.delete(oldest)
    return Buffer.from(`${id}/${offset}`).toString('base64url')
  }

  #format(target: ResourceRequest, items: readonly KubeObject[], metadata: object): string {
    const { type, version, representation, query } = target
    if (representation === 'table') {
      const included = parseIncludedObject(query)
      return JSON.stringify(tableOf(items, { type, version, included, now: this.#now(), metadata }))
    }
    if (representation === 'metadata') {
      const kind = 'PartialObjectMetadataList'
      const shown = items.map(metadataOnly)
      return JSON.stringify({ kind, apiVersion: 'meta.k8s.io/v1', metadata, items: shown })
    }
    const head = JSON.stringify({
      kind: `${type.kind}List`,
      apiVersion: apiVersionOf(type.group, version),
      metadata,
    })
    // Typed lists say the kind once: only custom resources repeat it in every item.
    const shown = items.map((item) =>
      type.isCustom === true
        ? this.#encode(item, type, version)
        : JSON.stringify(encodeMember(item, type, version)),
    )
    return `${head.slice(0, -1)},"items":[${shown.join(',')}]}`
  }
}

interface Page {
  readonly id: string | undefined
  readonly offset: number
  readonly snapshot: Snapshot
}

function refuseMatch(query: URLSearchParams): void {
  const field = 'resourceVersionMatch'
  if (!query.has(field) || query.has('resourceVersion')) return
  const rule = `${field} is forbidden unless resourceVersion is provided`
  const subject = { group: 'meta.k8s.io', kind: 'ListOptions', name: '' }
  throw unprocessable(subject, [forbidden(field, rule)])
}

/** A revision that is not there yet is a 504: the client should come again. */
function requireReached(resourceVersion: string, current: number): void {
  if (resourceVersion === '') return
  if (!/^\d{1,15}$/.test(resourceVersion)) {
    throw badRequest(
      `Invalid value: ${JSON.stringify(resourceVersion)}: resourceVersion: want=number`,
    )
  }
  if (Number(resourceVersion) > current) throw tooLargeResourceVersion(resourceVersion, current)
}
