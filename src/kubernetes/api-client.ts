import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { CountersignError } from '../errors.ts'
import { parseApiError } from './api-error.ts'
import { openConnection, type Connection, type ConnectionSource } from './connection.ts'
import { isSuccess, readAnswer, readChunks, send } from './exchange.ts'
import { parseJsonLines, type JsonLine } from './json-lines.ts'
import type { ServerClock } from './server-clock.ts'
import { ListScanner, type ScannedItem } from './list-scanner.ts'

/** Enough for any object that etcd stores: each of its 1.5 MiB may be a `<`, which Go writes in JSON as six octets. */
const objectBytesMax = 16 * 1024 * 1024
/** A refusal that is longer is none of the API server. */
const refusalBytesMax = 1024 * 1024
const timeoutSecondsDefault = 30
/** A third of what a Lease lasts here: one that is answered later is lost. */
const leaseTimeoutSecondsDefault = 5
const idleSecondsDefault = 75

/** Of Leases, in whatever version: nothing else is in their group that we ask for. */
const leasesPath = '/apis/coordination.k8s.io/'

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Absolute and already encoded, as `resourcePath` makes it. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** `application/json` unless told. */
  readonly contentType?: string
  readonly signal?: AbortSignal
  /** For the whole answer; unless told 30, and 5 for a Lease. */
  readonly timeoutSeconds?: number
  /** A longer answer is 'kubernetes/answer'; 16 MiB unless told. */
  readonly answerBytesMax?: number
  /** Takes the members of a list as they come; `items` is empty in the answer then. A member over 16 MiB is unreadable. */
  readonly onItem?: (item: ScannedItem) => void
  /** Asks as somebody else, which takes the right to impersonate them. */
  readonly as?: { readonly user: string; readonly groups: readonly string[] }
}

/** An answer as it came, whatever its status. */
export interface ApiAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** For who judges refusals and clocks, or reads pages that the API server fetches from a pod. */
export interface ApiProbe {
  /** Throws only where there is no answer, as `ApiClient` does. */
  ask(request: ApiRequest): Promise<ApiAnswer>
}

export interface ApiStream {
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** An open stream that is silent for longer is 'kubernetes/silent'; 75 unless told. */
  readonly idleSeconds?: number
  /** Called when the server has accepted the stream, before the first line. */
  readonly onOpen?: () => void
}

/**
 * Talks to one API server. Its refusals are `ApiError` ('kubernetes/api'); no answer at all, or a time-out, is
 * 'kubernetes/unreachable', after which a write may have happened or not; an answer that cannot be used is
 * 'kubernetes/answer'. An aborted signal rejects with its reason.
 */
export interface ApiClient {
  /** https://host:port */
  readonly server: string
  request<T = unknown>(request: ApiRequest): Promise<T>
  /** What each line is; one over 16 MiB is too long. */
  stream(stream: ApiStream): AsyncIterable<JsonLine>
  close(): void
}

function unreachable(what: string, connection: Connection, cause: unknown): CountersignError {
  const { server, proxy } = connection
  const message = `${what}: no answer: ${reasonOf(cause)}`
  return new CountersignError('kubernetes/unreachable', message, {
    cause,
    hint:
      proxy === undefined
        ? `is ${server.origin} the right server, is it up, and may it be reached from here?`
        : `is the proxy ${proxy} up, and does it reach ${server.origin}?`,
  })
}

