import type { ServerOptions } from 'node:https'
import type { Server, Socket } from 'node:net'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'

const headerOctetsMax = 8 * 1024
/** Kubelet's probes come from an address of their own, so no other one can take its place. */
const connectionsOfAddressMax = 32
const connectionsMax = 1024
const silenceMillisecondsDefault = 5_000

/** A server that any input leaves standing: what is no request of ours is answered before anything reads it. */
export function createPageServer(options: {
  /** Whoever says nothing for so long, or takes so long for one request, is not waited for. Default 5000. */
  readonly silenceMilliseconds?: number
  /** Of TLS; without it the pages are plain HTTP. */
  readonly https?: ServerOptions
}): FastifyInstance {
  const { silenceMilliseconds = silenceMillisecondsDefault, https } = options
  const http = {
    maxHeaderSize: headerOctetsMax,
    headersTimeout: silenceMilliseconds,
    connectionsCheckingInterval: silenceMilliseconds / 5,
  }
  const app = fastify({
    ...(https === undefined
      ? { http }
      : { https: { ...http, handshakeTimeout: silenceMilliseconds, ...https } }),
    logger: false,
    requestIdHeader: false,
    forceCloseConnections: true,
    connectionTimeout: silenceMilliseconds,
    requestTimeout: silenceMilliseconds,
    keepAliveTimeout: silenceMilliseconds,
    clientErrorHandler: (_error, socket) => refuseOctets(socket),
    frameworkErrors: (_error, _request, reply) => {
      reply.hijack()
      reply.raw.writeHead(400, { connection: 'close', 'content-length': '0' }).end()
    },
  })
  app.server.maxConnections = connectionsMax
  // A connection that cannot be accepted (no descriptors, no memory) would be the end of the process.
  app.server.on('error', () => {})
  boundAddresses(app.server)
  app.removeAllContentTypeParsers()
  app.addHook('onRequest', refuseOthers)
  app.setNotFoundHandler((_request, reply) => reply.code(404).send('no such page\n'))
  app.setErrorHandler((_error, _request, reply) => reply.code(500).send('internal error\n'))
  return app
}

function boundAddresses(server: Server): void {
  const open = new Map<string, number>()
  server.prependListener('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
    if (count > connectionsOfAddressMax) socket.destroy()
  })
}

/** Only GET and HEAD, and nothing that has a body: it would have to be read. */
async function refuseOthers(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { method, headers } = request
  reply.type('text/plain; charset=utf-8')
  const length = headers['content-length'] ?? '0'
  const hasBody = headers['transfer-encoding'] !== undefined || length !== '0'
  if (hasBody) reply.header('connection', 'close')
  if (method !== 'GET' && method !== 'HEAD') {
    await reply.code(405).header('allow', 'GET, HEAD').send('want=GET or HEAD\n')
  } else if (hasBody) await reply.code(400).send('want=no body\n')
}

function refuseOctets(socket: Socket): void {
  if (socket.writable) {
    socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  }
  // Whoever does not read the answer does not keep the connection either.
  socket.destroySoon()
}
