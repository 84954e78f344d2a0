import type { Call } from '../call.ts'
import { rawIdOf } from '../call.ts'
import { endWith } from './unsent.ts'
import { formatRefusal, type Refusal } from '../refusal.ts'

/** Answers with a result of the gateway's own. */
export function replyResult(
  call: Call,
  result: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  replyResultText(call, JSON.stringify(result), headers)
}

/** Answers with a result whose text is ready; the id is the request's own octets. */
export function replyResultText(
  call: Call,
  result: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  const head = Buffer.from(`{"jsonrpc":"2.0","id":${rawIdOf(call) ?? 'null'},"result":`)
  replyBody(call, Buffer.concat([head, Buffer.from(result), Buffer.from('}')]), { headers })
}

/** Answers with a whole JSON text. */
export function replyBody(
  call: Call,
  body: Buffer,
  more: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): void {
  const { response } = call
  if (response.headersSent || response.destroyed) return
  response.writeHead(more.status ?? 200, {
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...more.headers,
  })
  endWith(call, body)
}

/** A notification was taken. */
export function replyAccepted({ response }: Call): void {
  if (!response.headersSent) response.writeHead(202, { 'content-length': '0' }).end()
}

/** Answers with a refusal; a connection that must not be used again is closed with it. */
export function replyRefusal(call: Call, refusal: Refusal): void {
  const close = refusal.close === true ? { connection: 'close' } : {}
  const headers = { ...refusal.headers, ...close }
  replyBody(call, Buffer.from(formatRefusal(refusal)), { status: refusal.status, headers })
}
