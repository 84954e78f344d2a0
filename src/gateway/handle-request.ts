import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { cut } from '../errors.ts'
import { rawIdOf, type Call, type Door } from './call.ts'
import type { Means } from './means.ts'
import type { Peer } from './caller/caller.ts'
import { unavailable } from './refusal.ts'
import { replyRefusal } from './door/reply.ts'
import { serveCall } from './serve.ts'
import { runChecks, type Refused } from './table.ts'

export interface Http {
  readonly door: Door
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Handles a request; what even a refusal cannot be made of hangs up. */
export function handleSafely(http: Http, means: Means): void {
  handleRequest(http, means).catch((error: unknown) => {
    means.log.error({ error, door: http.door.name }, 'request broke')
    http.request.socket.destroy()
  })
}

/** Takes one request through the table and, when nothing refuses it, to its answer. Whatever breaks on the way is a refusal. */
async function handleRequest(http: Http, means: Means): Promise<void> {
  const call = openCall(http, means.now())
  const refused = await outcomeOf(call, means)
  if (call.peer !== undefined) releaseWhenSent(call.peer, call.response)
  const { door } = call
  const seconds = (means.now() - call.receivedAt) / 1000
  means.metrics.observe('countersign_gateway_request_seconds', seconds, { door: door.kind })
  const outcome = refused === undefined ? 'served' : 'refused'
  means.metrics.count('countersign_gateway_requests_total', { door: door.kind, outcome })
  if (refused !== undefined) refuse(call, means, refused)
}

/** A request is open until its answer is read: else a caller that reads nothing could have any number of them answered. */
function releaseWhenSent(peer: Peer, response: ServerResponse): void {
  const release = (): void => {
    peer.usage.open -= 1
    peer.open -= 1
  }
  if (response.closed) release()
  else response.once('close', release)
}

async function outcomeOf(call: Call, means: Means): Promise<Refused | undefined> {
  try {
    return (await runChecks(call, means)) ?? (await serveCall(call, means))
  } catch (error) {
    means.log.error({ error, door: call.door.name }, 'request broke')
    return {
      check: 'forward',
      refusal: unavailable(500, 'internal error', { rawId: rawIdOf(call) }),
    }
  }
}

function refuse(call: Call, means: Means, refused: Refused): void {
  const { check, refusal } = refused
  const { message, door } = call
  // Of a caller that was not let in, too, what its certificate says.
  const { svid } = call.peer ?? means.peers.of(call.request.socket as TLSSocket)
  const told: { readonly decisionId?: string } | undefined = refusal.data
  means.metrics.count('countersign_gateway_refusals_total', { check, code: String(refusal.code) })
  means.log.info(
    {
      check,
      door: door.name,
      code: refusal.code,
      why: refusal.message,
      detail: refusal.detail,
      decision: told?.decisionId ?? call.decided?.id,
      peer: svid?.spiffeId.uri,
      namespace: svid?.identity?.namespace.name,
      serviceAccount: svid?.identity?.serviceAccount.name,
      pod: svid?.identity?.pod.name,
      method:
        message !== undefined && message.kind !== 'response' ? cut(message.method) : undefined,
    },
    'request refused',
  )
  if (call.response.headersSent) call.response.destroy()
  else replyRefusal(call, refusal)
}

function openCall(http: Http, receivedAt: number): Call {
  return {
    ...http,
    receivedAt,
    peer: undefined,
    body: undefined,
    message: undefined,
    session: undefined,
    upstream: undefined,
    tool: undefined,
    definition: undefined,
    decided: undefined,
  }
}
