import { randomUUID } from 'node:crypto'
import { parseAsk, type Ask } from '../../mcp/ask.ts'
import { applyEdits } from '../../mcp/edits.ts'
import { formatEvent, keepAlive } from '../../mcp/events.ts'
import { parseMessage, type ResponseMessage } from '../../mcp/message.ts'
import { withoutHandles } from '../../mcp/handle-names.ts'
import { isProblem } from '../../mcp/problem.ts'
import { membersOf } from '../../mcp/spans.ts'
import type { Call } from '../call.ts'
import { tieExchange } from '../caller/streams.ts'
import { beginEvents, endReply, type Reply } from '../door/reply.ts'
import { sealAsk } from '../handle/ask-id.ts'
import { permitAsk } from '../permit/asks.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, noRoom, refused, unavailable, type Refused } from '../refusal.ts'
import { Hold } from '../../shares.ts'
import type { Soon } from '../soon.ts'
import { askOfClient, withInput } from '../translate/input.ts'
import { whyUnasked } from './crossing.ts'
import { fault, refuseAnswer } from './fault.ts'
import { permitInput, type InputRequired } from './input-required.ts'
import type { Parts } from './serve.ts'

/** A call of a legacy client, of which its modern server wants more before it answers. */
interface Asking {
  readonly permit: Permit
  readonly reply: Reply
  readonly parts: Parts
}

/** So often one call is asked for more, as SDKs do in the place of their servers. */
const roundsMax = 8
/** No person answers more at once. */
const asksMax = 16
/** A server that only wants to be asked again is not asked at once. */
const pauseMilliseconds = 250

/**
 * Asks a legacy client for what its modern server wants to know, as requests on the stream of the call, and makes the call anew with what is
 * answered (MCP 2026-07-28, multi round-trip requests; 2025-11-25 transports, messages from the server). That is a call like any other, as it
 * would be of a modern client: everything is decided on again.
 */
export async function askAndGoOn(
  asking: Asking,
  given: InputRequired,
  again: (permit: Permit) => Soon<Refused | undefined>,
): Promise<Refused | undefined> {
  const refusal = await goOn(asking, given, again)
  const { reply } = asking
  // Of a stream that has begun it is the last event.
  if (refusal !== undefined && reply.response.headersSent) endReply(reply, refusal.refusal)
  return refusal
}

async function goOn(
  asking: Asking,
  given: InputRequired,
  again: (permit: Permit) => Soon<Refused | undefined>,
): Promise<Refused | undefined> {
  const { permit, parts } = asking
  const { caller } = permit.call
  // What is asked next is of this policy, or of a later one.
  const policy = parts.decisions.digest()
  const refusal = await permitInput(permit, parts, given)
  if (refusal !== undefined) return refusal
  const asks = asksOf(given)
  if (typeof asks === 'string') return fault({ failed: 'bad answer', detail: asks })
  const unasked = asks.length === 0 ? undefined : whyUnasked(parts)
  if (unasked !== undefined) return refuseAnswer(permit, parts.decisions, unasked)
  const { rounds = 0 } = permit.call
  if (rounds >= roundsMax) {
    return fault({ failed: 'bad answer', detail: `more is asked, want=..${roundsMax} times` })
  }
  const answers = await askAll(asking, asks, policy)
  if (answers === undefined || isRefused(answers)) return answers
  const ended = await parts.judge(caller)
  if (ended !== undefined) return refused('peer', ended)
  const call = nextCall(permit, { given, answers, rounds: rounds + 1 }, parts)
  if (isRefused(call)) return call
  const next = await parts.authorize(call)
  if (isRefused(next)) return next
  return caller.ended === undefined ? again(next) : refused('peer', caller.ended)
}

/** What is asked, under the server's own names. */
interface NamedAsk {
  readonly key: string
  readonly octets: Buffer
  readonly ask: Ask
}

function asksOf({ octets, result }: InputRequired): readonly NamedAsk[] | string {
  const span = membersOf(octets, result)?.get('inputRequests')
  const named = [...((span && membersOf(octets, span)) ?? [])]
  if (named.length > asksMax) return `too much is asked at once, want=..${asksMax}`
  const asks: NamedAsk[] = []
  for (const [key, { start, end }] of named) {
    const each = octets.subarray(start, end)
    const ask = parseAsk(each)
    if (typeof ask === 'string') return ask
    asks.push({ key, octets: each, ask })
  }
  return asks
}

/** The answers, as their client writes them, by the server's own names. */
type Answers = ReadonlyMap<string, Buffer>

/** Undefined: nobody is there any more. */
function askAll(
  asking: Asking,
  named: readonly NamedAsk[],
  policy: string,
): Promise<Answers | Refused | undefined> {
  const { call } = asking.permit
  const held = new Hold(call.caller.bodies)
  call.stay.atEnd(() => held.end())
  return new Promise((resolve) => new Round({ ...asking, named, policy, held, resolve }).begin())
}

interface RoundOptions extends Asking {
  readonly named: readonly NamedAsk[]
  /** The digest of the policy that lets it be asked. */
  readonly policy: string
  /** What answers take of memory. */
  readonly held: Hold
  readonly resolve: (outcome: Answers | Refused | undefined) => void
}

