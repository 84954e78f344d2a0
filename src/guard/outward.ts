import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Log } from '../log.ts'
import { readableId } from '../mcp/readable-id.ts'
import { readBody } from '../toolserver/read-body.ts'
import { refuse } from '../toolserver/refuse.ts'
import { headersOutside, headersPassed } from './headers.ts'

/** As large as a tool server takes it. */
const bodyBytesMax = 4 * 1024 * 1024

/** Streams and calls under way: what a gateway grants one pod. */
const requestsMax = 64

const forbidden = -31403
const invalidRequest = -32600
const internalError = -32603

/**
 * Answers on loopback with what the gateway answers to this pod. Whoever can open a connection here speaks as the pod, and a browser on the
 * same machine can be made to open one by any page: so nothing is taken that a page could send (MCP 2025-11-25 transports, DNS rebinding).
 */
export function createOutward(options: {
  /** The gateway's door. */
  readonly url: string
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  /** On a Unix socket, which has no port to be named by. */
  readonly onSocket?: boolean
  readonly log: Log
}): RequestListener {
  const { url, fetch, onSocket = false, log } = options
  const path = new URL(url).pathname
  let open = 0
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const unfit = judge(request, { path, onSocket })
    if (unfit !== undefined) return refuse(response, unfit)
    if (open >= requestsMax) {
      const message = 'too many requests are under way'
      return refuse(response, { status: 503, code: internalError, message })
    }
    open += 1
    response.once('close', () => (open -= 1))
    const body = await readBody(request, bodyBytesMax)
    if (body === undefined) {
      const message = `want=at most ${bodyBytesMax} octets`
      return refuse(response, { status: 413, code: invalidRequest, message })
    }
    const given = new AbortController()
    response.once('close', () => given.abort())
    try {
      const answer = await fetch(url, {
        method: request.method ?? 'POST',
        headers: headersPassed(request.rawHeaders),
        signal: given.signal,
        ...(request.method === 'POST' ? { body: Uint8Array.from(body) } : {}),
      })
      response.writeHead(answer.status, headersOutside([...answer.headers].flat()))
      response.flushHeaders()
      if (answer.body === null) response.end()
      else await pipeline(Readable.fromWeb(answer.body), response)
    } catch (error) {
      if (given.signal.aborted) return
      log.warn({ error }, 'the gateway has not answered')
      if (response.headersSent) response.destroy()
      else refuse(response, notAnswered, readableId(body))
    }
  }
  return (request, response) => {
    serve(request, response).catch((error: unknown) => {
      log.error({ error }, 'request failed')
      response.destroy()
    })
  }
}

const notAnswered = {
  status: 502,
  code: internalError,
  message: 'the gateway has not answered: the log has why',
}

const methods: ReadonlySet<string> = new Set(['POST', 'GET', 'DELETE'])

function judge(
  { method = '', url, headers, headersDistinct, socket }: IncomingMessage,
  { path, onSocket }: { readonly path: string; readonly onSocket: boolean },
): Parameters<typeof refuse>[1] | undefined {
  const port = socket.localPort
  const hosts = onSocket ? ['localhost'] : [`127.0.0.1:${port}`, `localhost:${port}`]
  const [host = '', ...others] = headersDistinct['host'] ?? []
  if (others.length > 0 || !hosts.includes(host)) {
    return { status: 403, code: forbidden, message: 'want=the address of this endpoint as host' }
  }
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) {
    return { status: 403, code: forbidden, message: 'want=a program, and no page of a browser' }
  }
  if (url !== path) {
    return { status: 404, code: invalidRequest, message: 'nothing is served at this path' }
  }
  if (methods.has(method)) return undefined
  const allow = [...methods].join(', ')
  return { status: 405, code: invalidRequest, message: `want=${allow}`, headers: { allow } }
}
