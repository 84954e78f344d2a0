import type { IncomingMessage } from 'node:http'
import type { ResourceTable } from './resource-table.ts'
import type { ResourceType } from './resource-type.ts'
import { parseFieldSelector, type FieldRequirement } from './selector.ts'
import { bodyTooLarge, noSuchPath } from './status.ts'

/** A request for a resource, read from its path and query alone. */
export interface ResourceRequest {
  readonly type: ResourceType
  readonly version: string
  readonly verb: Verb
  /** '' for all namespaces, and for cluster-scoped resources. */
  readonly namespace: string
  readonly name: string
  readonly subresource: string
  readonly query: URLSearchParams
  readonly fieldRequirements: readonly FieldRequirement[]
}

export type Verb =
  'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

const methodVerbs: Readonly<Record<string, Verb>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

interface Location {
  readonly group: string
  readonly version: string
  readonly namespace: string
  readonly parts: readonly string[]
}

function locate(segments: readonly string[]): Location | undefined {
  const [root, ...rest] = segments
  const isCore = root === 'api'
  if (!isCore && root !== 'apis') return undefined
  const [group = '', version = '', ...parts] = isCore ? ['', ...rest] : rest
  if (version === '' || parts.length === 0) return undefined
  // /namespaces/<name>/<plural>… is a place; /namespaces and /namespaces/<name>[/status] are the resource.
  const [first, namespace = '', third] = parts
  const isPlace = first === 'namespaces' && third !== undefined
  const isNamespaceItself = isCore && ['status', 'finalize'].includes(third ?? '')
  if (!isPlace || isNamespaceItself) return { group, version, namespace: '', parts }
  return { group, version, namespace, parts: parts.slice(2) }
}

/** What the path names, or undefined for a path that is no resource's; an unknown resource is a 404. */
export function parseResourceRequest(
  request: IncomingMessage,
  url: URL,
  table: ResourceTable,
): ResourceRequest | undefined {
  const segments = url.pathname.split('/').slice(1).map(decodeSegment)
  const location = locate(segments)
  if (location === undefined) return undefined
  const { group, version, namespace, parts } = location
  const [plural = '', name = '', subresource = '', ...more] = parts
  const type = table.find(group, version, plural)
  const misplaced = namespace !== '' && type?.namespaced === false
  if (type === undefined || misplaced || more.length > 0) throw noSuchPath()
  if (parts.slice(1).includes('')) throw noSuchPath()
  if (type.namespaced && name !== '' && namespace === '') throw noSuchPath()
  const verb = methodVerbs[request.method ?? '']
  if (verb === undefined) throw noSuchPath()
  const query = url.searchParams
  const fieldRequirements = parseFieldSelector(query.get('fieldSelector') ?? '')
  const exact = fieldRequirements.find(({ field, equal }) => field === 'metadata.name' && equal)
  const isCollection = name === ''
  const wanted = isCollection ? collectionVerb(verb, query) : verb
  const isList = ['list', 'watch', 'deletecollection'].includes(wanted)
  return {
    type,
    version,
    verb: wanted,
    // GET /api/v1/namespaces/x is also a request in the namespace x, as far as roles are concerned.
    namespace: type.plural === 'namespaces' && group === '' ? name : namespace,
    name: isList && isCollection ? (exact?.value ?? '') : name,
    subresource,
    query,
    fieldRequirements,
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw noSuchPath()
  }
}

function collectionVerb(verb: Verb, query: URLSearchParams): Verb {
  if (verb === 'get') return isTrue(query.get('watch')) ? 'watch' : 'list'
  return verb === 'delete' ? 'deletecollection' : verb
}

/** Go's reading of a boolean parameter: present and neither "false" nor "0". */
export function isTrue(value: string | null): boolean {
  return value !== null && !['false', '0'].includes(value.toLowerCase())
}

/** The whole body; more than the limit is a 413 before anything of it is parsed. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw bodyTooLarge(bytesMax)
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) throw bodyTooLarge(bytesMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
