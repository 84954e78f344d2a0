import { applyEdits, splice, type Edit } from '../../mcp/edits.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import { formatEvent } from '../../mcp/events.ts'
import { handlesNamed, relatedTask, withoutHandles } from '../../mcp/handle-names.ts'
import { skipSpace } from '../../mcp/lex.ts'
import type { Span } from '../../mcp/levels.ts'
import { membersOf } from '../../mcp/spans.ts'
import { relatedTaskOf, renameTask } from '../../mcp/task.ts'
import type { Caller } from '../caller/caller.ts'
import { isElicitationId, parseAsk, type Ask } from '../../mcp/ask.ts'
import { sealAsk, type AskedOf } from '../handle/ask-id.ts'
import type { Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { deliver, whyNotTaken } from '../upstream/deliver.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import type { ServerRequest } from '../upstream/judge-answer.ts'
import {
  isOwn,
  sessionRequest,
  type LegacySession,
  type OwnSession,
} from '../upstream/legacy-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Parts } from './serve.ts'

/** What is to be asked of a caller. */
export interface Asking {
  readonly upstream: Upstream
  readonly there: OwnSession
  readonly ask: Ask
  readonly rawId: string
  /** The request as its server writes it, and where its id stands. */
  readonly octets: Buffer
  readonly place: Span
  /** Of the octets, for its caller. */
  readonly edits: readonly Edit[]
  /** Among those that are open in this process. */
  readonly number: number
  /** The digest of the policy that lets it be asked. */
  readonly policy: string
  readonly endsAt: number
  /** Of the task that it is of, as its server knows it. */
  readonly taskId: string | undefined
}

/** How a caller is asked. */
export interface AskLine {
  /** Of whose session what is asked is. */
  readonly key: string
  /** Gives the id by which the caller knows it; undefined: it has none, and nobody was asked. */
  ask(asking: Asking): string | undefined
  /** Nobody waits for the answer any more, as this notification says to the caller. */
  takeBack(id: string, notification: Buffer): void
}

export interface AskCarrierOptions {
  readonly caller: Caller
  readonly line: AskLine
  readonly upstream: Upstream
  readonly there: LegacySession
  /** Whether policy lets the server ask this. */
  readonly permits: (ask: Ask) => Soon<Refused | undefined>
  /** What the caller has for a task that the server has under this id; undefined where that is none of the caller's. */
  readonly taskHere: (taskId: string) => string | undefined
  /** Ends the call that cannot go on, where it is known which one that is: its server has not taken what it waits for. */
  readonly broken?: (failure: ExchangeFailure) => void
  readonly parts: Pick<Parts, 'asks' | 'pages' | 'limits' | 'now' | 'log'> & {
    readonly decisions: Pick<Parts['decisions'], 'digest'>
  }
}

/**
 * Asks the client of a legacy session on a stream that it reads, with an id of ours: sealed, it says where the answer goes, so that the
 * server's own id, which other servers and sessions have too, is known to nobody but that server.
 */
export function lineOfStream(
  asked: AskedOf,
  { asks, seal }: Pick<Parts, 'asks' | 'seal'>,
  write: (event: Buffer) => void,
): AskLine {
  return {
    key: asked.key,
    ask({ upstream, octets, place, edits, ...ask }) {
      const { number, there, rawId, policy, endsAt, taskId } = ask
      const { server } = upstream.config
      const told = { by: asks.by, number, server, there, rawId, policy, endsAt, taskId }
      const id = sealAsk(seal, asked, told)
      if (id === undefined) return undefined
      const own = { ...place, text: JSON.stringify(id) }
      write(formatEvent(applyEdits(octets, [own, ...edits])))
      return id
    },
    takeBack: (_, notification) => write(formatEvent(notification)),
  }
}

/** So many requests of one stream wait for their caller, and so many answers in its stead for their server, at a time. */
const waitingMax = 16

const methodNotFound = -32601
const internalError = -32603

/**
 * Takes requests of one server to one caller, as long as there is a way between them. But for its id a request is passed on as it is. To a ping the gateway answers that the client is there (MCP
 * 2025-11-25 ping), to whatever is not carried that the client cannot (-32601), so that the call goes on.
 */
export class AskCarrier {
  readonly #options: AskCarrierOptions
  /** By the server's own ids. */
  readonly #open = new Map<string, Open | Deciding>()
  #answering = 0
  /** What is to be told of what was asked, as soon as that may be sent. */
  readonly #due: Buffer[] = []

  constructor(options: AskCarrierOptions) {
    this.#options = options
  }

  /** Carries a request, or answers it in the caller's stead. False: the server asks for more at a time than anybody answers. */
  carry(request: ServerRequest, octets: Buffer): boolean {
    const { upstream, there, parts } = this.#options
    const { method, rawId, params } = request
    if (method === 'ping') return this.#answer(rawId, '"result":{}', false)
    if (this.#open.has(nameOf(JSON.parse(rawId)))) {
      const { server } = upstream.config
      // Whatever is answered would be taken for the answer to the other one.
      parts.log.warn({ server, method }, 'request of a server has the id of another that is open')
      return true
    }
    const of = this.#relate(octets, params)
    if (of === undefined) return this.#refuse(request, 'it is of a task that its client has not')
    const waiting = this.#open.size + this.#due.length
    if (waiting >= waitingMax) return this.#refuse(request, 'too many wait for the client')
    // Without a session of its own, all callers are one to the server.
    if (!isOwn(there)) return this.#refuse(request, 'the session is of nobody alone')
    const isTaken = this.#permit(request, { octets, ...of }, there)
    return isTaken instanceof Promise ? true : isTaken
  }

  /** The server does not want to know any more: `notifications/cancelled` with the server's own id. */
  takeBack(octets: Buffer): void {
    const place = requestIdOf(octets)
    if (place === undefined) return
    const id: unknown = JSON.parse(octets.toString('utf8', place.start, place.end))
    const one = this.#close(nameOf(id))
    if (one === undefined) return
    this.#options.line.takeBack(one.id, splice(octets, place, JSON.stringify(one.id)))
  }

  /**
   * Gives its server what the caller has answered to what it knows by this id, if policy still lets that be asked: else the server is told
   * that the client cannot. Nothing is done for what is not open any more.
   */
  async answer(id: string, result: Buffer): Promise<void> {
    const { permits, parts } = this.#options
    const found = [...this.#open].find(([, one]) => 'id' in one && one.id === id)
    if (found === undefined) return
    const [name, one] = found
    if (!('id' in one)) return
    const isSame = one.policy === parts.decisions.digest()
    const refusal = isSame ? undefined : await permits(one.ask)
    if (this.#close(name) === undefined) return
    const { rawId } = one
    const outcome = `"result":${result.toString('utf8')}`
    if (refusal === undefined) this.#answerDue(rawId, outcome)
    else this.#refuse({ rawId, method: one.ask.method }, whyOf(refusal), decisionOf(refusal))
  }

  /** There is no stream any more, and nobody waits for anything. */
  end(): void {
    for (const name of this.#open.keys()) this.#close(name)
  }

  /** It has its place before anybody decides, which may take a while: others come meanwhile. */
  #permit(request: ServerRequest, asked: Asked, own: OwnSession): Soon<boolean> {
    const { permits, upstream, parts } = this.#options
    const ask = parseAsk(asked.bare)
    if (typeof ask === 'string') return this.#refuse(request, ask)
    const name = nameOf(JSON.parse(request.rawId))
    const place: Deciding = { state: 'deciding' }
    // What is asked next is of this policy, or of a later one.
    const policy = parts.decisions.digest()
    this.#open.set(name, place)
    const broke = (error: unknown): boolean => {
      const { server } = upstream.config
      parts.log.error({ error, server }, 'request of a server broke')
      this.#close(name)
      return this.#refuse(request, 'it could not be decided on')
    }
    try {
      const taken = whenThere(permits(ask), (refused) => {
        // Its server has taken it back, or nobody is there any more.
        if (this.#open.get(name) !== place) return true
        this.#open.delete(name)
        if (this.#options.caller.ended !== undefined) return true
        return refused === undefined
          ? this.#send(request, asked, { there: own, ask, policy })
          : this.#refuse(request, whyOf(refused), decisionOf(refused))
      })
      return taken instanceof Promise ? taken.catch(broke) : taken
    } catch (error) {
      return broke(error)
    }
  }

  #send(
    { rawId, id: place, params }: ServerRequest,
    { octets, edits, taskId }: Asked,
    { there, ask, policy }: Permitted,
  ): boolean {
    const { caller, line, upstream, permits, parts } = this.#options
    const { asks, pages, limits, now, log } = parts
    const { server } = upstream.config
    const name = nameOf(JSON.parse(rawId))
    const number = asks.open({
      account: caller.account,
      key: line.key,
      server,
      progressToken: progressTokenOf(params),
      permits: () => permits(ask),
      answered: () => this.#close(name),
      broken: (failure) => this.#options.broken?.(failure),
    })
    if (typeof number === 'string') {
      log.warn({ server, detail: `share of the ${number} is used up` }, 'too much is asked')
      return this.#answer(rawId, errorOf(internalError, 'too many requests are open'))
    }
    const milliseconds = limits.askSecondsMax * 1000
    const endsAt = now() + milliseconds
    const of = { number, policy, endsAt, taskId }
    const id = line.ask({ upstream, there, ask, rawId, octets, place, edits, ...of })
    if (id === undefined) {
      asks.close(number)
      log.warn({ server, detail: 'ids of both sides are too long' }, 'request is not carried')
      return this.#answer(rawId, errorOf(internalError, 'ids are too long'))
    }
    const { elicitationId } = params
    if (
      ask.method === 'elicitation/create' &&
      ask.mode === 'url' &&
      isElicitationId(elicitationId)
    ) {
      const { owner, account } = caller
      pages.note({ owner, account, key: line.key, server }, elicitationId)
    }
    const timer = setTimeout(() => this.#expire(name, rawId), milliseconds)
    this.#open.set(name, { number, id, timer, rawId, ask, policy })
    return true
  }

  /** Of which task it is, under the caller's own id (MCP 2025-11-25 tasks, associating task-related messages). */
  #relate(octets: Buffer, params: ServerRequest['params']): Omit<Asked, 'octets'> | undefined {
    const handles = handlesNamed(params)
    if (handles.length === 0) return { bare: octets, edits: [], taskId: undefined }
    const taskId = relatedTaskOf(params)
    const shown = taskId === undefined ? undefined : this.#options.taskHere(taskId)
    const span = paramsOf(octets)
    const isOne = handles.every((name) => name === relatedTask)
    if (!isOne || shown === undefined || span === undefined) return undefined
    const bare = applyEdits(octets, withoutHandles(octets, span))
    return { bare, edits: renameTask(octets, span, shown), taskId }
  }

  #expire(name: string, rawId: string): void {
    const { upstream, parts, line } = this.#options
    const one = this.#close(name)
    if (one === undefined) return
    const { server } = upstream.config
    parts.log.info({ server }, 'request of a server was not answered in time')
    this.#answerDue(rawId, errorOf(internalError, 'no answer in time'))
    const params = { requestId: one.id, reason: 'no answer in time' }
    const method = 'notifications/cancelled'
    line.takeBack(one.id, Buffer.from(JSON.stringify({ jsonrpc: '2.0', method, params })))
  }

  #refuse(
    { rawId, method }: Pick<ServerRequest, 'rawId' | 'method'>,
    why: string,
    decision?: string,
  ): boolean {
    const { upstream, parts } = this.#options
    const { server } = upstream.config
    parts.log.info({ server, method, why, decision }, 'request of a server is not carried')
    return this.#answer(rawId, errorOf(methodNotFound, 'Method not found'))
  }

  #answer(rawId: string, outcome: string, isNeeded = true): boolean {
    if (this.#answering >= waitingMax) return false
    this.#deliver(answerTo(rawId, outcome), isNeeded)
    return true
  }

  /** To what somebody was asked: it has a place until it can be sent, because its server waits for it. */
  #answerDue(rawId: string, outcome: string): void {
    const body = answerTo(rawId, outcome)
    if (this.#answering >= waitingMax) this.#due.push(body)
    else this.#deliver(body)
  }

  #deliver(body: Buffer, isNeeded = true): void {
    const { upstream, there, broken } = this.#options
    this.#answering += 1
    void deliver({ upstream, request: sessionRequest(there, body) }).then((failure) => {
      this.#answering -= 1
      const why = whyNotTaken(failure)
      if (isNeeded && why !== undefined) broken?.(why)
      const next = this.#due.shift()
      if (next !== undefined) this.#deliver(next)
    })
  }

  #close(name: string): Open | undefined {
    const one = this.#open.get(name)
    this.#open.delete(name)
    if (one === undefined || 'state' in one) return undefined
    clearTimeout(one.timer)
    this.#options.parts.asks.close(one.number)
    return one
  }
}