/** All that is asked at once, until it is answered, or nobody waits for that any more. */
class Round {
  readonly #options: RoundOptions
  readonly #answers = new Map<string, Buffer>()
  /** The numbers of what is open, with the ids that the client knows. */
  readonly #open = new Map<number, string>()
  readonly #ends: (() => void)[] = []
  #isOver = false

  constructor(options: RoundOptions) {
    this.#options = options
  }

  begin(): void {
    const { permit, reply, parts, named } = this.#options
    const { limits, running, now } = parts
    const isNothing = named.length === 0
    const milliseconds = isNothing ? pauseMilliseconds : limits.askSecondsMax * 1000
    const timer = setTimeout(
      () => this.#settle(isNothing ? this.#answers : refused('response', notAnswered)),
      milliseconds,
    )
    const alive = setInterval(() => this.#write(keepAlive), limits.streamKeepAliveSeconds * 1000)
    this.#ends.push(
      () => clearTimeout(timer),
      () => clearInterval(alive),
      running.begin(permit.call, () => this.#settle(refused('forward', cancelled))),
    )
    const untie = tieExchange(permit.call.caller, reply.response, {
      cancel: () => this.#settle(undefined),
      tell: (refusal) => endReply(reply, refusal),
    })
    if (this.#isOver) return
    this.#ends.push(untie)
    beginEvents(reply, { 'cache-control': 'no-store' })
    const endsAt = now() + milliseconds
    for (const each of named) if (!this.#isOver) this.#ask(each, endsAt)
  }

  #ask({ key, octets, ask }: NamedAsk, endsAt: number): void {
    const { permit, parts, policy } = this.#options
    const { caller, session, arrived, target } = permit.call
    const { asks, seal, decisions } = parts
    const { server = '' } = target.upstream?.config ?? {}
    if (session === undefined) throw new TypeError('a legacy call is in a session')
    const asked = { owner: caller.owner, key: session.key, door: arrived.door.name }
    const number = asks.open({
      account: caller.account,
      key: session.key,
      server,
      progressToken: undefined,
      permits: () => permitAsk(permit, ask, decisions),
      answered: (response) => this.#take(key, number as number, response),
    })
    if (typeof number === 'string') {
      this.#settle(refused('response', noRoom('requests of tool servers', number)))
      return
    }
    const id = sealAsk(seal, asked, { by: asks.by, number, server, rawId: '', policy, endsAt })
    if (id === undefined) {
      asks.close(number)
      this.#settle(refused('response', idTooLong))
      return
    }
    this.#open.set(number, id)
    const isPage = 'host' in ask
    this.#write(formatEvent(askOfClient(octets, { id, isPage, newId: randomUUID })))
  }

  #take(key: string, number: number, { outcome, offsets, body }: ResponseMessage): void {
    const { named, held } = this.#options
    this.#open.delete(number)
    const { result } = offsets
    if (outcome === 'error' || result === undefined) {
      this.#settle(refused('response', answeredByError))
      return
    }
    const octets = applyEdits(
      Buffer.from(body.subarray(0, result.end)),
      withoutHandles(body, result),
    ).subarray(result.start)
    const full = held.take(octets.length)
    if (full !== undefined) {
      this.#settle(refused('response', noRoom('octets of answers', full)))
      return
    }
    this.#answers.set(key, octets)
    if (this.#answers.size === named.length) this.#settle(this.#answers)
  }

  #settle(outcome: Answers | Refused | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const end of this.#ends) end()
    for (const [number, id] of this.#open) {
      this.#options.parts.asks.close(number)
      this.#write(formatEvent(Buffer.from(takenBack(id))))
    }
    this.#options.resolve(outcome)
  }

  #write(event: Buffer): void {
    const { response } = this.#options.reply
    if (!response.writableEnded && !response.destroyed) response.write(event)
  }
}

function takenBack(requestId: string): string {
  const params = { requestId, reason: 'the call goes on without it' }
  return JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params })
}

const cancelled = unavailable(502, 'request was cancelled')
const notAnswered = unavailable(504, 'what the tool server asks was not answered in time')
const idTooLong = unavailable(
  502,
  'what the tool server asks has no id that its answer could bring back',
)
const answeredByError = unavailable(502, 'what the tool server asks was answered with an error')

interface Next {
  readonly given: InputRequired
  readonly answers: Answers
  readonly rounds: number
}

/** The same call, with what was answered and what the server gave to be brought back. */
function nextCall(
  { call, duties: { approved } }: Permit,
  { given: { octets, result }, answers, rounds }: Next,
  { limits }: Parts,
): Call | Refused {
  const span = membersOf(octets, result)?.get('requestState')
  const state = span === undefined ? undefined : octets.toString('utf8', span.start, span.end)
  const body = withInput(call.message.body, { answers, state })
  const { bodyBytesMax } = limits
  const message = parseMessage(body, call.arrived.request.rawHeaders, { bodyBytesMax })
  if (isProblem(message)) return refused('response', message)
  if (message.kind !== 'request') throw new TypeError('a request has become none')
  return { ...call, message, rounds, requestState: state, approved }
}
