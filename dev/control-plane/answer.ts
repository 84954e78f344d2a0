import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '../../src/log.ts'
import { reviewerOf } from './access-review.ts'
import type { Attributes } from './attributes.ts'
import { authenticate, type Tokens } from './authentication.ts'
import { forbiddenBy, forbiddenVisit, type Authorizer } from './authorizer.ts'
import { encode, parseJson } from './decode.ts'
import { describe } from './discovery.ts'
import { impersonated } from './impersonation.ts'
import type { KubeObject } from './kube-object.ts'
import type { Lister } from './lister.ts'
import type { ObjectStore } from './object-store.ts'
import { openApiOf } from './openapi/document.ts'
import type { BuiltInSchemas } from './openapi/built-in-schemas.ts'
import { proxy, proxyTargetOf } from './pod-proxy.ts'
import { parseRemovalOptions, type Remover } from './remover.ts'
import { discoveryMediaType, takesAggregated } from './representation.ts'
import { parseClaim, readBody, resolveClaim, type ResourceRequest } from './request.ts'
import { resourceKey, type ResourceType } from './resource-type.ts'
import type { ResourceTable } from './resource-table.ts'
import { selectionOf } from './selection.ts'
import {
  internalError,
  methodNotAllowed,
  noSuchPath,
  notFound,
  StatusError,
  unauthorized,
  unsupportedMediaType,
} from './status.ts'
import { metadataOnly, parseIncludedObject, tableOf } from './tables/table.ts'
import { requestToken } from './token-request.ts'
import type { User } from './user.ts'
import type { Watcher } from './watcher.ts'
import { isDryRun, scopeOf, subjectOf, type Writer } from './writer.ts'

/** As kube-apiserver's own limit. */
const bodyBytesMax = 3 * 1024 * 1024

/** Everything that answers lean on. */
export interface Room {
  readonly now: () => number
  readonly store: ObjectStore
  readonly table: ResourceTable
  readonly schemas: BuiltInSchemas
  readonly authorizer: Authorizer
  readonly tokens: Tokens
  readonly lister: Lister
  readonly watcher: Watcher
  readonly writer: Writer
  readonly remover: Remover
}

/** Answers one request, whatever comes of it. Never rejects. */
export async function serve(
  room: Room,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  try {
    // Clients measure the skew of the clocks by it.
    response.setHeader('date', new Date(room.now()).toUTCString())
    await answer(room, request, response)
  } catch (error) {
    // The client has gone in the middle of its own body.
    if (request.destroyed && !request.complete) return
    const known = error instanceof StatusError
    if (!known) log.error({ error, path: request.url }, 'request failed')
    const status = known ? error : internalError('see the log of the control plane')
    if (response.headersSent) response.destroy()
    else reply(response, status.code, JSON.stringify(status))
  }
}

function reply(response: ServerResponse, code: number, json: string): void {
  // What is left of a body that is too large is not read to its end.
  if (code === 413) response.setHeader('connection', 'close')
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json')
  response.writeHead(code)
  response.end(json)
}

async function answer(
  room: Room,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const authenticated = authenticate(request, room.tokens)
  if (authenticated === undefined) throw unauthorized()
  const user = impersonated(request, authenticated, room.authorizer)
  const url = new URL(request.url ?? '/', 'https://127.0.0.1')
  const review = request.method === 'POST' ? reviewerOf(url.pathname) : undefined
  if (review !== undefined) {
    requireJson(request)
    const body = parseJson(await readBody(request, bodyBytesMax))
    reply(response, 201, JSON.stringify(review(room.authorizer, user, body)))
    return
  }
  if (request.method === 'GET') {
    const { pathname: path } = url
    const isAggregated = aggregatedPaths.has(path) && takesAggregated(request.headers.accept)
    const described = openApiOf(path, room) ?? describe(path, room.table, isAggregated)
    const mediaType = isAggregated ? discoveryMediaType : undefined
    if (described !== undefined) return visit(room, { user, path, response, described, mediaType })
  }
  const proxied = request.method === 'GET' ? proxyTargetOf(url) : undefined
  if (proxied !== undefined) {
    const { namespace, name } = proxied
    const pages = { group: '', plural: 'pods', subresource: 'proxy', namespace, name }
    authorize(room, user, { ...pages, verb: 'get' })
    await proxy(room.store, proxied, { request, response })
    return
  }
  const claim = parseClaim(request, url)
  if (claim === undefined) {
    const visit = { user, verb: 'get', path: url.pathname }
    throw room.authorizer.mayVisit(visit) ? noSuchPath() : forbiddenVisit(user, 'get', url.pathname)
  }
  // Before it is told whether there is such a resource at all.
  authorize(room, user, claim)
  const target = resolveClaim(claim, room.table)
  if (target.verb === 'watch') room.watcher.watch(target, response)
  else if (target.verb === 'list') reply(response, 200, room.lister.list(target))
  else if (target.verb === 'get') reply(response, 200, JSON.stringify(read(room, target)))
  else await change(room, { target, user, request, response })
}

