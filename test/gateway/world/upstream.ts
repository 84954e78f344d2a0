import { once } from 'node:events'
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createDrain, isTooLate, type Delay, type Drain } from '../../../src/drain.ts'
import type { Bundle } from '../../../src/pki/bundle.ts'
import type { Credential } from '../../../src/pki/credential.ts'

/** A request as an upstream has received it. */
export interface Received {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The certificate of the connection that it came on. */
  readonly peer: Buffer | undefined
}

export interface TestUpstream extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly received: Received[]
  /** How many are open. */
  connections(): Promise<number>
  /** Ends it in order, as `countersign.close` does. */
  readonly drain: Drain
  /** Ends it as a process that dies does. */
  die(): void
  /** Starts it anew at its port. */
  start(): Promise<void>
}

export type Answer = (
  message: JsonMessage,
  response: ServerResponse,
  request: IncomingMessage,
) => void

export type Stream = (response: ServerResponse, request: IncomingMessage) => void

export interface JsonMessage {
  readonly id?: string | number
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** An HTTPS server with client certificates that records what it gets and answers as a test tells it. */
export async function openUpstream(options: {
  readonly credential: Credential
  readonly bundle: Bundle
  readonly answer: Answer
  /** What is said on the stream of a session. Without: none is offered. */
  readonly stream?: Stream | undefined
  readonly delay?: Delay
}): Promise<TestUpstream> {
  const { credential, bundle, answer } = options
  const received: Received[] = []
  const server = createServer(
    {
      cert: credential.chainPem,
      key: credential.privateKeyPem,
      ca: bundle.pem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (request, response) => {
      if (isTooLate(request)) return
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8')
        const peer = (request.socket as TLSSocket).getPeerX509Certificate()?.raw
        received.push({ method: request.method ?? '', headers: request.headers, body, peer })
        if (request.method === 'GET') {
          if (options.stream === undefined) response.writeHead(405).end()
          else options.stream(response, request)
        } else if (body === '') response.writeHead(200).end()
        else answer(JSON.parse(body) as JsonMessage, response, request)
      })
    },
  )
  const drain = createDrain(server, options.delay)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}/mcp`,
    port,
    received,
    drain,
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => {
          if (error === null) resolve(count)
          else reject(error)
        })
      }),
    die() {
      server.close()
      server.closeAllConnections()
    },
    async start() {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function sendJson(response: ServerResponse, text: string, headers: object = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(text)
}

/** A result, as JSON or as the one event of a stream. */
export function sendResult(
  response: ServerResponse,
  { id, result, form }: { readonly id: unknown; readonly result: object; readonly form: string },
): void {
  const text = JSON.stringify({ jsonrpc: '2.0', id, result })
  if (form !== 'events') return sendJson(response, text)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end(`data: ${text}\n\n`)
}

/** Tools of the default upstream; `big` has a number that a double does not hold, and members nobody knows. */
export const toolTexts: readonly string[] = [
  '{"name":"echo","description":"says it","inputSchema":{"type":"object"},"vendor":{"x":[1, 2.50]}}',
  '{"inputSchema":{"type":"object","properties":{"n":{"const":9007199254740993}}},"name":"big","annotations":{"readOnlyHint":true}}',
  '{"name":"delete","inputSchema":{"type":"object"}}',
  '{"name":"secret","inputSchema":{"type":"object"}}',
]

/** A plain upstream of both eras: lists its tools, echoes calls. */
export function answerBoth(
  options: { readonly tools?: readonly string[]; readonly name?: string } = {},
): Answer {
  const { tools = toolTexts, name = 'test' } = options
  return (message, response) => {
    const id = JSON.stringify(message.id)
    const modern =
      (message.params?.['_meta'] as Record<string, unknown> | undefined)?.[
        'io.modelcontextprotocol/protocolVersion'
      ] !== undefined
    const complete = modern ? '"resultType":"complete",' : ''
    const result = (text: string, headers: object = {}): void =>
      sendJson(response, `{"jsonrpc":"2.0","id":${id},"result":${text}}`, headers)
    if (message.id === undefined) {
      response.writeHead(202).end()
      return
    }
    switch (message.method) {
      case 'initialize':
        result(
          `{"protocolVersion":${JSON.stringify(message.params?.['protocolVersion'])},"capabilities":{"tools":{"listChanged":true},"logging":{}},"serverInfo":{"name":"${name}","version":"1.2.3"}}`,
          { 'mcp-session-id': `session-of-${name}` },
        )
        return
      case 'server/discover':
        result(
          '{"resultType":"complete","supportedVersions":["2026-07-28","2099-01-01"],"capabilities":{"tools":{},"prompts":{}},"ttlMs":3600000,"cacheScope":"public"}',
        )
        return
      case 'tools/list':
        result(`{${complete}"tools":[${tools.join(' , ')}],"x-kept":12345678901234567890}`)
        return
      default:
        result(
          `{${complete}"content":[{"type":"text","text":${JSON.stringify(JSON.stringify(message.params?.['arguments'] ?? null))}}]}`,
        )
    }
  }
}

/** What a server also lists beside its tools, by method: of what is not here it says that there is no such method. */
export function alsoListing(answer: Answer, lists: Readonly<Record<string, object>> = {}): Answer {
  return (message, response, request) => {
    const { id, method } = message
    if (method === undefined || !otherLists.has(method)) {
      answer(message, response, request)
      return
    }
    const outcome = Object.hasOwn(lists, method)
      ? { result: { resultType: 'complete', ...lists[method] } }
      : { error: { code: -32601, message: 'Method not found' } }
    sendJson(response, JSON.stringify({ jsonrpc: '2.0', id, ...outcome }))
  }
}

const otherLists: ReadonlySet<string> = new Set([
  'prompts/list',
  'resources/list',
  'resources/templates/list',
])
