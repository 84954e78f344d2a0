import { isJsonObject } from './envelope.ts'
import { removeMembers, type Edit } from './edits.ts'
import type { Span } from './levels.ts'
import { membersOf } from './spans.ts'

/*
 * Names of `_meta` that say of which task or subscription a message is (MCP 2025-11-25 tasks; 2026-07-28 subscriptions). Behind a gateway a
 * client has no id of a server's: one that it names all the same would be that of another.
 */

export const relatedTask = 'io.modelcontextprotocol/related-task'

const names: ReadonlySet<string> = new Set([relatedTask, 'io.modelcontextprotocol/subscriptionId'])

/** These names in `_meta` of params or of a result. */
export function handlesNamed(holder: unknown): readonly string[] {
  const meta = isJsonObject(holder) ? holder['_meta'] : undefined
  return isJsonObject(meta) ? [...names].filter((name) => Object.hasOwn(meta, name)) : []
}

/** The first of them. */
export function handleNamed(holder: unknown): string | undefined {
  const meta = isJsonObject(holder) ? holder['_meta'] : undefined
  return isJsonObject(meta) ? [...names].find((name) => Object.hasOwn(meta, name)) : undefined
}

/** Takes them out of `_meta` of the object that stands here. */
export function withoutHandles(octets: Buffer, holder: Span): readonly Edit[] {
  const meta = membersOf(octets, holder)?.get('_meta')
  const members = meta && membersOf(octets, meta)
  if (meta === undefined || members === undefined) return []
  const isNamed = [...members.keys()].some((name) => names.has(name))
  return isNamed ? removeMembers(octets, meta, (name) => names.has(name)) : []
}
