import { isJsonObject } from '../mcp/envelope.ts'
import { problemCodes } from '../mcp/problem.ts'
import { CountersignError } from '../errors.ts'
import { answerTexts } from './answer-texts.ts'
import { errorLine, explainFailure, unanswered } from './explain-failure.ts'
import type { LegacySession, Post } from './legacy-session.ts'
import type { ListedTools } from './listed-tools.ts'
import { claimedVersion, outline, type Outline } from '../mcp/outline.ts'
import { legacyHeaders, modernHeaders } from './request-headers.ts'

/** What a request is served with. */
export interface RequestMeans {
  readonly post: Post
  readonly session: LegacySession
  readonly tools: ListedTools
  readonly write: (line: Buffer) => Promise<void>
  readonly warn: (text: string) => void
  readonly answerOctetsMax: number
}

/** A request of the client's that has not been answered. */
export interface OpenRequest {
  readonly message: Outline
  /** Modern: its version stands in it. Legacy: its session has it. */
  readonly era: 'modern' | 'legacy'
  /** Whether it may have reached the gateway. */
  readonly isSent: boolean
  /** Takes it to its end: writes its one answer, whatever happens, unless it is left. */
  serve(): Promise<void>
  /** Nobody waits for its answer any more: its exchange ends, and nothing is written. */
  leave(): void
  /** Ends its exchange and answers it with why. */
  end(why: CountersignError): void
  /** Aborted by either. */
  readonly signal: AbortSignal
}

export function openRequest(message: Outline, means: RequestMeans): OpenRequest {
  return new Exchange(message, means)
}

class Exchange implements OpenRequest {
  readonly message: Outline
  readonly era: 'modern' | 'legacy'
  readonly #means: RequestMeans
  readonly #abort = new AbortController()
  #isSent = false
  #isLeft = false
  /** Headers were made of what was known of the tool; once more they may be made of what its list says now. */
  #isLookedUp = false

  constructor(message: Outline, means: RequestMeans) {
    this.message = message
    this.era = claimedVersion(message) === undefined ? 'legacy' : 'modern'
    this.#means = means
  }

  get isSent(): boolean {
    return this.#isSent
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  leave(): void {
    this.#isLeft = true
    this.#abort.abort()
  }

  end(why: CountersignError): void {
    this.#abort.abort(why)
  }

  async serve(): Promise<void> {
    if (this.#isLeft) return
    try {
      this.signal.throwIfAborted()
      await this.#passAnswer(await this.#send())
    } catch (error) {
      if (this.#isLeft) return
      const why = this.signal.aborted ? this.signal.reason : error
      await this.#means.write(errorLine(this.message.rawId, explainFailure(why)))
    }
  }

  async #send(): Promise<Response> {
    const { post, session, tools } = this.#means
    const { octets, params } = this.message
    this.#isSent = true
    if (this.era === 'modern') {
      return post(octets, modernHeaders(this.message, tools.of(params['name'])), this.signal)
    }
    // It is what agrees on a session, so it is sent in none.
    if (this.message.method === 'initialize') {
      return post(octets, legacyHeaders(undefined), this.signal)
    }
    const { agreed } = session
    const response = await post(octets, legacyHeaders(agreed), this.signal)
    if (response.status !== 404 || agreed?.sessionId === undefined) return response
    // A session that is not there has begun nothing, so nothing is done twice.
    await response.body?.cancel()
    return post(octets, legacyHeaders(await session.reopen(agreed)), this.signal)
  }

  /** Writes what the answer says, up to the answer itself: what a server sends after that is for nobody. */
  async #passAnswer(response: Response): Promise<void> {
    const texts = answerTexts(response, this.#means.answerOctetsMax)
    let unread = ''
    for (;;) {
      const { value: text, done } = await texts.next()
      if (done === true) throw unanswered(response.status, unread)
      const read = outline(text)
      if (read === undefined) unread = text.toString('utf8', 0, 200)
      else if (read.kind !== 'response') await this.#passOther(read)
      else if (this.#isAnswer(read)) {
        if (this.#isHeaderMismatch(read) && (await this.#lookUp())) {
          await texts.return(undefined)
          return this.#passAnswer(await this.#send())
        }
        void this.#letEnd(texts)
        return this.#answer(response, read)
      } else this.#means.warn('an answer to another request was dropped')
    }
  }

  /** A stream mostly ends with its answer, and then its connection is another request's; one that does not is ended. */
  async #letEnd(texts: AsyncGenerator<Buffer>): Promise<void> {
    const timer = setTimeout(() => this.leave(), endMilliseconds).unref()
    try {
      const { done } = await texts.next()
      if (done !== true) this.leave()
    } catch {
      // What breaks after the answer breaks nothing.
    }
    clearTimeout(timer)
  }

  /** What has no id answers a request whose id was not read; there is but one in an exchange. */
  #isAnswer({ id, error }: Outline): boolean {
    return id === this.message.id || (id === undefined && error !== undefined)
  }

