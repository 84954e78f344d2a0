import type { ServerResponse } from 'node:http'
import type { Encoder } from './encoder.ts'
import { forbidden, notSupported, type FieldError } from './field-error.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore, StoreEvent } from './object-store.ts'
import { isTrue, type ResourceRequest } from './request.ts'
import { apiVersionOf } from './resource-type.ts'
import { selectionOf, type Selection } from './selection.ts'
import { badRequest, expired, unprocessable } from './status.ts'
import { metadataOnly, parseIncludedObject, tableOf } from './tables/table.ts'

const bookmarkMilliseconds = 60_000
const timeoutSecondsDefault = 1800
/** A reader that lags this far behind is sent away; it comes back with its last revision. */
const backlogBytesMax = 32 * 1024 * 1024

type Send = (type: string, object: string) => void
type Show = (object: KubeObject) => string

interface Delivery {
  readonly selected: Selection
  readonly send: Send
  readonly show: Show
}

/** Sends events of a watch until its time is over, its client goes, or the server closes. */
export class Watcher {
  readonly #store: ObjectStore
  readonly #encode: Encoder
  readonly #now: () => number
  readonly #open = new Set<() => void>()

  constructor(options: {
    readonly store: ObjectStore
    readonly encode: Encoder
    readonly now: () => number
  }) {
    this.#store = options.store
    this.#encode = options.encode
    this.#now = options.now
  }

  /** Throws a StatusError for a request that no watch can be made of; afterwards errors are events. */
  watch(target: ResourceRequest, response: ServerResponse): void {
    const { type, query } = target
    refuseErrors(target, validateOptions(query))
    const selected = selectionOf(target)
    const revision = parseRevision(query.get('resourceVersion') ?? '')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const send: Send = (kind, object) => {
      response.write(`{"type":"${kind}","object":${object}}\n`)
      if (response.writableLength > backlogBytesMax) response.destroy()
    }
    const isInitial = isTrue(query.get('sendInitialEvents')) || revision === 0
    const past = isInitial ? [] : this.#store.eventsSince(type, revision)
    if (past === undefined) {
      const error = expired(`too old resource version: ${revision} (${this.#store.revision})`)
      send('ERROR', JSON.stringify(error))
      response.end()
      return
    }
    // One turn of the event loop from here to the subscription: nothing is lost, nothing comes twice.
    const show = this.#showing(target)
    if (isInitial) this.#sendState(target, { selected, send, show })
    const deliver = (event: StoreEvent): void => this.#deliver(event, { selected, send, show })
    past.forEach(deliver)
    this.#keepOpen({ target, response, send, stop: this.#store.watch(type, deliver) })
  }

  close(): void {
    for (const end of this.#open) end()
  }

  /** How this watch shows an object; of tables only the first has headers. */
  #showing({ type, version, representation, query }: ResourceRequest): Show {
    if (representation === 'object') return (object) => this.#encode(object, type, version)
    if (representation === 'metadata') return (object) => JSON.stringify(metadataOnly(object))
    const included = parseIncludedObject(query)
    let hasHeaders = true
    return (object) => {
      const metadata = { resourceVersion: object.metadata.resourceVersion }
      const options = { type, version, included, metadata, now: this.#now(), hasHeaders }
      hasHeaders = false
      return JSON.stringify(tableOf([object], options))
    }
  }

  #sendState(target: ResourceRequest, { selected, send, show }: Delivery): void {
    const { type, query } = target
    for (const object of this.#store.list(type).filter(selected)) send('ADDED', show(object))
    const wantsEnd = isTrue(query.get('sendInitialEvents'))
    if (wantsEnd && isTrue(query.get('allowWatchBookmarks'))) {
      send('BOOKMARK', this.#bookmark(target, { 'k8s.io/initial-events-end': 'true' }))
    }
  }

  /** An object that leaves the selection is deleted for this reader, one that enters is added. */
  #deliver({ type: kind, object, previous }: StoreEvent, { selected, send, show }: Delivery): void {
    const was = previous !== undefined && selected(previous)
    const is = kind !== 'DELETED' && selected(object)
    if (!was && !is) return
    const seen = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED'
    send(seen, show(object))
  }

  #bookmark(
    { type, version }: ResourceRequest,
    annotations?: Readonly<Record<string, string>>,
  ): string {
    return JSON.stringify({
      kind: type.kind,
      apiVersion: apiVersionOf(type.group, version),
      metadata: {
        resourceVersion: String(this.#store.revision),
        creationTimestamp: null,
        ...(annotations === undefined ? {} : { annotations }),
      },
    })
  }

  #keepOpen(watch: {
    readonly target: ResourceRequest
    readonly response: ServerResponse
    readonly send: Send
    readonly stop: () => void
  }): void {
    const { target, response, send, stop } = watch
    const { query } = target
    const seconds = Number(query.get('timeoutSeconds') ?? 0) || timeoutSecondsDefault
    const bookmarks = isTrue(query.get('allowWatchBookmarks'))
      ? setInterval(() => send('BOOKMARK', this.#bookmark(target)), bookmarkMilliseconds)
      : undefined
    // Nothing may be sent once the answer has ended: events and bookmarks stop first, within the same tick.
    const silence = (): void => {
      stop()
      clearTimeout(timeout)
      clearInterval(bookmarks)
      this.#open.delete(end)
    }
    const end = (): void => {
      silence()
      response.end()
    }
    const timeout = setTimeout(end, seconds * 1000)
    this.#open.add(end)
    response.once('close', silence)
  }
}

function parseRevision(text: string): number {
  if (text === '') return 0
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw badRequest(`Invalid value: ${JSON.stringify(text)}: resourceVersion: want=number`)
}

function validateOptions(query: URLSearchParams): readonly FieldError[] {
  const match = query.get('resourceVersionMatch') ?? ''
  const field = 'resourceVersionMatch'
  const hasInitial = query.has('sendInitialEvents')
  const errors: FieldError[] = []
  if (hasInitial && match !== 'NotOlderThan') {
    const rule = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'
    errors.push(forbidden(field, rule))
  }
  if (match !== '' && !hasInitial) {
    const rule = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'
    errors.push(forbidden(field, rule))
  }
  if (match !== '' && match !== 'NotOlderThan') {
    errors.push(notSupported(field, match, ['NotOlderThan']))
  }
  return errors
}

function refuseErrors({ name }: ResourceRequest, errors: readonly FieldError[]): void {
  if (errors.length > 0)
    throw unprocessable({ group: 'meta.k8s.io', kind: 'ListOptions', name }, errors)
}
