import type { AddressInfo, Server, Socket } from 'node:net'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { MetricsPage } from '../metrics.ts'
import { isReady, type Condition } from '../readiness.ts'
import { listening } from './listening.ts'

export interface AdminListener extends AsyncDisposable {
  readonly url: string
}

export interface AdminOptions {
  readonly host: string
  readonly port: number
  readonly conditions: () => readonly Condition[]
  readonly metrics: MetricsPage
  /** Whoever says nothing for so long, or takes so long for one request, is not waited for. Default 5000. */
  readonly silenceMilliseconds?: number
  readonly pages?: Readonly<Record<string, AdminPage>>
}

/** Undefined while there is nothing to show. */
export type AdminPage = () => { readonly contentType: string; readonly body: string } | undefined

const headerOctetsMax = 8 * 1024
/** Kubelet's probes come from an address of their own, so no other one can take its place. */
const connectionsOfAddressMax = 32
const connectionsMax = 1024
const silenceMillisecondsDefault = 5_000

/**
 * Serves `/healthz` (the process answers), `/readyz` (what it needs, each with its state), `/metrics` (Prometheus text) and the pages
 * given. Read-only and without secrets, so plain HTTP; its address is loopback unless configured. Throws `cli/listen`.
 */
export async function openAdminListener(options: AdminOptions): Promise<AdminListener> {
  const { host, port } = options
  const app = createApp(options.silenceMilliseconds ?? silenceMillisecondsDefault)
  addPages(app, options)
  await listening('admin', { host, port }, () => app.listen({ host, port }))
  // A connection that cannot be accepted (no descriptors, no memory) would be the end of the process.
  app.server.on('error', () => {})
  const bound = (app.server.address() as AddressInfo).port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    [Symbol.asyncDispose]: () => app.close(),
  }
}

/** A server that any input leaves standing: what is no request of ours is answered before anything reads it. */
function createApp(silenceMilliseconds: number): FastifyInstance {
  const app = fastify({
    logger: false,
    requestIdHeader: false,
    forceCloseConnections: true,
    connectionTimeout: silenceMilliseconds,
    requestTimeout: silenceMilliseconds,
    keepAliveTimeout: silenceMilliseconds,
    http: {
      maxHeaderSize: headerOctetsMax,
      headersTimeout: silenceMilliseconds,
      connectionsCheckingInterval: silenceMilliseconds / 5,
    },
    clientErrorHandler: (_error, socket) => refuseOctets(socket),
    frameworkErrors: (_error, _request, reply) => {
      reply.hijack()
      reply.raw.writeHead(400, { connection: 'close', 'content-length': '0' }).end()
    },
  })
  app.server.maxConnections = connectionsMax
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

function addPages(app: FastifyInstance, options: AdminOptions): void {
  const { conditions, metrics, pages = {} } = options
  app.get('/healthz', () => 'ok\n')
  app.get('/readyz', (request, reply) => {
    const current = conditions()
    const ready = isReady(current)
    reply.code(ready ? 200 : 503)
    if (request.headers.accept?.includes('application/json') !== true) return formatText(current)
    reply.type('application/json; charset=utf-8')
    return `${JSON.stringify({ ready, conditions: current })}\n`
  })
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.contentType)
    return metrics.page()
  })
  for (const [path, page] of Object.entries(pages)) {
    app.get(path, (_request, reply) => {
      const { contentType, body } = page() ?? {}
      if (body === undefined) return reply.code(503).send('not there yet, see /readyz\n')
      return reply.type(contentType ?? 'text/plain').send(body)
    })
  }
}

/** `[+] policy: revision 3`, `[-] revocations: what is wrong`, and `[!]` for what work goes on without. */
function formatText(conditions: readonly Condition[]): string {
  return conditions
    .map(({ name, ok, optional, reason }) => {
      const mark = ok ? '+' : optional === true ? '!' : '-'
      return `[${mark}] ${name}: ${reason}\n`
    })
    .join('')
}
