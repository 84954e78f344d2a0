import { keepAlive } from '../../mcp/events.ts'
import type { JsonObject } from '../../mcp/scan.ts'
import { tieExchange } from '../caller/streams.ts'
import { beginEvents, endReply, isDrained } from '../door/reply.ts'
import { permitAsk } from '../permit/asks.ts'
import type { Permit } from '../permit/authorize.ts'
import { sealRetry } from '../permit/retry.ts'
import { isRefused, noRoom, refused, unavailable, type Refused } from '../refusal.ts'
import { Hold } from '../../shares.ts'
import { whenThere } from '../soon.ts'
import type { StayPart } from '../stay.ts'
import { inputRequestOf } from '../translate/input.ts'
import type { AnswerHead, ExchangeFailure } from '../upstream/exchange.ts'
import { callerHeaders } from '../upstream/headers.ts'
import type { Asked, ServerRequest } from '../upstream/judge-answer.ts'
import type { LegacySession } from '../upstream/legacy-session.ts'
import type { Upstream, UpstreamRequest } from '../upstream/upstream.ts'
import { AskCarrier, type Asking, type AskLine } from './carry-asks.ts'
import { fault } from './fault.ts'
import { passToAudience, tellAnswer, tellAsked, tellNotification } from './audience.ts'
import type { Answered, Audience } from './audience.ts'
import type { Parts } from './serve.ts'
import { CallThere, type HearsOfCall, type Outcome } from './talk-there.ts'

export interface TalkOptions {
  readonly upstream: Upstream
  readonly there: LegacySession
  readonly request: UpstreamRequest
  readonly asked: Asked
  /** Of the request that began it, under whose token its server tells of progress. */
  readonly params: JsonObject
  readonly repeatable: boolean
  readonly stay: StayPart
  /** Given back at its end: `isSpoiled` where the server may still be at it. */
  readonly leave: (isSpoiled: boolean) => void
  readonly parts: Parts
}

/** What a server asks within so short a time is asked at once, as what it asks for all at once comes one after the other. */
const gatherMilliseconds = 20
const tooLate: ExchangeFailure = { failed: 'time-out', detail: 'no answer in time' }

/**
 * A call of a modern client at a legacy server that may ask the client for something before it answers. A client without sessions is
 * asked in an answer, so its request is over then and its call is not (MCP 2026-07-28, multi round-trip requests): the request to the server
 * stays open until the client comes back with what was asked, or for as long as an ask may wait. What is not told to a client that comes
 * back is told to nobody.
 */
export class Talk implements AskLine, HearsOfCall {
  readonly #options: TalkOptions
  readonly owner: string
  readonly #account: Permit['call']['caller']['account']
  readonly #hold: Hold
  readonly #carrier: AskCarrier
  /** What is open with the client, by the names that it knows, as it was asked. */
  readonly #asked = new Map<string, Buffer>()
  readonly #ends: (() => void)[] = []
  #number = 0
  #names = 0
  #round = 0
  /** The last that policy has let go on. */
  #permit: Permit
  #audience: Audience | undefined
  #untie = (): void => {}
  #there: CallThere | undefined
  #outcome: Outcome | undefined
  #gathering: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #isTold = false
  #isOver = false

