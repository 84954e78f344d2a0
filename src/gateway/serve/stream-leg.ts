import { createEventParser } from '../../mcp/events.ts'
import type { OctetRoom } from '../shares.ts'
import type { Caller } from '../caller/caller.ts'
import { startExchange, type ExchangeFailure } from '../upstream/exchange.ts'
import { elicitationComplete, judgeUnasked } from '../upstream/judge-answer.ts'
import { sessionRequest, type OwnSession } from '../upstream/legacy-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { AskCarrier } from './carry-asks.ts'
import type { Changes } from './changes.ts'
import type { OfTask } from './task-told.ts'

/** The stream of a session with one upstream, on its way to the stream of its caller. */
export interface Leg {
  resume(): void
  cancel(): void
}

export interface LegOptions {
  readonly caller: Pick<Caller, 'account'>
  readonly upstream: Upstream
  readonly there: OwnSession
  readonly asks: Pick<AskCarrier, 'carry' | 'takeBack' | 'end'>
  readonly changes: Pick<Changes, 'take'>
  /** An event, as it is to be written. */
  readonly pass: (data: Buffer) => void
  /** A page is done, by the server's own id. */
  readonly pageDone?: (elicitationId: unknown, data: Buffer) => void
  /** What is told of a task, by the server's own id. */
  readonly ofTask: (told: OfTask, data: Buffer) => void
  /** Whether the caller reads. False: nothing more is read before `resume`. */
  readonly isRead: () => boolean
  readonly room: OctetRoom | undefined
  readonly answerBytesMax: number
  readonly streamSecondsMax: number
  /** The stream is open. */
  readonly begun: () => void
  /** There is none, or none any more. Called once. */
  readonly over: (end: LegEnd) => void
}

/** How it has ended: with the status of a server that offers none, by a failure, or in order. */
export type LegEnd = { readonly status: number } | ExchangeFailure | undefined

/**
 * Opens the stream of a session (MCP 2025-11-25 transports, listening for messages from the server). Its server sends no response on it,
 * and no ids or `retry` are passed on: nothing here would know from where to go on.
 */
export function openLeg(options: LegOptions): Leg {
  const { caller, upstream, there, asks, changes, over } = options
  let status = 200
  let end: LegEnd
  let isOver = false

  function finish(how: LegEnd): void {
    if (isOver) return
    isOver = true
    asks.end()
    over(how)
  }
  function giveUp(detail: string): void {
    end = { failed: 'bad answer', detail }
    exchange.cancel()
  }
  function take(data: Buffer): void {
    const verdict = judgeUnasked(data)
    if (verdict.kind === 'bad') giveUp(verdict.detail)
    else if (verdict.kind === 'refuse') giveUp(`stream held ${verdict.what}`)
    else if (verdict.kind === 'server request') {
      if (!asks.carry(verdict, data)) giveUp('more requests at a time than anybody answers')
    } else if (verdict.kind === 'of a task') options.ofTask(verdict, data)
    else if (verdict.kind === 'notification') {
      if (verdict.method === 'notifications/cancelled') asks.takeBack(data)
      else if (verdict.method === 'notifications/message') options.pass(data)
      else if (verdict.method === elicitationComplete)
        options.pageDone?.(verdict.params?.['elicitationId'], data)
      else changes.take(upstream, verdict)
    }
  }
  const events = createEventParser((data) => {
    exchange.passed()
    if (data !== undefined && !isOver) take(data)
  })
  const { headers } = sessionRequest(there, null)
  const exchange = startExchange(
    {
      ...options,
      account: caller.account,
      request: { method: 'GET', headers, body: null },
      // A server may say nothing, not even that it listens, before it has something to tell.
      timeoutMilliseconds: options.streamSecondsMax * 1000,
      repeatable: true,
    },
    {
      head(head) {
        status = head.status
        if (head.form === 'events' && status === 200) options.begun()
        else if (status === 200) giveUp('answer to GET is no stream')
      },
      data(chunk) {
        if (status === 200) events.push(chunk)
        return options.isRead()
      },
      end: () => finish(status === 200 ? undefined : { status }),
      failed: (failure) => finish(end ?? failure),
    },
  )
  return { resume: () => exchange.resume(), cancel: () => exchange.cancel() }
}
