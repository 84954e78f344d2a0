import { isUtf8 } from 'node:buffer'
import { addAbortSignal, type Readable } from 'node:stream'
import { Bag } from '../bag.ts'
import { CountersignError, quoted } from '../errors.ts'
import { problemCodes } from '../mcp/problem.ts'
import type { CountersignFetch } from './countersign-fetch.ts'
import { errorLine, explainFailure } from './explain-failure.ts'
import { createLane, type Lane } from '../lane.ts'
import { createLegacySession, endSession, type Post } from './legacy-session.ts'
import { createListedTools } from './listed-tools.ts'
import { claimedVersion, outline, type Outline } from '../mcp/outline.ts'
import { isBlank, oneLine } from '../mcp/one-line.ts'
import { readLines, type LongLine } from '../mcp/read-lines.ts'
import { legacyHeaders, modernHeaders } from './request-headers.ts'
import { openRequest, type OpenRequest, type RequestMeans } from './serve-request.ts'

export interface BridgeBounds {
  /** Of one line of the input, as of a body that the gateway takes. */
  readonly lineOctetsMax: number
  /** Of one answer, or one event of a stream. */
  readonly answerOctetsMax: number
  /** Requests that are open at a time. */
  readonly requestsMax: number
  /** Notifications, and answers of the client, that are on their way at a time. */
  readonly noticesMax: number
  /** Messages that wait for their turn beyond these. */
  readonly waitingMax: number
  readonly waitingOctetsMax: number
  /** What the end of a session may take, once all is answered. */
  readonly endMilliseconds: number
}

/** A client waits two seconds for its server to end, then sends SIGTERM (MCP TypeScript SDK): the session is to be ended by then. */
export const bridgeBounds: BridgeBounds = {
  lineOctetsMax: 4 * 1024 * 1024,
  answerOctetsMax: 16 * 1024 * 1024,
  requestsMax: 32,
  noticesMax: 16,
  waitingMax: 1024,
  waitingOctetsMax: 64 * 1024 * 1024,
  endMilliseconds: 1500,
}

export interface StdioBridgeOptions {
  readonly input: Readable
  /** Writes one line, without its end; settles when the next may be written, and rejects when nobody reads any more. */
  readonly write: (line: Buffer) => Promise<void>
  /** Tells the user what no message can tell. */
  readonly warn: (text: string) => void
  readonly fetch: CountersignFetch['fetch']
  readonly url: string
  /** Ends the bridge: what is open is answered with an error. */
  readonly signal?: AbortSignal
  readonly bounds?: Partial<BridgeBounds>
}

/**
 * MCP over standard input and output on one side (one JSON-RPC message a line), the gateway on the other: for clients that cannot show a
 * certificate. It adds the headers that the transport asks for and passes octets: no message is written anew. Ends with the input, when
 * all is answered. Source: MCP 2026-07-28 and 2025-11-25, transports.
 */
export async function runStdioBridge(options: StdioBridgeOptions): Promise<void> {
  const bridge = new Bridge(options)
  await bridge.run()
}

/** Messages that the ones after them wait for, because they make what those need: a session (MCP 2025-11-25, lifecycle). */
const lifecycle = new Set(['initialize', 'notifications/initialized'])

/** Requests whose answer is a stream that ends with the client. */
const endless = 'subscriptions/listen'

class Bridge {
  readonly #options: StdioBridgeOptions
  readonly #bounds: BridgeBounds
  /** Aborted when the client reads no more, or the bridge is told to end. */
  readonly #over = new AbortController()
  readonly #means: RequestMeans
  readonly #requests: Lane
  readonly #notices: Lane
  readonly #open = new Bag<OpenRequest>()
  /** Settles when the session is made that the messages so far ask for. */
  #opened: Promise<void> = Promise.resolve()

