import type { JsonObject } from './json-object.ts'

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
}

export interface ObjectMeta {
  readonly name: string
  readonly generateName?: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  /** RFC 3339, whole seconds, UTC. */
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly finalizers?: readonly string[]
}

/** An object as the store keeps it. Nobody changes one: a write makes another. */
export interface KubeObject {
  readonly metadata: ObjectMeta
  readonly spec?: JsonObject
  readonly status?: JsonObject
  readonly [member: string]: unknown
}

/** Kubernetes writes times as RFC 3339 in UTC with whole seconds (`metav1.Time`). */
export function formatTime(milliseconds: number): string {
  return `${new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().slice(0, 19)}Z`
}

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/

/** Milliseconds since the epoch, or undefined for what is no RFC 3339 time. */
export function parseTime(text: string): number | undefined {
  if (!rfc3339.test(text)) return undefined
  const milliseconds = Date.parse(text)
  // Go knows no 30th of February and no hour 24; here they are the day after.
  const day = text.slice(0, 10)
  const isDay = !Number.isNaN(milliseconds) && new Date(day).toISOString().startsWith(day)
  return isDay && !text.startsWith('T24', 10) ? milliseconds : undefined
}