  constructor(options: TalkOptions, permit: Permit) {
    this.#options = options
    this.#permit = permit
    const { caller } = permit.call
    this.owner = caller.owner
    this.#account = caller.account
    this.#hold = new Hold(caller.unsent)
    const { upstream, there, parts } = options
    this.#carrier = new AskCarrier({
      caller,
      line: this,
      upstream,
      there,
      permits: (ask) => permitAsk(this.#permit, ask, parts.decisions),
      // A client of the other era has no tasks of the server's.
      taskHere: () => undefined,
      broken: (failure) => this.#breakOff(failure),
      parts,
    })
  }

  get key(): string {
    return `talk ${this.#number}`
  }

  get permit(): Permit {
    return this.#permit
  }

  get stay(): StayPart {
    return this.#options.stay
  }

  /** Whether its client is to come back, and has done so as often before. */
  isSuspendedIn(round: number): boolean {
    return !this.#isOver && this.#audience === undefined && this.#round === round
  }

  /** Sends the request. Undefined: it is under way; its end is told to whoever waits then. */
  begin(audience: Audience): Refused | undefined {
    const { upstream, there, request, asked, repeatable, parts, stay } = this.#options
    const { answerBytesMax, streamSecondsMax } = parts.limits
    const number = parts.talks.open(this, this.#account)
    if (typeof number === 'string') {
      this.#over(false)
      return refused('forward', noRoom('calls that are open at tool servers', number))
    }
    this.#number = number
    this.#ends.push(stay.keep(), () => parts.talks.close(number, this.#account))
    this.#attend(audience)
    if (this.#isOver) return undefined
    this.#there = new CallThere(
      {
        upstream,
        account: this.#account,
        request,
        there,
        asked,
        answerBytesMax,
        streamSecondsMax,
        // While its client is asked nobody can say how long it takes.
        timeoutMilliseconds: streamSecondsMax * 1000,
        room: this.#hold,
        repeatable,
        decisions: parts.decisions,
      },
      this,
    )
    this.#there.begin()
    return undefined
  }

  /** Its client has come back. */
  async goOn(audience: Audience, answers: ReadonlyMap<string, Buffer>): Promise<void> {
    this.#round += 1
    this.#permit = audience.permit
    this.#attend(audience)
    for (const [name, octets] of answers) {
      if (this.#isOver) return
      if (this.#forget(name)) await this.#carrier.answer(name, octets)
    }
    if (this.#isOver || this.#audience !== audience) return
    if (this.#outcome !== undefined) this.#tell(audience, this.#outcome)
    else if (this.#asked.size > 0) this.#gather()
  }

  /** Nobody waits for it any more, and its server is told so. */
  giveUp(): void {
    if (this.#isOver) return
    const isAnswered = this.#outcome !== undefined
    if (!isAnswered) this.#there?.giveUp()
    this.#over(!isAnswered)
  }

  /** A request that its server sends beside the call, in the same session. */
  carry(request: ServerRequest, octets: Buffer): boolean {
    return this.#carrier.carry(request, octets)
  }

  takenBackThere(octets: Buffer): void {
    this.#carrier.takeBack(octets)
  }

  ask({ octets }: Asking): string | undefined {
    const text = inputRequestOf(octets)
    if (this.#hold.take(text.length) !== undefined) return undefined
    this.#names += 1
    const name = `ask-${this.#names}`
    this.#asked.set(name, text)
    this.#gather()
    return name
  }

  takeBack(name: string): void {
    this.#forget(name)
  }

  /** What a server says beside its answer, in the words of a modern client's request. */
  hear(data: Buffer): void {
    if (this.#audience !== undefined) tellNotification(this.#audience, data, this.#options.params)
  }

  /** Whether its client reads what it is told; if not, this is called as soon as it does, or waits no more. */
  isRead(resume: () => void): boolean {
    return this.#audience === undefined || isDrained(this.#audience.reply, resume)
  }

  #attend(audience: Audience): void {
    const { upstream } = this.#options
    const { permit, reply } = audience
    clearTimeout(this.#timer)
    this.#audience = audience
    this.#untie = tieExchange(permit.call.caller, reply.response, {
      cancel: () => this.giveUp(),
      tell: (refusal) => endReply(reply, refusal),
    })
    if (this.#isOver) return
    const head = this.#there?.head
    if (head?.form === 'events') this.#beginStream(head.headers)
    else this.#timer = setTimeout(() => this.#breakOff(tooLate), upstream.timeoutMilliseconds)
  }

  #breakOff(failure: ExchangeFailure): void {
    if (this.#outcome === undefined) this.#there?.giveUp()
    this.conclude(fault(failure), true)
  }

  begun({ form, headers }: AnswerHead): void {
    if (form !== 'events') return
    if (this.#audience !== undefined) clearTimeout(this.#timer)
    this.#beginStream(headers)
  }

  alive(): void {
    const { response } = this.#audience?.reply ?? {}
    if (response?.headersSent === true && !response.writableNeedDrain) response.write(keepAlive)
  }

  #beginStream(headers: AnswerHead['headers']): void {
    if (this.#audience !== undefined) beginEvents(this.#audience.reply, callerHeaders(headers))
  }

  /** It has come to its end at its server: told at once, or to its client when that comes back. */
  conclude(outcome: Outcome, isSpoiled = false): void {
    if (this.#isOver || this.#outcome !== undefined) return
    this.#outcome = outcome
    clearTimeout(this.#gathering)
    if ('octets' in outcome) this.#there?.answered()
    else this.#there?.cancel()
    this.#carrier.end()
    this.#asked.clear()
    if (this.#audience === undefined) this.#options.leave(isSpoiled)
    else this.#tell(this.#audience, outcome, isSpoiled)
  }

  #tell(audience: Audience, outcome: Outcome, isSpoiled = false): void {
    if (this.#isTold) return
    this.#isTold = true
    const { parts } = this.#options
    const { reply, settle } = audience
    const refuse = (refusal: Refused): void => {
      if (reply.response.headersSent) endReply(reply, refusal.refusal)
      settle(refusal)
    }
    const say = (passed: Buffer | Refused): void => {
      if (this.#isOver) {
        settle(undefined)
        return
      }
      this.#over(isSpoiled)
      if (isRefused(passed)) {
        refuse(passed)
        return
      }
      tellAnswer(audience, outcome as Answered, passed)
      settle(undefined)
    }
    const soon = isRefused(outcome) ? outcome : passToAudience(audience, parts, outcome)
    const broke = (error: unknown): void => {
      parts.log.error({ error }, 'answer could not be told')
      say(refused('response', unavailable(500, 'internal error')))
    }
    void Promise.resolve(whenThere(soon, say)).catch(broke)
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      this.#suspend()
    }, gatherMilliseconds)
  }

  /** Tells the client what is asked: its request is over with that. */
  #suspend(): void {
    const audience = this.#audience
    if (this.#isOver || this.#outcome !== undefined || audience === undefined) return
    if (this.#asked.size === 0) return
    const { parts } = this.#options
    const { permit } = audience
    const state = sealRetry(
      permit.call,
      { state: parts.talks.stateOf({ number: this.#number, round: this.#round }) },
      parts,
    )
    this.#untie()
    this.#audience = undefined
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.giveUp(), parts.limits.askSecondsMax * 1000)
    tellAsked(audience, this.#asked, state)
    audience.settle(undefined)
  }

  #forget(name: string): boolean {
    this.#hold.give(this.#asked.get(name)?.length ?? 0)
    return this.#asked.delete(name)
  }

  #over(isSpoiled: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    const audience = this.#audience
    this.#audience = undefined
    clearTimeout(this.#timer)
    clearTimeout(this.#gathering)
    this.#untie()
    this.#there?.cancel()
    this.#carrier.end()
    this.#hold.end()
    this.#options.leave(isSpoiled)
    for (const end of this.#ends) end()
    // Whoever is told something is told it after this.
    if (this.#outcome === undefined) audience?.settle(undefined)
  }
}
