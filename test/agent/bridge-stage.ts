import { PassThrough } from 'node:stream'
import { runStdioBridge, type StdioBridgeOptions } from '../../src/agent/stdio-bridge.ts'
import { eventually } from '../support/eventually.ts'

/** A request as the gateway of a test gets it. */
export interface Sent {
  readonly method: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

export type Answer = (sent: Sent, index: number) => Response | Promise<Response>

/** A bridge with a client on one side and a scripted gateway on the other. */
export interface BridgeStage extends AsyncDisposable {
  readonly sent: readonly Sent[]
  /** The lines that the client has got. */
  readonly written: readonly string[]
  readonly warned: readonly string[]
  readonly input: PassThrough
  say(...lines: readonly string[]): void
  /** Waits for so many lines. */
  lines(count: number): Promise<readonly string[]>
  /** The client sends no more; settles when the bridge has ended. */
  end(): Promise<readonly string[]>
  readonly ended: Promise<void>
}

export function openBridgeStage(
  answer: Answer,
  options: Partial<StdioBridgeOptions> = {},
): BridgeStage {
  const sent: Sent[] = []
  const written: string[] = []
  const warned: string[] = []
  const input = new PassThrough()
  const ended = runStdioBridge({
    input,
    write: (line) => {
      written.push(line.toString('utf8'))
      return Promise.resolve()
    },
    warn: (text) => warned.push(text),
    url: 'https://gateway.test/mcp',
    fetch: async (_url, init = {}) => {
      const body = init.body instanceof Uint8Array ? Buffer.from(init.body).toString('utf8') : ''
      const headers = Object.fromEntries(new Headers(init.headers))
      const signal = init.signal ?? new AbortController().signal
      sent.push({ method: init.method ?? 'GET', body, headers, signal })
      const cut = new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
      const given = sent.at(-1) as Sent
      const response = await Promise.race([answer(given, sent.length - 1), cut])
      const { status, headers: told, body: stream } = response
      // As of every fetch, the end of the request ends the body of its answer.
      const open = stream === null ? null : stream.pipeThrough(new TransformStream(), { signal })
      return new Response(open, { status, headers: told })
    },
    ...options,
  })
  return {
    sent,
    written,
    warned,
    input,
    ended,
    say: (...lines) => void input.write(lines.map((line) => `${line}\n`).join('')),
    async lines(count) {
      await eventually(`${count} lines`, () => written.length >= count)
      return written
    },
    async end() {
      input.end()
      await ended
      return written
    },
    async [Symbol.asyncDispose]() {
      input.destroy()
      await ended
    },
  }
}

const json = { 'content-type': 'application/json' }

export function jsonAnswer(text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { headers: { ...json, ...headers } })
}

/** A stream that a test writes to, as its bytes go over the line. */
export function openStream(): {
  readonly response: Response
  write(text: string | Uint8Array): void
  close(): void
  break(error: Error): void
  readonly cancelled: Promise<void>
} {
  const cancelled = Promise.withResolvers<void>()
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
    cancel: () => cancelled.resolve(),
  })
  return {
    response: new Response(body, { headers: { 'content-type': 'text/event-stream' } }),
    write: (text) => controller?.enqueue(typeof text === 'string' ? Buffer.from(text) : text),
    close: () => controller?.close(),
    break: (error) => controller?.error(error),
    cancelled: cancelled.promise,
  }
}

export function modernRequest(id: number | string, method: string, params: object = {}): string {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  return JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } })
}

export function legacyRequest(id: number | string, method: string, params: object = {}): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params })
}

export function notification(method: string, params: object = {}): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params })
}

export function resultText(id: number | string, value: object = {}): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result: value })
}

/** Answers every request with its method, whatever it asks. */
export const echoes: Answer = ({ body }) => {
  const { id, method } = JSON.parse(body) as { id?: number; method: string }
  if (id === undefined) return new Response(null, { status: 202 })
  return jsonAnswer(resultText(id, { method }))
}
