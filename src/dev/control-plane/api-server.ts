import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../log.ts'
import { accessReviewPath, reviewAccess } from './access-review.ts'
import { createAdmission } from './admission.ts'
import { authenticate, Tokens } from './authentication.ts'
import { createAuthorizer, forbiddenBy, forbiddenVisit, type Authorizer } from './authorizer.ts'
import { bootstrap } from './bootstrap.ts'
import { startControllers, type Controllers } from './controllers.ts'
import { encode, parseJson } from './decode.ts'
import { describe } from './discovery.ts'
import { createEncoder } from './encoder.ts'
import { Lister } from './lister.ts'
import { ObjectStore } from './object-store.ts'
import { parseRemovalOptions, Remover } from './remover.ts'
import { parseResourceRequest, readBody, type ResourceRequest } from './request.ts'
import { resourceKey, type ResourceType } from './resource-type.ts'
import { ResourceTable } from './resource-table.ts'
import { selectionOf } from './selection.ts'
import {
  internalError,
  methodNotAllowed,
  noSuchPath,
  notFound,
  StatusError,
  unauthorized,
} from './status.ts'
import { requestToken } from './token-request.ts'
import type { User } from './user.ts'
import { Watcher } from './watcher.ts'
import { isDryRun, scopeOf, subjectOf, Writer } from './writer.ts'

/** As kube-apiserver's own limit. */
const bodyBytesMax = 3 * 1024 * 1024

export interface ApiServer extends AsyncDisposable {
  readonly port: number
  readonly controllers: Controllers
}

export interface ApiServerConfig {
  readonly tls: { readonly key: string; readonly cert: string; readonly clientCa: string }
  readonly now: () => number
  readonly log: Log
  /** Versions of PodCertificateRequest that are served, over the same storage. */
  readonly podCertificateVersions?: readonly ('v1' | 'v1beta1')[]
  /** Events kept per resource at least; a watch from before them is a 410. */
  readonly historyLength?: number
}

/** Starts the API server and its controllers on a free port of 127.0.0.1. */
export async function startApiServer(config: ApiServerConfig): Promise<ApiServer> {
  const { now, log } = config
  const store = new ObjectStore({ historyLength: config.historyLength ?? 4096 })
  const table = new ResourceTable({
    podCertificateVersions: config.podCertificateVersions ?? ['v1'],
  })
  bootstrap(store, now)
  const authorizer = createAuthorizer({ store, table })
  const admission = createAdmission({ store, authorize: authorizer.authorize })
  const remover = new Remover({ store, admission, now })
  const encoder = createEncoder()
  const watcher = new Watcher({ store, encode: encoder })
  const room: Room = {
    store,
    table,
    authorizer,
    remover,
    watcher,
    tokens: new Tokens({ store, now }),
    lister: new Lister({ store, encode: encoder }),
    writer: new Writer({ store, admission, authorize: authorizer.authorize, now }),
  }
  const controllers = startControllers({ store, table, remover, now, log })
  const server = createServer(
    {
      key: config.tls.key,
      cert: config.tls.cert,
      ca: config.tls.clientCa,
      minVersion: 'TLSv1.3',
      requestCert: true,
      // Who shows no certificate may show a token; who shows a bad one is refused by authentication.
      rejectUnauthorized: false,
    },
    (request, response) => void serve(room, request, response, log),
  )
  server.keepAliveTimeout = 60_000
  server.requestTimeout = 60_000
  await listen(server)
  return {
    port: (server.address() as AddressInfo).port,
    controllers,
    async [Symbol.asyncDispose]() {
      controllers.close()
      watcher.close()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

interface Room {
  readonly store: ObjectStore
  readonly table: ResourceTable
  readonly authorizer: Authorizer
  readonly tokens: Tokens
  readonly lister: Lister
  readonly watcher: Watcher
  readonly writer: Writer
  readonly remover: Remover
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve())
  })
}

async function serve(
  room: Room,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  try {
    await answer(room, request, response)
  } catch (error) {
    const known = error instanceof StatusError
    if (!known) log.error({ error, path: request.url }, 'request failed')
    const status = known ? error : internalError('see the log of the control plane')
    if (response.headersSent) response.destroy()
    else reply(response, status.code, JSON.stringify(status))
  }
}

