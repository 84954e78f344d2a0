import type { ApiClient } from './api-client.ts'
import { createObject } from './objects.ts'
import { readFields, readOptionalText } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A core/v1 Event: what `kubectl describe` shows below an object. */
export interface Event extends KubernetesObject {
  readonly type: string
  readonly reason: string
  readonly message: string
}

export const events: Resource<Event> = {
  group: '',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
  parse(raw) {
    const fields = readFields(raw, 'event')
    const text = (name: string): string => readOptionalText(fields[name], name) ?? ''
    return {
      metadata: readMetadata(raw),
      type: text('type'),
      reason: text('reason'),
      message: text('message'),
    }
  },
}

/** core/v1 validation: a longer message is refused. */
const messageCharactersMax = 1024

/** An event keeps no connection from what somebody waits for. */
const timeoutSeconds = 5

/** Says something about an object in that object's namespace. Throws `ApiError`; an event is never worth a retry. */
export async function recordEvent(
  client: ApiClient,
  options: {
    readonly regarding: {
      readonly apiVersion: string
      readonly kind: string
      /** Empty for an object of the whole cluster: what is said of one stands in `default`. */
      readonly namespace: string
      readonly name: string
      readonly uid: string
    }
    readonly type: 'Normal' | 'Warning'
    /** CamelCase. */
    readonly reason: string
    readonly message: string
    /** Under which it is there once, whoever says it; without it the API server makes one. */
    readonly name?: string
    /** Who says it, for example `countersign-signer`. */
    readonly component: string
    readonly now: () => number
    readonly signal?: AbortSignal
  },
): Promise<void> {
  const { regarding, now } = options
  const namespace = regarding.namespace === '' ? 'default' : regarding.namespace
  // Whole seconds, like every metav1.Time.
  const at = new Date(Math.floor(now() / 1000) * 1000).toISOString().replace('.000Z', 'Z')
  const named =
    options.name === undefined
      ? { generateName: `${regarding.name.slice(0, 200)}.` }
      : { name: options.name }
  const body = {
    metadata: { ...named, namespace },
    involvedObject: regarding,
    type: options.type,
    reason: options.reason,
    message: options.message.slice(0, messageCharactersMax),
    source: { component: options.component },
    reportingComponent: options.component,
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  }
  await createObject(client, events, {
    namespace,
    body,
    timeoutSeconds,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
}
