import type { ServerResponse } from 'node:http'
import { formatEvent } from '../../mcp/events.ts'
import { formatRefusal, type Refusal } from '../refusal.ts'
import { endWith, type AnswerHold } from './unsent.ts'

/** The answer to one request, to be given once. */
export interface Reply {
  readonly response: ServerResponse
  /** The id as the body of the request writes it; undefined for a notification, or where none could be read. */
  readonly rawId: string | undefined
  /** What it takes of the share of whose it is; undefined before that is known. */
  readonly hold: AnswerHold | undefined
  /** Of the permit under which it is given. */
  readonly decisionId: string | undefined
}

/** Answers with a result of the gateway's own. */
export function replyResult(
  reply: Reply,
  result: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  replyResultText(reply, JSON.stringify(result), headers)
}

/** Answers with a result whose text is ready; the id is the request's own octets. */
export function replyResultText(
  reply: Reply,
  result: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  const head = Buffer.from(`{"jsonrpc":"2.0","id":${reply.rawId ?? 'null'},"result":`)
  replyBody(reply, Buffer.concat([head, Buffer.from(result), Buffer.from('}')]), { headers })
}

/** Answers with a whole JSON text; where a stream has begun, as the last event of it. */
export function replyBody(
  { response, hold }: Reply,
  body: Buffer,
  more: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): void {
  if (response.destroyed || response.writableEnded) return
  if (response.headersSent) {
    endWith(response, formatEvent(body), hold)
    return
  }
  response.writeHead(more.status ?? 200, {
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...more.headers,
  })
  endWith(response, body, hold)
}

/**
 * Answers with a whole JSON text in the form in which its server has chosen to answer (MCP 2025-11-25 transports: the server chooses): as it
 * is, or as the one event of a stream.
 */
export function replyInForm(reply: Reply, form: 'json' | 'events' | 'none', body: Buffer): void {
  if (form === 'events' && !reply.response.headersSent)
    replyBody(reply, formatEvent(body), { headers: streamHeaders })
  else replyBody(reply, body)
}

/** Of a stream of events; proxies on the way must not collect them. */
export const streamHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'x-accel-buffering': 'no',
}

/** Begins a stream of events, where none has begun. */
export function beginEvents(
  { response }: Reply,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(200, { ...headers, ...streamHeaders })
  response.flushHeaders()
}

/** Whether what was written is on its way; if not, this is called as soon as it is, or nobody reads it any more. */
export function isDrained({ response }: Reply, resume: () => void): boolean {
  if (!response.writableNeedDrain) return true
  const goOn = (): void => {
    response.off('drain', goOn).off('close', goOn)
    resume()
  }
  response.on('drain', goOn).on('close', goOn)
  return false
}

/** What was to end has ended. */
export function replyEnded({ response }: Reply): void {
  if (!response.headersSent) response.writeHead(204).end()
}

/** A notification was taken. */
export function replyAccepted({ response }: Reply): void {
  if (!response.headersSent) response.writeHead(202, { 'content-length': '0' }).end()
}

/** Ends an answer, whatever has been sent of it, with a refusal: a stream with one more event, the last. */
export function endReply(reply: Reply, refusal: Refusal): void {
  const { response, decisionId } = reply
  const data = decisionId === undefined ? refusal.data : { decisionId, ...refusal.data }
  const told = data === undefined ? refusal : { ...refusal, data }
  if (!response.headersSent) replyRefusal(reply, told)
  else if (!response.writableEnded) {
    response.end(formatEvent(Buffer.from(formatRefusal(told, reply.rawId))))
  }
}

/** Answers with a refusal; a connection that must not be used again is closed with it. */
export function replyRefusal(
  reply: Reply,
  refusal: Refusal,
  status: number = refusal.status,
): void {
  if (status === 202) {
    replyAccepted(reply)
    return
  }
  const close = refusal.close === true ? { connection: 'close' } : {}
  const headers = { ...refusal.headers, ...close }
  replyBody(reply, Buffer.from(formatRefusal(refusal, reply.rawId)), { status, headers })
}
