import type { ServerResponse } from 'node:http'
import { applyEdits } from '../mcp/edits.ts'
import type {
  Message,
  NotificationMessage,
  RequestMessage,
  ResponseMessage,
} from '../mcp/message.ts'
import { isBlank, oneLine } from '../mcp/one-line.ts'
import { outline, type Outline } from '../mcp/outline.ts'
import type { LongLine } from '../mcp/read-lines.ts'
import { membersOf } from '../mcp/spans.ts'
import type { Account } from '../shares.ts'
import type { VerifiedCaller } from '../toolserver/caller.ts'
import { refuse } from '../toolserver/refuse.ts'
import type { Child } from './child.ts'
import { inward } from './inward.ts'
import { createReply, openStream, type Reply } from './reply.ts'
import { internalError, invalidRequest, unavailable, type Unfit } from './unfit.ts'

/** Requests that wait for the server, or for the caller, at a time. */
const openMax = 256

interface Open {
  readonly rawId: string
  readonly key: string
  readonly begins: boolean
  readonly progressToken: string | undefined
  readonly response: ServerResponse
  readonly reply: Reply
}

export interface TalkOptions {
  readonly child: Child
  /** Told to the caller with the answer to `initialize`. */
  readonly sessionId: string
  readonly now: () => number
  /** Its process has ended, or has opened no session. */
  readonly over: () => void
}

/**
 * One session, which is one process of the server inside: whatever that says, it says to the caller of this session and to nobody else
 * (MCP 2025-11-25 and 2025-06-18, stdio on one side and Streamable HTTP on the other).
 */
export class Talk implements AsyncDisposable {
  /** Whose it is, for as long as it lasts: who was named by the first message that came in somebody's name. */
  owner: Account | undefined
  readonly #options: TalkOptions
  /** By the ids that the server knows. */
  readonly #open = new Map<number, Open>()
  /** What the server has asked and nobody has answered yet, oldest first: by its id, the id as the server writes it. */
  readonly #asked = new Map<string, string>()
  #stream: { readonly response: ServerResponse; readonly reply: Reply } | undefined
  #usedAt: number
  #nextId = 1

  constructor(options: TalkOptions) {
    this.#options = options
    this.#usedAt = options.now()
    void this.#hear()
  }

  get sessionId(): string {
    return this.#options.sessionId
  }

  /** Since something was under way; 0 while something is. That somebody listens is nothing before it is somebody's. */
  idleMilliseconds(): number {
    const isHeard = this.#stream !== undefined && this.owner !== undefined
    const isUsed = this.#open.size > 0 || isHeard
    return isUsed ? 0 : this.#options.now() - this.#usedAt
  }

  post(message: Message, caller: VerifiedCaller, response: ServerResponse): void {
    this.#usedAt = this.#options.now()
    if (message.kind === 'request') return this.#request(message, caller, response)
    const unfit = this.#notice(message, caller)
    if (unfit !== undefined) return refuse(response, unfit)
    response.writeHead(202).end()
    return undefined
  }

  /** The stream of what belongs to no request; one at a time. */
  listen(response: ServerResponse): void {
    if (this.#stream !== undefined) return refuse(response, listensAlready)
    this.#stream = { response, reply: createReply(response) }
    response.once('close', () => {
      this.#stream = undefined
      this.#usedAt = this.#options.now()
    })
    return openStream(response)
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#options.child[Symbol.asyncDispose]()
  }

  #request(message: RequestMessage, caller: VerifiedCaller, response: ServerResponse): void {
    const { child, sessionId } = this.#options
    const rawId = message.id.raw
    const id = this.#nextId
    this.#nextId += 1
    const { octets, progressToken } = inward(message, { caller, id })
    if (this.#open.size >= openMax || !child.write(oneLine(octets))) {
      return refuse(response, tooMuch, rawId)
    }
    const begins = message.method === 'initialize'
    const reply = createReply(response, begins ? { 'mcp-session-id': sessionId } : {})
    const key = keyOf(message.id.value)
    this.#open.set(id, { rawId, key, begins, progressToken, response, reply })
    response.once('close', () => {
      if (!this.#open.has(id)) return
      this.#close(id)
      if (!begins) child.write(cancelled(id))
    })
    return undefined
  }

  #notice(
    message: NotificationMessage | ResponseMessage,
    caller: VerifiedCaller,
  ): Unfit | undefined {
    const { child } = this.#options
    if (message.kind === 'response') {
      if (!this.#asked.delete(keyOf(message.id.value))) return notAsked
    } else if (message.method === 'notifications/cancelled') {
      const meant = keyOf(message.params['requestId'])
      const [id] = [...this.#open].findLast(([, { key }]) => key === meant) ?? []
      if (id !== undefined) child.write(cancelled(id))
      return undefined
    }
    const { octets } = inward(message, { caller, id: 0 })
    return child.write(oneLine(octets)) ? undefined : tooMuch
  }

  async #hear(): Promise<void> {
    const { child, over } = this.#options
    try {
      for await (const line of child.lines) await this.#take(line)
    } catch {
      // Its output broke, which is its end.
    }
    over()
    for (const { rawId, response, reply } of this.#open.values()) {
      if (response.headersSent) reply.last(errorLine(rawId, ended.message))
      else refuse(response, ended, rawId)
    }
    this.#open.clear()
    this.#stream?.response.end()
  }

  async #take(line: Buffer | LongLine): Promise<void> {
    if (!Buffer.isBuffer(line)) {
      return this.#answer(line.rawId, (rawId) => errorLine(rawId, 'the answer is too long'))
    }
    if (isBlank(line)) return undefined
    const message = outline(line)
    if (message === undefined) return this.#options.child.say(line.toString('utf8'))
    if (message.kind === 'request') return this.#ask(message)
    if (message.kind === 'notification') return this.#tell(message)
    const isError = message.error !== undefined
    return this.#answer(message.rawId, (rawId) => withId(message, rawId), isError)
  }