  constructor(options: StdioBridgeOptions) {
    const bounds = { ...bridgeBounds, ...options.bounds }
    const { fetch, url, warn } = options
    const { answerOctetsMax } = bounds
    this.#options = options
    this.#bounds = bounds
    this.#requests = createLane({ ...bounds, openMax: bounds.requestsMax })
    this.#notices = createLane({ ...bounds, openMax: bounds.noticesMax })
    const post: Post = (octets, headers, signal) =>
      fetch(url, { method: 'POST', headers, body: new Uint8Array(octets), signal })
    this.#means = {
      post,
      warn,
      answerOctetsMax,
      session: createLegacySession({ post, warn, answerOctetsMax, signal: this.#over.signal }),
      tools: createListedTools(),
      write: (line) => this.#write(line),
    }
  }

  async run(): Promise<void> {
    const { input, signal, warn, fetch, url } = this.#options
    const { lineOctetsMax, endMilliseconds } = this.#bounds
    const over = this.#over.signal
    const stop = (): void => this.#over.abort()
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted === true) stop()
    over.addEventListener('abort', () => this.#endAll(), { once: true })
    try {
      for await (const line of readLines(addAbortSignal(over, input), lineOctetsMax)) {
        await this.#take(line)
      }
    } catch (error) {
      if (!over.aborted) warn(`the input broke: ${explainFailure(error)}`)
    }
    for (const each of this.#open.members()) if (each.message.method === endless) each.leave()
    await Promise.all([this.#requests.whenEmpty(), this.#notices.whenEmpty()])
    signal?.removeEventListener('abort', stop)
    const { agreed } = this.#means.session
    await endSession({ agreed, fetch, url, signal: AbortSignal.timeout(endMilliseconds) })
  }

  async #take(line: Buffer | LongLine): Promise<void> {
    if (!Buffer.isBuffer(line)) return this.#refuseLong(line)
    if (isBlank(line)) return undefined
    const message = outline(line)
    if (message === undefined) return this.#write(errorLine(undefined, ...unreadable(line)))
    if (message.kind === 'request') return this.#takeRequest(message)
    if (message.method === 'notifications/cancelled') return this.#takeCancel(message)
    return this.#takeNotice(message)
  }

  async #takeRequest(message: Outline): Promise<void> {
    const request = openRequest(message, this.#means)
    const before = this.#opened
    const done = Promise.withResolvers<void>()
    const isTaken = this.#requests.take(async () => {
      await Promise.race([before, aborted(request.signal)])
      await request.serve()
      this.#open.delete(request)
      done.resolve()
    }, message.octets.length)
    if (!isTaken) return this.#write(errorLine(message.rawId, this.#tooMany()))
    this.#open.add(request)
    if (lifecycle.has(message.method)) this.#opened = done.promise
    return undefined
  }

  #takeNotice(message: Outline): void {
    const before = this.#opened
    const done = Promise.withResolvers<void>()
    const isTaken = this.#notices.take(async () => {
      if (message.kind === 'notification') await before
      await this.#sendNotice(message)
      done.resolve()
    }, message.octets.length)
    if (!isTaken) this.#options.warn(`${describe(message)} was not taken: ${this.#tooMany()}`)
    else if (lifecycle.has(message.method)) this.#opened = done.promise
  }

  /**
   * Modern: the end of its exchange is the cancellation of a request. Legacy: the notification is, and the exchange ends after it. What is
   * not open, or was not sent, has nothing to cancel.
   */
  #takeCancel(message: Outline): void {
    const id = message.params['requestId']
    const meant = this.#open.members().filter((each) => each.message.id === id)
    const cancelled = meant.filter((each) => each.message.method !== 'initialize')
    const told = cancelled.filter(({ era, isSent }) => era === 'legacy' && isSent)
    for (const each of cancelled.filter((one) => !told.includes(one))) each.leave()
    if (told.length === 0) return
    const leave = (): void => {
      for (const each of told) each.leave()
    }
    const isTaken = this.#notices.take(() => this.#sendNotice(message).then(leave), 0)
    if (isTaken) return
    leave()
    this.#options.warn(`${describe(message)} was not taken: ${this.#tooMany()}`)
  }

  async #sendNotice(message: Outline): Promise<void> {
    const { post, session, warn } = this.#means
    const headers =
      claimedVersion(message) === undefined
        ? legacyHeaders(session.agreed)
        : modernHeaders(message, [])
    try {
      const answer = await post(message.octets, headers, this.#over.signal)
      await answer.body?.cancel()
      if (answer.status >= 400) warn(`${describe(message)} was not taken: HTTP ${answer.status}`)
      else if (message.method === 'notifications/initialized') session.confirm(message)
    } catch (error) {
      if (!this.#over.signal.aborted) {
        warn(`${describe(message)} was not taken: ${explainFailure(error)}`)
      }
    }
  }

  #refuseLong({ octets, rawId }: LongLine): Promise<void> {
    const { lineOctetsMax } = this.#bounds
    const message = `the message is too long: want≤${lineOctetsMax} octets got=${octets}`
    return this.#write(errorLine(rawId, message, problemCodes.invalidRequest))
  }

  #tooMany(): string {
    const { requestsMax, waitingMax, waitingOctetsMax } = this.#bounds
    return `too many messages at once: want≤${requestsMax} open and ${waitingMax} (${waitingOctetsMax} octets) waiting`
  }

  #endAll(): void {
    const why = new CountersignError('agent/ended', 'the bridge was told to end before the answer')
    for (const each of this.#open.members()) each.end(why)
  }

  async #write(line: Buffer): Promise<void> {
    try {
      await this.#options.write(oneLine(line))
    } catch {
      // Nobody reads any more, so nobody waits for what is open.
      this.#over.abort()
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function describe({ kind, method }: Outline): string {
  return kind === 'response' ? 'an answer of the client' : quoted(method)
}

/** Why a line is no message, and the code that says so (JSON-RPC 2.0 §5.1). */
function unreadable(line: Buffer): [message: string, code: number] {
  if (!isUtf8(line)) return ['the line is not UTF-8', problemCodes.parseError]
  try {
    JSON.parse(line.toString('utf8'))
    return ['the line is not one JSON-RPC 2.0 message', problemCodes.invalidRequest]
  } catch {
    return ['the line is not JSON', problemCodes.parseError]
  }
}
