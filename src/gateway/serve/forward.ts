import { rawIdOf, type Call } from '../call.ts'
import { startExchange, type AnswerHead } from '../upstream/exchange.ts'
import { fault, refuseAnswer } from './fault.ts'
import { callerHeaders, upstreamHeaders } from '../upstream/headers.ts'
import { judgeAnswer } from '../upstream/judge-answer.ts'
import type { Means } from '../means.ts'
import type { RequestMessage } from '../../mcp/message.ts'
import { argumentsSha256, replaceName } from '../../mcp/edits.ts'
import { createEventPasser, type EventPasser } from './stream.ts'
import { badRequest } from '../refusal.ts'
import type { Peer } from '../caller/caller.ts'
import { tieExchange } from '../caller/streams.ts'
import { endWith } from '../door/unsent.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Refused } from '../table.ts'

/** A call that passed the table, on its way to its one upstream. */
export interface Forward {
  readonly call: Call
  readonly peer: Peer
  readonly message: RequestMessage
  readonly upstream: Upstream
}

/**
 * Forwards a request and streams its answer through. The octets are those that were decided on; behind the door of all upstreams the
 * tool's name is replaced, and nothing else ever is.
 */
export async function forwardCall(forward: Forward, means: Means): Promise<Refused | undefined> {
  const { call, message } = forward
  const transactionToken = call.tool === undefined ? undefined : signToken(forward, means)
  const body =
    call.door.kind === 'all' && call.tool !== undefined
      ? replaceName(message.body, message.offsets, call.tool)
      : message.body
  const session = call.session?.upstreams[forward.upstream.config.server]
  const headers = upstreamHeaders({
    raw: call.request.rawHeaders,
    era: message.era,
    version: session?.version ?? message.version,
    tool: call.tool,
    sessionId: session?.id,
    transactionToken,
  })
  return passThrough({ ...forward, headers, body }, means)
}

function signToken(forward: Forward, means: Means): string {
  const { call, peer, message, upstream } = forward
  const { server, spiffeId } = upstream.config
  return means.tokens.sign({
    caller: peer.svid,
    upstream: { server, spiffeId },
    tool: call.tool ?? '',
    argumentsSha256: argumentsSha256(message.body, message.offsets),
    transactionId: call.decided?.id ?? means.newDecisionId(),
  })
}

interface Prepared extends Forward {
  readonly headers: string[]
  readonly body: Buffer
}

function passThrough(prepared: Prepared, means: Means): Promise<Refused | undefined> {
  const { call, upstream, headers, body, peer } = prepared
  const { answerBytesMax, streamSecondsMax } = means.limits
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let head: AnswerHead | undefined
    let events: EventPasser | undefined
    const { response } = call

    function settle(refused: Refused | undefined): void {
      untie()
      resolve(refused)
    }
    const exchange = startExchange(
      {
        upstream,
        caller: peer.svid.spiffeId.uri,
        request: { headers, body },
        answerBytesMax,
        streamSecondsMax,
        repeatable: isRepeatable(call),
      },
      {
        head(received) {
          head = received
          if (head.form !== 'events') return
          events = createEventPasser({ ...prepared, means, cancel: () => exchange.cancel() })
          beginStream(prepared, head)
        },
        data(chunk) {
          if (events === undefined) {
            chunks.push(chunk)
            return true
          }
          events.push(chunk)
          if (!response.writableNeedDrain) return true
          response.once('drain', () => exchange.resume())
          return false
        },
        end() {
          events?.end()
          settle(events === undefined ? answer(prepared, means, { head, chunks }) : undefined)
        },
        failed(failure) {
          if (head?.form === 'events' && !response.writableEnded) response.destroy()
          settle(
            response.headersSent || failure.failed === 'cancelled'
              ? undefined
              : fault(call, failure),
          )
        },
      },
    )
    const untie = tieExchange(peer, response, () => exchange.cancel())
  })
}

/** The server itself says that its tool changes nothing, or nothing more the second time (MCP 2026-07-28 tools, annotations). */
function isRepeatable({ tool, definition }: Call): boolean {
  if (tool === undefined) return true
  const { readOnlyHint, idempotentHint } = (definition?.annotations ?? {}) as ToolHints
  return readOnlyHint === true || idempotentHint === true
}

interface ToolHints {
  readonly readOnlyHint?: unknown
  readonly idempotentHint?: unknown
}

function beginStream({ call }: Prepared, head: AnswerHead): void {
  const headers = {
    ...callerHeaders(head.headers),
    'content-type': 'text/event-stream',
    'x-accel-buffering': 'no',
  }
  call.response.writeHead(head.status, headers)
  call.response.flushHeaders()
}

/** Sends a whole answer on. */
function answer(
  { call, message }: Prepared,
  means: Means,
  received: { readonly head: AnswerHead | undefined; readonly chunks: readonly Buffer[] },
): Refused | undefined {
  const { head, chunks } = received
  const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
  if (head?.status === 404 && call.session !== undefined) return sessionOver(call)
  if (head === undefined || head.form !== 'json') {
    return fault(call, { failed: 'bad answer', detail: 'answer has no body' })
  }
  const verdict = judgeAnswer(message, body)
  if (verdict.kind === 'refuse') {
    return { check: 'response', refusal: refuseAnswer(call, means, verdict.what) }
  }
  if (verdict.kind !== 'response') {
    const detail = verdict.kind === 'bad' ? verdict.detail : 'answer is no response'
    return fault(call, { failed: 'bad answer', detail })
  }
  const headers = callerHeaders(head.headers)
  headers['content-type'] = 'application/json'
  headers['content-length'] = String(body.length)
  call.response.writeHead(head.status, headers)
  endWith(call, body)
  return undefined
}

/** An upstream has forgotten its session: the caller opens a new one, as it would with the upstream itself. */
function sessionOver(call: Call): Refused {
  return { check: 'response', refusal: badRequest(404, 'session is not known', rawIdOf(call)) }
}
