import { readFields, readOptionalText, readText } from './read-field.ts'

/** Enough of an event to place it, even when its object cannot be read any further. */
export type WatchEvent =
  | { readonly type: 'ERROR'; readonly object: unknown }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string | undefined }
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
      readonly object: unknown
      readonly resourceVersion: string | undefined
      readonly name: string
      readonly namespace: string | undefined
    }

/** Undefined for what is no event, or one that cannot be placed. */
export function parseWatchEvent(raw: unknown): WatchEvent | undefined {
  try {
    const { type, object } = readFields(raw, 'event') as { type?: unknown; object?: unknown }
    if (type === 'ERROR') return { type, object }
    const metadata = readFields(readFields(object, 'object')['metadata'], 'metadata')
    const resourceVersion = readOptionalText(metadata['resourceVersion'], 'resourceVersion')
    if (type === 'BOOKMARK') return { type, resourceVersion }
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return undefined
    const name = readText(metadata['name'], 'metadata.name')
    const namespace = readOptionalText(metadata['namespace'], 'metadata.namespace')
    return { type, object, resourceVersion, name, namespace }
  } catch {
    return undefined
  }
}