  /** Servers of the modern era ask nothing: they answer that something is needed. */
  async #passOther(read: Outline): Promise<void> {
    if (read.kind === 'notification' || this.era === 'legacy') return this.#means.write(read.octets)
    this.#means.warn('a request of the server was dropped: its era has none')
    return undefined
  }

  async #answer(response: Response, read: Outline): Promise<void> {
    const { session, tools, write } = this.#means
    const { method } = this.message
    if (method === 'tools/list' && read.result !== undefined) tools.learn(read.result)
    if (method === 'initialize' && read.result !== undefined) {
      session.agree(this.message, response, read)
    }
    return write(withId(read, this.message.rawId))
  }

  #isHeaderMismatch({ error }: Outline): boolean {
    const isCall = this.era === 'modern' && this.message.method === 'tools/call'
    return isCall && !this.#isLookedUp && error?.['code'] === problemCodes.headerMismatch
  }

  /** Lists the tools for what their calls have to repeat in headers; whether that says more of this one than was known. */
  async #lookUp(): Promise<boolean> {
    this.#isLookedUp = true
    const { tools, post, answerOctetsMax } = this.#means
    const { name } = this.message.params
    const known = JSON.stringify(tools.of(name))
    let cursor: unknown
    for (let page = 0; page < listPagesMax; page += 1) {
      const question = outline(listQuestion(this.message, cursor))
      if (question === undefined) return false
      const response = await post(question.octets, modernHeaders(question, []), this.signal)
      const result = await resultOf(response, answerOctetsMax)
      if (result === undefined) return false
      tools.learn(result)
      if (JSON.stringify(tools.of(name)) !== known) return true
      cursor = result['nextCursor']
      if (typeof cursor !== 'string') return false
    }
    return false
  }
}

const listPagesMax = 64
const endMilliseconds = 250

const metaKept = ['protocolVersion', 'clientInfo', 'clientCapabilities'].map(
  (name) => `io.modelcontextprotocol/${name}`,
)

/** A list for ourselves, asked as the client asks. */
function listQuestion({ params }: Outline, cursor: unknown): Buffer {
  const meta = isJsonObject(params['_meta']) ? params['_meta'] : {}
  const kept = Object.entries(meta).filter(([name]) => metaKept.includes(name))
  const asked = { ...(cursor === undefined ? {} : { cursor }), _meta: Object.fromEntries(kept) }
  const question = { jsonrpc: '2.0', id: 'countersign-bridge', method: 'tools/list', params: asked }
  return Buffer.from(JSON.stringify(question))
}

async function resultOf(
  response: Response,
  answerOctetsMax: number,
): Promise<Outline['result'] | undefined> {
  for await (const text of answerTexts(response, answerOctetsMax)) {
    const read = outline(text)
    if (read?.kind === 'response') return read.result
  }
  return undefined
}

/** The answer's own octets; one to a request whose id was not read gets it here, with the error as it is written. */
function withId({ octets, id, members }: Outline, rawId: string | undefined): Buffer {
  const error = members.get('error')
  if (id !== undefined || rawId === undefined || error === undefined) return octets
  const written = octets.subarray(error.start, error.end)
  return Buffer.concat([Buffer.from(`{"jsonrpc":"2.0","id":${rawId},"error":`), written, closing])
}

const closing = Buffer.from('}')
