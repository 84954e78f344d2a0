import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { createAuthority, writeKubeconfig } from './cluster-credentials.ts'

export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
  /** The common name of the client certificate. */
  readonly user: string
  /** Tells connections apart. */
  readonly connection: number
}

/** What the script says to one request. */
export interface FakeAnswer {
  readonly status?: number
  readonly headers?: Record<string, string>
  /** Sent as JSON, or as it is when it is text. */
  readonly body?: unknown
  /** Sent as they are made, no faster than they are read: for answers that should not stand in memory. */
  readonly chunks?: Iterable<string | Buffer>
  /** Sent one after the other, each with a newline unless it is raw text; the answer stays open after them. */
  readonly lines?: readonly unknown[]
  /** Says nothing at all. */
  readonly hang?: boolean
  /** Resets the connection: at once, or after the lines. */
  readonly cut?: boolean
  /** Ends the answer after the lines. */
  readonly end?: boolean
}

export interface FakeStream {
  readonly request: FakeRequest
  readonly closed: boolean
  send(...lines: readonly unknown[]): void
  end(): void
  cut(): void
}

export interface FakeApiServer extends AsyncDisposable {
  readonly url: string
  readonly kubeconfig: string
  /** Every request so far, in order. */
  readonly requests: readonly FakeRequest[]
  /** Streams (answers with `lines`) so far, in order. */
  readonly streams: readonly FakeStream[]
  /** Answers the next request; scripts are used up in order, then `otherwise` answers. */
  script(...answers: readonly (FakeAnswer | ((request: FakeRequest) => FakeAnswer))[]): void
  otherwise(answer: (request: FakeRequest) => FakeAnswer): void
  /** Resolves when that many requests came. */
  requested(count: number): Promise<void>
}

/** A Status object as the API server makes it. */
export function statusAnswer(status: number, reason: string, more: object = {}): FakeAnswer {
  const body = { kind: 'Status', status: 'Failure', code: status, reason, message: reason, ...more }
  return { status, body }
}

export function listAnswer(items: readonly unknown[], resourceVersion: string): FakeAnswer {
  return { body: { metadata: { resourceVersion }, items } }
}

function encodeLine(line: unknown): string {
  return typeof line === 'string' ? line : `${JSON.stringify(line)}\n`
}

function openStream(request: FakeRequest, response: ServerResponse): FakeStream {
  return {
    request,
    get closed() {
      return response.closed || response.destroyed
    },
    send: (...lines) => lines.forEach((line) => response.write(encodeLine(line))),
    end: () => void response.end(),
    cut: () => void response.socket?.destroy(),
  }
}

function answerWith(
  request: FakeRequest,
  response: ServerResponse,
  answer: FakeAnswer,
): FakeStream | undefined {
  if (answer.hang === true) return undefined
  if (answer.lines === undefined && answer.cut === true) {
    response.socket?.destroy()
    return undefined
  }
  response.writeHead(answer.status ?? 200, {
    'content-type': 'application/json',
    ...answer.headers,
  })
  if (answer.chunks !== undefined) {
    pipeline(Readable.from(answer.chunks), response, () => {})
    return undefined
  }
  if (answer.lines === undefined) {
    const { body } = answer
    response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}))
    return undefined
  }
  response.flushHeaders()
  const stream = openStream(request, response)
  for (const line of answer.lines) stream.send(line)
  if (answer.end === true) stream.end()
  // The lines have to be on their way before the reset.
  if (answer.cut === true) setImmediate(() => stream.cut())
  return stream
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  return text === '' ? undefined : JSON.parse(text)
}

/** An API server that says what it is told, over HTTPS, to clients with a certificate; or to anybody who is `anonymous`. */
export async function startFakeApiServer(
  options: { readonly anonymous?: boolean } = {},
): Promise<FakeApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-fake-'))
  const authority = await createAuthority('fake API server CA')
  const serving = await authority.issueServer([
    { type: 'ip', value: '127.0.0.1' },
    { type: 'dns', value: 'fake.example' },
  ])
  const requests: FakeRequest[] = []
  const streams: FakeStream[] = []
  const scripts: (FakeAnswer | ((request: FakeRequest) => FakeAnswer))[] = []
  let fallback = (request: FakeRequest): FakeAnswer =>
    statusAnswer(404, 'NotFound', { message: `nothing scripted for ${request.path}` })
  let wakeUps: (() => void)[] = []
  const sockets = new Map<Socket, number>()

  const server = createServer({
    cert: serving.certificatePem,
    key: serving.privateKeyPem,
    ca: authority.certificatePem,
    requestCert: true,
    rejectUnauthorized: options.anonymous !== true,
  })
  server.on('secureConnection', (socket: Socket) => {
    sockets.set(socket, sockets.size + 1)
  })
  server.on('request', (incoming, response) => {
    void (async () => {
      const url = new URL(incoming.url ?? '/', 'https://fake')
      const socket = incoming.socket as Socket & {
        getPeerCertificate?(): { subject?: { CN?: string } }
      }
      const request: FakeRequest = {
        method: incoming.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: incoming.headers,
        body: await readBody(incoming),
        user: socket.getPeerCertificate?.().subject?.CN ?? '',
        connection: sockets.get(socket) ?? 0,
      }
      requests.push(request)
      const next = scripts.shift() ?? fallback
      const stream = answerWith(
        request,
        response,
        typeof next === 'function' ? next(request) : next,
      )
      if (stream !== undefined) streams.push(stream)
      for (const wakeUp of wakeUps.splice(0)) wakeUp()
    })()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const kubeconfig = await writeKubeconfig({
    path: join(folder, 'kubeconfig.yaml'),
    server: url,
    caPem: authority.certificatePem,
    credential: await authority.issueClient({ name: 'tester', groups: [] }),
  })

  return {
    url,
    kubeconfig,
    requests,
    streams,
    script: (...answers) => void scripts.push(...answers),
    otherwise: (answer) => void (fallback = answer),
    async requested(count) {
      while (requests.length < count) {
        await new Promise<void>((resolve) => {
          wakeUps = [...wakeUps, resolve]
        })
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.keys()) socket.destroy()
      server.close()
      await once(server, 'close')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
