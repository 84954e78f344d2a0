import { constants } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { fastify, type FastifyReply, type FastifyRequest } from 'fastify'
import type { BundleSource } from '../pki/bundle.ts'
import type { CredentialSource } from '../pki/credential.ts'
import type { Door } from './call.ts'
import { handleRequest } from './handle-request.ts'
import type { Means } from './means.ts'

export interface Listener {
  readonly port: number
  close(): Promise<void>
}

export interface ListenerOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  readonly means: Means
}

const handshakeMilliseconds = 10_000
const requestMilliseconds = 60_000
const keepAliveMilliseconds = 75_000

/** Opens the doors: HTTPS with client certificates, nothing else. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { listen, credential, trustBundle, means } = options
  const servers = new Set<Server>()
  const serve = createCalls(means)
  const app = fastify({
    logger: false,
    requestIdHeader: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) => {
      reply.hijack()
      refuseBare(reply.raw)
    },
    serverFactory: (handler) => {
      const server = createServer(tlsOptions(options), (request, response) => {
        if (!isOriginForm(request)) refuseBare(response)
        else if (!serve(request, response)) handler(request, response)
      })
      server.keepAliveTimeout = keepAliveMilliseconds
      server.requestTimeout = requestMilliseconds
      server.on('secureConnection', (socket: TLSSocket) => means.peers.accept(socket))
      servers.add(server)
      return server
    },
  })
  // The table reads and bounds the body itself, after it knows whose it is.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  const handle = (door: Door, request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.hijack()
    return handleRequest({ door, request: request.raw, response: reply.raw }, means)
  }
  app.post('/mcp', (request, reply) => handle(doorOfAll, request, reply))
  app.post<{ Params: { server: string } }>('/mcp/:server', (request, reply) =>
    handle(doorOf(request.params.server), request, reply),
  )
  for (const url of ['/mcp', '/mcp/:server']) {
    // Neither era is offered a stream of its own: MCP 2025-11-25 transports allow 405 for both.
    app.route({ method: otherMethods, url, handler: methodNotAllowed })
  }
  app.setNotFoundHandler((_request, reply) => reply.code(404).send())
  app.setErrorHandler((error, _request, reply) => {
    means.log.warn({ error }, 'request could not be routed')
    return reply.code(400).send()
  })
  const reload = (): void => {
    for (const server of servers) server.setSecureContext(tlsOptions(options))
  }
  const unlisten = [credential.onChange(reload), trustBundle.onChange(reload)]
  await app.listen({ host: listen.host, port: listen.port })
  // What is no HTTP is answered by Node itself, which says nothing of it.
  for (const server of servers) server.removeAllListeners('clientError')
  const address = app.server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : listen.port,
    async close() {
      for (const stop of unlisten) stop()
      // No new connections; what has been forwarded is answered.
      for (const server of servers) server.close()
      await drained(means)
      means.peers.close()
      await app.close()
    },
  }
}

const doorOfAll: Door = { kind: 'all', name: 'mcp' }

function doorOf(server: string): Door {
  return { kind: 'one', name: `mcp/${server}`, server }
}

/**
 * Takes the calls at the doors that are there, by the exact text of their path, past the router: it would read the headers once more.
 * Every other request (another method, an unknown server, a query) is the router's. False: not taken.
 */
function createCalls(
  means: Means,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const doors = new Map<string | undefined, Door>([['/mcp', doorOfAll]])
  for (const server of means.upstreams.keys()) doors.set(`/mcp/${server}`, doorOf(server))
  return (request, response) => {
    const door = request.method === 'POST' ? doors.get(request.url) : undefined
    if (door === undefined) return false
    handleRequest({ door, request, response }, means).catch((error: unknown) => {
      means.log.error({ error, door: door.name }, 'request broke')
      response.destroy()
    })
    return true
  }
}

/** A path: the other forms of a target name a host beside the Host header, or none (RFC 9112 §3.2). */
function isOriginForm({ url }: IncomingMessage): boolean {
  return url?.startsWith('/') === true
}

function refuseBare(response: ServerResponse): void {
  response.writeHead(400, { connection: 'close', 'content-length': '0' }).end()
}

const drainPollMilliseconds = 20

/** Resolves when nothing is open any more, or when open answers have had their time. */
async function drained({ peers, limits }: Means): Promise<void> {
  const until = performance.now() + limits.drainSeconds * 1000
  while (peers.busy && performance.now() < until) await delay(drainPollMilliseconds)
}

const otherMethods = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

async function methodNotAllowed(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  await reply.code(405).header('allow', 'POST').send()
}

/**
 * TLS 1.3 only: 1.2 sends client certificates in clear. No session tickets: a resumed session is accepted with a certificate that has
 * expired since.
 */
function tlsOptions(options: Pick<ListenerOptions, 'credential' | 'trustBundle'>): ServerOptions {
  const { chainPem, privateKeyPem } = options.credential.current()
  return {
    cert: chainPem,
    key: privateKeyPem,
    ca: options.trustBundle.current().pem,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: handshakeMilliseconds,
  }
}
