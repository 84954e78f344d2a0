import { CountersignError } from '../errors.ts'
import type { ScannedItem } from './list-scanner.ts'
import { objectKey } from './object-store.ts'
import type { KubernetesObject, Resource } from './resource.ts'

/** An object that is there and is not known: too long, malformed, or more than a cache should hold. */
export interface Unreadable {
  /** `namespace/name`, or the name; empty where even that cannot be read. */
  readonly key: string
  readonly error: unknown
}

export type Reading<T> = { readonly object: T } | { readonly unreadable: Unreadable }

/** What is kept of one object, unless told. Labels alone may have a megabyte, and whoever may create pods may create many. */
export const keptBytesMaxDefault: number = 64 * 1024

/**
 * How the API server begins an object of its own kinds: names stand at fixed places, so that no text inside of the object can pass
 * for them. Custom resources are written in alphabetical order, with their names anywhere.
 */
const names =
  /^(?:\{"type":"[A-Z]+","object":)?\{(?:"kind":"\w+",)?(?:"apiVersion":"[\w./-]+",)?"metadata":\{"name":"([^"\\]+)"(?:,"generateName":"[^"\\]*")?(?:,"namespace":"([^"\\]+)")?[,}]/

export function readScanned<T extends KubernetesObject>(
  resource: Resource<T>,
  item: ScannedItem,
  keptBytesMax: number,
): Reading<T> {
  if ('unreadable' in item) return tooLong(item.unreadable, item.bytes)
  return readRaw(resource, item.value, { bytes: item.bytes, keptBytesMax })
}

/** `bytes` of the object's JSON, where that is known: what is short needs no measuring. */
export function readRaw<T extends KubernetesObject>(
  resource: Resource<T>,
  raw: unknown,
  size: { readonly bytes: number; readonly keptBytesMax: number },
): Reading<T> {
  try {
    const object = resource.parse(raw)
    if (size.bytes > size.keptBytesMax) checkKept(object, size.keptBytesMax)
    return { object }
  } catch (error) {
    return { unreadable: { key: keyOfRaw(raw), error } }
  }
}

/** What began like this is too long to be read. */
export function tooLong(beginning: string, bytes: number): { readonly unreadable: Unreadable } {
  const [, name, namespace] = names.exec(beginning) ?? []
  const error = new CountersignError(
    'kubernetes/object',
    `object length: want=less got=${bytes} bytes`,
  )
  return { unreadable: { key: name === undefined ? '' : objectKey({ name, namespace }), error } }
}

function checkKept(object: KubernetesObject, bytesMax: number): void {
  const bytes = JSON.stringify(object).length
  if (bytes <= bytesMax) return
  throw new CountersignError(
    'kubernetes/object',
    `labels, annotations and what else is kept: want=at most ${bytesMax} bytes got=${bytes}`,
  )
}

/** The store's key of an object that may be malformed anywhere else; empty when it has no readable name. */
function keyOfRaw(raw: unknown): string {
  const metadata = (raw as { metadata?: { name?: unknown; namespace?: unknown } } | null)?.metadata
  if (typeof metadata?.name !== 'string') return ''
  const { name, namespace } = metadata
  return objectKey({ name, namespace: typeof namespace === 'string' ? namespace : undefined })
}