/** What a server asks. */
interface Asked {
  readonly octets: Buffer
  /** Without the task that it is of. */
  readonly bare: Buffer
  /** Of the octets, for its caller. */
  readonly edits: readonly Edit[]
  /** Of its task, as its server knows it. */
  readonly taskId: string | undefined
}

interface Permitted {
  readonly there: OwnSession
  readonly ask: Ask
  /** The digest of the policy that lets it be asked. */
  readonly policy: string
}

/** A request that nobody has decided on yet. */
interface Deciding {
  readonly state: 'deciding'
}

interface Open {
  /** Among those that are open in this process. */
  readonly number: number
  /** As the caller knows it. */
  readonly id: string
  readonly timer: NodeJS.Timeout
  /** As its server knows it. */
  readonly rawId: string
  readonly ask: Ask
  /** The digest of the policy that lets it be asked. */
  readonly policy: string
}

/** One name for one id, however it is written. */
function nameOf(id: unknown): string {
  return JSON.stringify(id)
}

function answerTo(rawId: string, outcome: string): Buffer {
  return Buffer.from(`{"jsonrpc":"2.0","id":${rawId},${outcome}}`)
}

function errorOf(code: number, message: string): string {
  return `"error":${JSON.stringify({ code, message })}`
}

function progressTokenOf(params: ServerRequest['params']): string | number | undefined {
  const meta = params['_meta']
  const token = isJsonObject(meta) ? meta['progressToken'] : undefined
  return typeof token === 'string' || typeof token === 'number' ? token : undefined
}

function paramsOf(octets: Buffer): Span | undefined {
  return membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })?.get('params')
}

function requestIdOf(octets: Buffer): Span | undefined {
  const params = paramsOf(octets)
  return params && membersOf(octets, params)?.get('requestId')
}

function whyOf({ refusal }: Refused): string {
  return refusal.detail ?? refusal.message
}

function decisionOf({ refusal }: Refused): string | undefined {
  const { decisionId } = (refusal.data ?? {}) as { readonly decisionId?: string }
  return decisionId
}
