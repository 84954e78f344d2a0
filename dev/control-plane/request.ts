import type { IncomingMessage } from 'node:http'
import { parseRepresentation, type Representation } from './representation.ts'
import type { ResourceTable } from './resource-table.ts'
import type { ResourceType } from './resource-type.ts'
import { parseFieldSelector, type FieldRequirement } from './selector.ts'
import { bodyTooLarge, methodNotAllowed, noSuchPath } from './status.ts'

/** A request for a resource that is served. Its namespace is '' for all of them, and for cluster-scoped ones. */
export interface ResourceRequest extends Claim {
  readonly type: ResourceType
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

/** What a request is about, before it is known whether there is such a resource. */
export interface Claim {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly subresource: string
  readonly verb: Verb
  readonly namespace: string
  readonly name: string
  readonly fieldRequirements: readonly FieldRequirement[]
  readonly query: URLSearchParams
  readonly representation: Representation
  /** The path has no name in it. */
  readonly isCollection: boolean
}

/** Reads the path and the query; undefined for a path that is no resource's. */
export function parseClaim(request: IncomingMessage, url: URL): Claim | undefined {
  const location = locate(url.pathname.split('/').slice(1).map(decodeSegment))
  if (location === undefined) return undefined
  const { group, version, namespace, parts } = location
  const [plural = '', name = '', subresource = '', ...more] = parts
  const verb = methodVerbs[request.method ?? '']
  if (verb === undefined || more.length > 0 || parts.includes('')) throw noSuchPath()
  const query = url.searchParams
  const fieldRequirements = parseFieldSelector(query.get('fieldSelector') ?? '')
  const exact = fieldRequirements.find(({ field, equal }) => field === 'metadata.name' && equal)
  const isCollection = name === ''
  const wanted = isCollection ? collectionVerb(verb, query) : verb
  const isList = ['list', 'watch', 'deletecollection'].includes(wanted)
  return {
    group,
    version,
    plural,
    subresource,
    verb: wanted,
    // GET /api/v1/namespaces/x is also a request in the namespace x, as far as roles are concerned.
    namespace: plural === 'namespaces' && group === '' ? name : namespace,
    name: isList && isCollection ? (exact?.value ?? '') : name,
    fieldRequirements,
    query,
    representation: parseRepresentation(request.headers.accept),
    isCollection,
  }
}

/** The request for a resource that is served; a 404 where there is none such, a 405 where it takes no such verb. */
export function resolveClaim(claim: Claim, table: ResourceTable): ResourceRequest {
  const { group, version, plural, namespace, isCollection, verb } = claim
  const type = table.find(group, version, plural)
  const isNamespaces = plural === 'namespaces' && group === ''
  const misplaced = namespace !== '' && type?.namespaced === false && !isNamespaces
  if (type === undefined || misplaced) throw noSuchPath()
  if (type.namespaced && namespace === '' && !isCollection) throw noSuchPath()
  if (type.namespaced && namespace === '' && !['list', 'watch'].includes(verb)) {
    throw methodNotAllowed({ group, resource: plural }, verb)
  }
  return { ...claim, type }
}

/** Throws a 404 for what is no text. */
export function decodeSegment(segment: string): string {
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