const aggregatedPaths = new Set(['/api', '/apis'])

/** Answers at a path that is no resource's. */
function visit(
  room: Room,
  options: {
    readonly user: User
    readonly path: string
    readonly response: ServerResponse
    readonly described: unknown
    readonly mediaType: string | undefined
  },
): void {
  const { user, path, response, described, mediaType } = options
  if (!room.authorizer.mayVisit({ user, verb: 'get', path }))
    throw forbiddenVisit(user, 'get', path)
  if (aggregatedPaths.has(path)) response.setHeader('vary', 'accept')
  if (mediaType !== undefined) response.setHeader('content-type', mediaType)
  if (typeof described !== 'string') return reply(response, 200, JSON.stringify(described))
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(described)
}

function authorize(
  room: Room,
  user: User,
  claim: Omit<Attributes, 'user' | 'resource'> & { readonly plural: string },
): void {
  const attributes = { ...claim, user, resource: claim.plural }
  const decision = room.authorizer.authorize(attributes)
  if (!decision.allowed) throw forbiddenBy(attributes, decision)
}

function read(room: Room, target: ResourceRequest): object {
  requireSubresource(target)
  const found = room.store.get(target.type, scopeOf(target), target.name)
  if (found === undefined) throw notFound(subjectOf(target))
  const { type, version, representation, query } = target
  if (representation === 'object') return encode(found, type, version)
  if (representation === 'metadata') return metadataOnly(found)
  const metadata = { resourceVersion: found.metadata.resourceVersion }
  const included = parseIncludedObject(query)
  return tableOf([found], { type, version, included, metadata, now: room.now() })
}

function requireSubresource({ type, subresource }: ResourceRequest): void {
  if (subresource === '' || (subresource === 'status' && type.hasStatus === true)) return
  throw noSuchPath()
}

interface Change {
  readonly target: ResourceRequest
  readonly user: User
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

function mediaTypeOf(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
}

/** Some commands of kubectl write protobuf, which is not read here. */
function requireJson(request: IncomingMessage): void {
  const accepted = ['application/json']
  if (!['', ...accepted].includes(mediaTypeOf(request))) throw unsupportedMediaType(accepted)
}

async function change(room: Room, { target, user, request, response }: Change): Promise<void> {
  if (target.verb !== 'patch') requireJson(request)
  const octets = await readBody(request, bodyBytesMax)
  const body = octets.length === 0 ? undefined : parseJson(octets)
  const mediaType = mediaTypeOf(request)
  const { type, subresource, namespace, name, verb } = target
  if (subresource === 'token' && resourceKey(type) === 'serviceaccounts' && verb === 'create') {
    const { store, tokens } = room
    const token = requestToken({ store, tokens, user, namespace, name, body })
    return reply(response, 201, JSON.stringify(token))
  }
  requireSubresource(target)
  const write = { target, user, body, mediaType }
  if (verb === 'delete') return reply(response, 200, remove(room, write))
  if (verb === 'deletecollection') return reply(response, 200, removeAll(room, write))
  if (verb === 'create' ? name !== '' : name === '') throw methodNotAllowed(subjectOf(target), verb)
  const written =
    verb === 'create'
      ? room.writer.create(write)
      : verb === 'update'
        ? room.writer.update(write)
        : room.writer.patch(write)
  serveDefinition(room, type, written, isDryRun(target))
  reply(
    response,
    verb === 'create' ? 201 : 200,
    JSON.stringify(encode(written, type, target.version)),
  )
}

/** A definition's resource is served from the answer to its creation on. */
function serveDefinition(room: Room, type: ResourceType, object: KubeObject, isDry: boolean): void {
  if (resourceKey(type) !== 'customresourcedefinitions.apiextensions.k8s.io' || isDry) return
  room.table.define(object)
}

function remove(
  room: Room,
  {
    target,
    user,
    body,
  }: { readonly target: ResourceRequest; readonly user: User; readonly body: unknown },
): string {
  const { type, name, query, version } = target
  const options = parseRemovalOptions(body, query)
  const where = { type, namespace: scopeOf(target), name }
  const { object, isGone } = room.remover.remove(where, user, options)
  if (!isGone || type.returnsDeleted === true) return JSON.stringify(encode(object, type, version))
  const { uid } = object.metadata
  return JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(type.group === '' ? {} : { group: type.group }), kind: type.plural, uid },
  })
}

function removeAll(
  room: Room,
  {
    target,
    user,
    body,
  }: { readonly target: ResourceRequest; readonly user: User; readonly body: unknown },
): string {
  const { type, query } = target
  const selected = selectionOf(target)
  const options = parseRemovalOptions(body, query)
  const found = room.store.list(type, scopeOf(target)).filter(selected)
  const list = room.lister.list(target)
  for (const { metadata } of found) {
    room.remover.remove({ type, namespace: metadata.namespace, name: metadata.name }, user, options)
  }
  return list
}
