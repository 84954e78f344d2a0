import { createEventParser } from '../../mcp/events.ts'
import { Gathered } from '../../mcp/gathered.ts'
import type { Permit } from '../permit/authorize.ts'
import type { Refused } from '../refusal.ts'
import { cancelThere } from '../upstream/cancel-there.ts'
import {
  startExchange,
  type AnswerHead,
  type Exchange,
  type ExchangeFailure,
  type ExchangeOptions,
} from '../upstream/exchange.ts'
import {
  judgeAnswer,
  type AnswerVerdict,
  type Asked,
  type ServerRequest,
} from '../upstream/judge-answer.ts'
import { isOwn, isSessionLost, type LegacySession } from '../upstream/legacy-session.ts'
import type { Answered } from './audience.ts'
import { fault, refuseAnswer, sessionOver } from './fault.ts'
import type { Parts } from './serve.ts'

export interface CallThereOptions extends ExchangeOptions {
  readonly there: LegacySession
  readonly asked: Asked
  readonly decisions: Parts['decisions']
}

/** What has come of a call at its server. */
export type Outcome = Answered | Refused

/** Who is told what a server says of a call before and with its answer. */
export interface HearsOfCall {
  /** The last that policy has let go on. */
  readonly permit: Permit
  begun(head: AnswerHead): void
  /** The server has nothing to say yet, and is there. */
  alive(): void
  hear(notification: Buffer): void
  /** False: it asks for more at a time than anybody answers. */
  carry(request: ServerRequest, octets: Buffer): boolean
  takenBackThere(notification: Buffer): void
  /** Once; `isSpoiled` where the server may still be at it. */
  conclude(outcome: Outcome, isSpoiled?: boolean): void
  /** False: wait until `resume`. */
  isRead(resume: () => void): boolean
}

/** A call at a legacy server that may ask for something before it answers: reads what it says. */
export class CallThere {
  readonly #options: CallThereOptions
  readonly #hears: HearsOfCall
  #exchange: Exchange | undefined
  #head: AnswerHead | undefined
  #body = new Gathered()
  #events: ReturnType<typeof createEventParser> | undefined
  #isOver = false

  constructor(options: CallThereOptions, hears: HearsOfCall) {
    this.#options = options
    this.#hears = hears
  }

  begin(): void {
    this.#exchange = startExchange(this.#options, {
      head: (head) => this.#begun(head),
      data: (chunk) => this.#read(chunk),
      end: () => this.#ended(),
      failed: (failure) => this.#failed(failure),
      cut: () => (this.#isOver ? undefined : this.#events?.cut()),
    })
  }

  /** Undefined: nothing of its answer has come. */
  get head(): AnswerHead | undefined {
    return this.#head
  }

  /** Its answer is known, whatever the server still sends. */
  answered(): void {
    this.#isOver = true
    this.#exchange?.answered()
  }

  cancel(): void {
    this.#isOver = true
    this.#exchange?.cancel()
  }

  /** Its server is told that nobody waits for it. One without sessions would take that for whichever request has this id. */
  giveUp(): void {
    const { upstream, request, there, asked } = this.#options
    if (isOwn(there)) void cancelThere({ upstream, request }, asked.id.value)
  }

  #begun(head: AnswerHead): void {
    if (isSessionLost(this.#options.there, head)) {
      this.#hears.conclude(sessionOver)
      return
    }
    this.#head = head
    this.#body = new Gathered({ octets: head.octets })
    if (head.form === 'events') this.#events = createEventParser((data) => this.#take(data))
    this.#hears.begun(head)
  }

  #read(chunk: Buffer): boolean {
    if (this.#events === undefined) {
      this.#body.push(chunk)
      return true
    }
    this.#events.push(chunk)
    return this.#hears.isRead(() => this.#exchange?.resume())
  }

  #ended(): void {
    if (this.#head?.form === 'json') this.#take(this.#body.whole())
    this.#bad(this.#events ? 'stream ended without a response' : 'answer has no body')
  }

  #failed(failure: ExchangeFailure): void {
    const isLate = failure.failed === 'time-out'
    if (isLate) this.giveUp()
    this.#hears.conclude(fault(failure), isLate)
  }

  #take(data: Buffer | undefined): void {
    const head = this.#head
    this.#exchange?.passed()
    if (this.#isOver || head === undefined) return
    if (data === undefined) this.#hears.alive()
    else this.#judged(judgeAnswer(this.#options.asked, data), data, head)
  }

  #judged(verdict: AnswerVerdict, data: Buffer, head: AnswerHead): void {
    const hears = this.#hears
    switch (verdict.kind) {
      case 'drop':
      // A modern client has no task of the server's that it could be told of.
      case 'of a task':
        return
      case 'notification':
        if (verdict.method === 'notifications/cancelled') hears.takenBackThere(data)
        else hears.hear(data)
        return
      case 'response':
        hears.conclude({ octets: data, result: verdict.result, head })
        return
      case 'pages':
        hears.conclude({ octets: data, result: undefined, pages: verdict.pages, head })
        return
      case 'server request':
        if (!hears.carry(verdict, data)) this.#refuse(verdict.what)
        return
      case 'refuse':
        this.#refuse(verdict.what)
        return
      case 'bad':
        this.#bad(verdict.detail, true)
        return
      case 'input required':
      case 'task':
        this.#bad('answer is no response', true)
    }
  }

  #refuse(what: string): void {
    const { decisions } = this.#options
    this.#hears.conclude(refuseAnswer(this.#hears.permit, decisions, what), true)
  }

  #bad(detail: string, isSpoiled?: boolean): void {
    this.#hears.conclude(fault({ failed: 'bad answer', detail }), isSpoiled)
  }
}
