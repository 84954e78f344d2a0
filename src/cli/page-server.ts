import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type ServerOptions,
} from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { listening } from './listening.ts'

/** What is answered. */
export interface Page {
  /** Default 200. */
  readonly code?: number
  /** Default plain text. */
  readonly contentType?: string
  readonly body: string
}

/** By their paths. */
export type Pages = Readonly<Record<string, (request: IncomingMessage) => Page | Promise<Page>>>

export interface PageServer extends AsyncDisposable {
  /** Of a server of TLS alone. */
  setSecureContext(options: ServerOptions): void
  /** Gives the URL, with the port that was had. Throws `cli/listen`. */
  listen(
    field: Parameters<typeof listening>[0],
    address: { readonly host: string; readonly port: number },
  ): Promise<string>
}

const headerOctetsMax = 8 * 1024
/** Kubelet's probes come from an address of their own, so no other one can take its place. */
const connectionsOfAddressMax = 32
const connectionsMax = 1024
const silenceMillisecondsDefault = 5_000

/** A server that any input leaves standing: what is no request of ours is answered before anything reads it. */
export function createPageServer(
  pages: Pages,
  options: {
    /** Whoever says nothing for so long, or takes so long for one request, is not waited for. Default 5000. */
    readonly silenceMilliseconds?: number
    /** Of TLS; without it the pages are plain HTTP. */
    readonly https?: ServerOptions
  },
): PageServer {
  const { silenceMilliseconds = silenceMillisecondsDefault, https } = options
  const http = {
    maxHeaderSize: headerOctetsMax,
    headersTimeout: silenceMilliseconds,
    requestTimeout: silenceMilliseconds,
    keepAliveTimeout: silenceMilliseconds,
    connectionsCheckingInterval: silenceMilliseconds / 5,
  }
  // What is no page is none of a prototype's either.
  const known = new Map(Object.entries(pages))
  const serve = (request: IncomingMessage, response: ServerResponse): void =>
    void answer(known, request).then((page) => write(response, page))
  const server =
    https === undefined
      ? createServer(http, serve)
      : createTlsServer({ ...http, handshakeTimeout: silenceMilliseconds, ...https }, serve)
  server.setTimeout(silenceMilliseconds)
  server.maxConnections = connectionsMax
  server.on('clientError', (_error, socket) => refuseOctets(socket as Socket))
  // A connection that cannot be accepted (no descriptors, no memory) would be the end of the process.
  server.on('error', () => {})
  boundAddresses(server)
  return {
    setSecureContext: (context) => (server as TlsServer).setSecureContext(context),
    async listen(field, { host, port }) {
      await listening(field, { host, port }, () => once(server.listen(port, host), 'listening'))
      const bound = (server.address() as AddressInfo).port
      const scheme = https === undefined ? 'http' : 'https'
      return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${bound}`
    },
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
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

type Answer = Page & { readonly headers?: Readonly<Record<string, string>> }

/** Only GET and HEAD, and nothing that has a body: it would have to be read. */
async function answer(
  pages: ReadonlyMap<string, Pages[string]>,
  request: IncomingMessage,
): Promise<Answer> {
  const { method, url = '', headers } = request
  const length = headers['content-length'] ?? '0'
  const hasBody = headers['transfer-encoding'] !== undefined || length !== '0'
  const ending: Readonly<Record<string, string>> = hasBody ? { connection: 'close' } : {}
  if (method !== 'GET' && method !== 'HEAD') {
    const allow = { ...ending, allow: 'GET, HEAD' }
    return { code: 405, body: 'want=GET or HEAD\n', headers: allow }
  }
  if (hasBody) return { code: 400, body: 'want=no body\n', headers: ending }
  const page = pages.get(url.split('?', 1)[0] ?? '')
  if (page === undefined) return { code: 404, body: 'no such page\n' }
  try {
    return await page(request)
  } catch {
    return { code: 500, body: 'internal error\n' }
  }
}

function write(response: ServerResponse, page: Answer): void {
  const { code = 200, contentType = 'text/plain; charset=utf-8', body, headers } = page
  response.writeHead(code, {
    ...headers,
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

function refuseOctets(socket: Socket): void {
  if (socket.writable) {
    socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  }
  // Whoever does not read the answer does not keep the connection either.
  socket.destroySoon()
}