function reply(response: ServerResponse, code: number, json: string): void {
  response.writeHead(code, { 'content-type': 'application/json' })
  response.end(json)
}

async function answer(
  room: Room,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const user = authenticate(request, room.tokens)
  if (user === undefined) throw unauthorized()
  const url = new URL(request.url ?? '/', 'https://127.0.0.1')
  if (url.pathname === accessReviewPath && request.method === 'POST') {
    const body = parseJson(await readBody(request, bodyBytesMax))
    reply(response, 201, JSON.stringify(reviewAccess(room.authorizer, user, body)))
    return
  }
  const described = request.method === 'GET' ? describe(url.pathname, room.table) : undefined
  if (described !== undefined) {
    visit(room, user, url.pathname, response, described)
    return
  }
  const target = parseResourceRequest(request, url, room.table)
  if (target === undefined) {
    const visit = { user, verb: 'get', path: url.pathname }
    throw room.authorizer.mayVisit(visit) ? noSuchPath() : forbiddenVisit(user, 'get', url.pathname)
  }
  authorize(room, user, target)
  if (target.verb === 'watch') room.watcher.watch(target, response)
  else if (target.verb === 'list') reply(response, 200, room.lister.list(target))
  else if (target.verb === 'get') reply(response, 200, JSON.stringify(read(room, target)))
  else await change(room, { target, user, request, response })
}

function visit(
  room: Room,
  user: User,
  path: string,
  response: ServerResponse,
  described: unknown,
): void {
  if (!room.authorizer.mayVisit({ user, verb: 'get', path }))
    throw forbiddenVisit(user, 'get', path)
  if (typeof described !== 'string') return reply(response, 200, JSON.stringify(described))
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(described)
}

function authorize(room: Room, user: User, target: ResourceRequest): void {
  const { type, verb, subresource, namespace, name, fieldRequirements } = target
  const attributes = {
    user,
    verb,
    group: type.group,
    resource: type.plural,
    subresource,
    namespace,
    name,
    fieldRequirements,
  }
  const decision = room.authorizer.authorize(attributes)
  if (!decision.allowed) throw forbiddenBy(attributes, decision)
}

function read(room: Room, target: ResourceRequest): object {
  requireSubresource(target)
  const found = room.store.get(target.type, scopeOf(target), target.name)
  if (found === undefined) throw notFound(subjectOf(target))
  return encode(found, target.type, target.version)
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

async function change(room: Room, { target, user, request, response }: Change): Promise<void> {
  const octets = await readBody(request, bodyBytesMax)
  const body = octets.length === 0 ? undefined : parseJson(octets)
  const mediaType = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  const { type, subresource, namespace, name, verb } = target
  if (subresource === 'token' && resourceKey(type) === 'serviceaccounts' && verb === 'create') {
    const { store, tokens } = room
    const token = requestToken({ store, tokens, user, namespace, name, body })
    return reply(response, 201, JSON.stringify(token))
  }
  requireSubresource(target)
  const write = { target, user, body, mediaType }
  const shown = (object: Parameters<typeof encode>[0]): string =>
    JSON.stringify(encode(object, type, target.version))
  switch (verb) {
    case 'create': {
      if (name !== '') throw methodNotAllowed(subjectOf(target), 'create')
      const created = room.writer.create(write)
      serveDefinition(room, type, created, isDryRun(target))
      return reply(response, 201, shown(created))
    }
    case 'update':
    case 'patch': {
      if (name === '') throw methodNotAllowed(subjectOf(target), verb)
      const updated = verb === 'update' ? room.writer.update(write) : room.writer.patch(write)
      serveDefinition(room, type, updated, isDryRun(target))
      return reply(response, 200, shown(updated))
    }
    case 'delete':
      return reply(response, 200, remove(room, write))
    case 'deletecollection':
      return reply(response, 200, removeAll(room, write))
    default:
      throw methodNotAllowed(subjectOf(target), verb)
  }
}

/** A definition's resource is served from the answer to its creation on. */
function serveDefinition(
  room: Room,
  type: ResourceType,
  object: Parameters<typeof encode>[0],
  isDry: boolean,
): void {
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