/** Node tells of several addresses in one error without words of its own. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join(', ')
  return cause instanceof Error ? cause.message : String(cause)
}

/** No answer in the time that it had: a shorter one might have come. */
export function isTimeout(error: unknown): boolean {
  return (
    error instanceof CountersignError && (error.cause as Error | undefined)?.name === 'TimeoutError'
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusal(what: string, { status, headers, text }: ApiAnswer): Error {
  const answer = parseJson(text) ?? text
  return parseApiError({ what, status, answer, retryAfter: headers['retry-after'] })
}

async function answerOf(
  response: IncomingMessage,
  what: string,
  { answerBytesMax = objectBytesMax, onItem }: Pick<ApiRequest, 'answerBytesMax' | 'onItem'>,
): Promise<ApiAnswer> {
  const { statusCode: status = 0, headers } = response
  if (!isSuccess(status) || onItem === undefined) {
    const bytesMax = isSuccess(status) ? answerBytesMax : refusalBytesMax
    return { status, headers, text: (await readAnswer(response, what, bytesMax)).toString('utf8') }
  }
  const scanner = new ListScanner({ itemBytesMax: objectBytesMax, onItem })
  for await (const chunk of readChunks(response, what, answerBytesMax)) scanner.push(chunk)
  return { status, headers, text: scanner.end() }
}

interface Timer {
  /** Aborts with the caller's reason, or with a `TimeoutError`. */
  readonly signal: AbortSignal
  reset(): void
  clear(): void
}

/**
 * Ends what it guards when the time is over, or when the caller aborts; `reset` starts the time again. `AbortSignal.any` is left alone: a
 * caller's signal lives as long as the program, and keeps a weak reference for each request that was made under it.
 */
function startTimer(seconds: number, caller: AbortSignal | undefined): Timer {
  const controller = new AbortController()
  const timer = setTimeout(
    () => controller.abort(new DOMException(`nothing for ${seconds} s`, 'TimeoutError')),
    seconds * 1000,
  )
  const stop = (): void => controller.abort(caller?.reason)
  caller?.addEventListener('abort', stop)
  return {
    signal: controller.signal,
    reset: () => timer.refresh(),
    clear: () => {
      clearTimeout(timer)
      caller?.removeEventListener('abort', stop)
    },
  }
}

/** Every failure but our own and the caller's abort means that the server cannot be reached. */
function translate(
  error: unknown,
  what: string,
  from: {
    readonly connection: Connection
    readonly caller: AbortSignal | undefined
    readonly timer: AbortSignal
  },
): unknown {
  const { connection, caller, timer } = from
  if (error instanceof CountersignError) return error
  if (caller?.aborted === true) return caller.reason
  return unreachable(what, connection, timer.aborted ? timer.reason : error)
}

function createAsk(
  connection: Connection,
  userAgent: string,
  told: (answer: ApiAnswer, askedAt: number) => void,
): ApiProbe['ask'] {
  return async (request) => {
    const askedAt = Date.now()
    const { method, path, signal: caller } = request
    const what = `${method} ${path}`
    caller?.throwIfAborted()
    const kind = path.startsWith(leasesPath) ? 'lease' : 'plain'
    const ofKind = kind === 'lease' ? leaseTimeoutSecondsDefault : timeoutSecondsDefault
    const timer = startTimer(request.timeoutSeconds ?? ofKind, caller)
    try {
      const response = await send({
        connection,
        userAgent,
        method,
        path,
        query: request.query,
        body: request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body)),
        contentType: request.contentType,
        as: request.as,
        kind,
        signal: timer.signal,
      })
      const answer = await answerOf(response, what, request)
      told(answer, askedAt)
      return answer
    } catch (error) {
      throw translate(error, what, { connection, caller, timer: timer.signal })
    } finally {
      timer.clear()
    }
  }
}

function createRequest(ask: ApiProbe['ask']): ApiClient['request'] {
  return async <T>(request: ApiRequest): Promise<T> => {
    const what = `${request.method} ${request.path}`
    const answer = await ask(request)
    if (!isSuccess(answer.status)) throw refusal(what, answer)
    const parsed = parseJson(answer.text)
    if (parsed === undefined) {
      throw new CountersignError('kubernetes/answer', `${what}: answer: want=JSON got=other`)
    }
    return parsed as T
  }
}

async function* withReset(response: IncomingMessage, reset: () => void): AsyncGenerator<Buffer> {
  for await (const chunk of response as AsyncIterable<Buffer>) {
    reset()
    yield chunk
  }
}

function createStream(connection: Connection, userAgent: string): ApiClient['stream'] {
  return async function* (stream) {
    const { path, query, signal: caller, idleSeconds = idleSecondsDefault } = stream
    const what = `WATCH ${path}`
    caller.throwIfAborted()
    const timer = startTimer(idleSeconds, caller)
    let response: IncomingMessage | undefined
    try {
      response = await send({
        connection,
        userAgent,
        method: 'GET',
        path,
        query,
        body: undefined,
        contentType: undefined,
        as: undefined,
        kind: 'stream',
        signal: timer.signal,
      })
      if (!isSuccess(response.statusCode)) {
        throw refusal(what, await answerOf(response, what, {}))
      }
      timer.reset()
      stream.onOpen?.()
      yield* parseJsonLines(
        withReset(response, () => timer.reset()),
        { lineBytesMax: objectBytesMax },
      )
    } catch (error) {
      if (response !== undefined && timer.signal.aborted && !caller.aborted) {
        throw new CountersignError('kubernetes/silent', `${what}: nothing for ${idleSeconds} s`)
      }
      throw translate(error, what, { connection, caller, timer: timer.signal })
    } finally {
      timer.clear()
      // A consumer that leaves early leaves an endless answer behind: the connection cannot be used again.
      if (response?.complete !== true) response?.destroy()
    }
  }
}

/** Throws 'kubernetes/configuration' where there is no usable kubeconfig, and no pod that we run in. */
export function createApiClient(
  options: ConnectionSource & {
    readonly userAgent?: string
    /** Told what the API server says of the time. */
    readonly serverClock?: Pick<ServerClock, 'note'> | undefined
  } = {},
): ApiClient & ApiProbe {
  const { userAgent = 'countersign', serverClock, ...source } = options
  const connection = openConnection(source)
  const ask = createAsk(connection, userAgent, ({ status, headers }, askedAt) => {
    // What refuses may be a proxy, with a clock of its own.
    if (isSuccess(status))
      serverClock?.note({ date: headers.date, askedAt, answeredAt: Date.now() })
  })
  return {
    server: connection.server.href.replace(/\/$/, ''),
    ask,
    request: createRequest(ask),
    stream: createStream(connection, userAgent),
    close: () => connection.close(),
  }
}