  #answer(inside: string | undefined, line: (rawId: string) => Buffer, isError = true): void {
    const id = Number(inside)
    const found = this.#open.get(id)
    if (found === undefined) return
    this.#close(id)
    found.reply.last(line(found.rawId))
    if (found.begins && isError) this.#options.over()
  }

  #close(id: number): void {
    this.#open.delete(id)
    this.#usedAt = this.#options.now()
  }

  /** What a server asks while it works is of the work that began last: it does not say of which. */
  async #ask(message: Outline): Promise<void> {
    const { child } = this.#options
    const { rawId = 'null', octets } = message
    const reply = this.#newest() ?? this.#stream?.reply
    if (reply === undefined) {
      child.write(errorLine(rawId, 'nobody is there to be asked'))
      return
    }
    // Callers that go away answer nothing, and must not be the last ones that are asked.
    const [oldest] = this.#asked.size >= openMax ? this.#asked : []
    if (oldest !== undefined) {
      this.#asked.delete(oldest[0])
      child.write(errorLine(oldest[1], 'nobody has answered'))
    }
    this.#asked.set(keyOf(message.id), rawId)
    await reply.event(octets)
  }

  async #tell(message: Outline): Promise<void> {
    const { method, params, octets } = message
    if (method === 'notifications/progress') {
      const found = this.#open.get(Number(params['progressToken']))
      const told = found && progressOf(message, found.progressToken)
      if (told !== undefined) await found?.reply.event(told)
      return
    }
    const [newest, stream] = [this.#newest(), this.#stream?.reply]
    const reply = method === 'notifications/message' ? (newest ?? stream) : (stream ?? newest)
    await reply?.event(octets)
  }

  #newest(): Reply | undefined {
    return [...this.#open.values()].at(-1)?.reply
  }
}

const ended: Unfit = { status: 502, code: internalError, message: 'the server inside has ended' }
const tooMuch: Unfit = unavailable('the server inside has too much to do')
const notAsked: Unfit = {
  status: 400,
  code: invalidRequest,
  message: 'nothing of this id was asked',
}
const listensAlready: Unfit = {
  status: 409,
  code: invalidRequest,
  message: 'the session has a stream already',
}

/** Of an id, however it is written. */
function keyOf(id: unknown): string {
  return JSON.stringify(id) ?? ''
}

function withId({ octets, members }: Outline, text: string): Buffer {
  const id = members.get('id')
  return id === undefined ? octets : applyEdits(octets, [{ ...id, text }])
}

/** The notification under the token of the caller; nothing where it was asked for by none. */
function progressOf({ octets, members }: Outline, token: string | undefined): Buffer | undefined {
  const params = members.get('params')
  const span = params && membersOf(octets, params)?.get('progressToken')
  if (span === undefined || token === undefined) return undefined
  return applyEdits(octets, [{ ...span, text: token }])
}

function cancelled(id: number): Buffer {
  const params = { requestId: id, reason: 'nobody waits for it any more' }
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params }))
}

function errorLine(rawId: string, message: string): Buffer {
  const error = JSON.stringify({ code: internalError, message })
  return Buffer.from(`{"jsonrpc":"2.0","id":${rawId},"error":${error}}`)
}
