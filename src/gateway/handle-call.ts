import type { TLSSocket } from 'node:tls'
import { cut } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import {
  parseMessage,
  type NotificationMessage,
  type RequestMessage,
  type ResponseMessage,
} from '../mcp/message.ts'
import { isProblem } from '../mcp/problem.ts'
import { readableId } from '../mcp/readable-id.ts'
import { argumentsText, type ArgumentsText } from '../policy/asked.ts'
import type { Condition } from '../readiness.ts'
import { address } from './address.ts'
import type { Caller } from './caller/caller.ts'
import type { Callers } from './caller/connections.ts'
import type { Arrived } from './door/arrived.ts'
import { readBody } from './door/body.ts'
import { checkHostAndOrigin, type Served } from './door/host.ts'
import { AnswerHold } from './door/unsent.ts'
import { beginEvents, replyRefusal, type Reply } from './door/reply.ts'
import { sessionOf } from './handle/session.ts'
import { methodOf } from './methods.ts'
import type { Permit } from './permit/authorize.ts'
import { taskOf } from './permit/task.ts'
import type { Call } from './call.ts'
import {
  isRefused,
  refused,
  statusOf,
  retrySoon,
  unavailable,
  type Refusal,
  type Refused,
  type Told,
} from './refusal.ts'
import { whenThere, type Soon } from './soon.ts'
import type { RefusalLog } from './refusal-log.ts'
import { comeBack, refuseForm, shownSession, type ComesBack } from './serve/come-back.ts'
import { forward } from './serve/forward.ts'
import { listen } from './serve/session-stream.ts'
import { end } from './serve/end.ts'
import { goingOn } from './serve/go-on.ts'
import { respond, type Responding } from './serve/respond.ts'
import { Stay } from './stay.ts'
import type { Parts, Serve } from './serve/serve.ts'
import type { CallOutcome, Tracer } from './trace/tracer.ts'
import { turnFor } from './turns.ts'

export interface CallHandlerOptions {
  /** What still has to hold before anybody is served. */
  readonly unmet: () => readonly Condition[]
  readonly callers: Callers
  readonly served: Served
  readonly authorize: (call: Call) => Soon<Permit | Refused>
  readonly parts: Parts
  readonly tracer?: Tracer | undefined
  readonly refusals: RefusalLog
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
  readonly newDecisionId: () => string
}

/** What is known of a request so far: for its answer, and for the log. */
interface Known {
  readonly arrived: Arrived
  readonly stay: Stay
  caller: Caller | undefined
  message: RequestMessage | NotificationMessage | undefined
  rawId: string | undefined
  decisionId: string | undefined
  /** It asks for the rest of a stream, and is answered by one. */
  isRest: boolean
  /** When it came, for its span. */
  readonly tracedAt: number
  call: Call | undefined
}

/** Handles requests; what even a refusal cannot be made of hangs up. */
export function createCallHandler(options: CallHandlerOptions): (arrived: Arrived) => void {
  const { log } = options
  return (arrived) => {
    const stay = new Stay(arrived.response)
    handleCall(arrived, stay, options)
      .catch((error: unknown) => {
        log.error({ error, door: arrived.door.name }, 'request broke')
        arrived.request.socket.destroy()
      })
      .finally(() => stay.served())
  }
}

/** Takes one request to its answer, and counts it. Whatever breaks on the way is a refusal. */
async function handleCall(
  arrived: Arrived,
  stay: Stay,
  options: CallHandlerOptions,
): Promise<void> {
  const { metrics, now } = options
  const { kind: door } = arrived.door
  const receivedAt = now()
  const known: Known = {
    arrived,
    stay,
    caller: undefined,
    message: undefined,
    rawId: undefined,
    decisionId: undefined,
    isRest: false,
    tracedAt: options.tracer?.now() ?? 0,
    call: undefined,
  }
  const refusal = await outcomeOf(known, options)
  const seconds = (now() - receivedAt) / 1000
  metrics.observe('countersign_gateway_request_seconds', seconds, { door })
  const outcome = refusal === undefined ? 'served' : 'refused'
  metrics.count('countersign_gateway_requests_total', { door, outcome })
  if (refusal !== undefined) refuse(known, refusal, options)
  const trace = known.call?.trace
  if (trace !== undefined) trace.end(outcomeForTrace(known, refusal))
}

function outcomeForTrace({ call, decisionId }: Known, refusal: Refused | undefined): CallOutcome {
  const target = call?.target
  return {
    server: target?.upstream?.config.server,
    tool: target?.kind === 'tool' ? target.tool : undefined,
    decisionId,
    refused:
      refusal === undefined ? undefined : { check: refusal.check, code: refusal.refusal.code },
  }
}

async function outcomeOf(known: Known, options: CallHandlerOptions): Promise<Refused | undefined> {
  try {
    return await serveCall(known, options)
  } catch (error) {
    options.log.error({ error, door: known.arrived.door.name }, 'request broke')
    return refused('forward', unavailable(500, 'internal error'))
  }
}

/**
 * What every request passes, in this order, at every door and in both eras: there is no other way to an upstream. The first refusal
 * ends it. Nothing here fails open: what throws refuses.
 */
async function serveCall(known: Known, options: CallHandlerOptions): Promise<Refused | undefined> {
  const { callers, served, authorize, parts } = options
  const { arrived } = known
  const unmet = options.unmet()
  if (unmet.length > 0) return notReady(known, unmet, options)
  const admitted = admit(known, callers)
  const caller = admitted instanceof Promise ? await admitted : admitted
  if (isRefused(caller)) return caller
  const strange = checkHostAndOrigin(arrived.request.rawHeaders, served)
  if (strange !== undefined) return strange
  const body = await bodyOf(known, caller, parts)
  if (isRefused(body)) {
    known.rawId = body.refusal.rawId
    return body
  }
  const { method, rawHeaders } = arrived.request
  if (method === 'DELETE' || method === 'GET') return serveSession(known, caller, options)
  const turn = turnFor(body.length, caller.account, parts.turns)
  if (turn !== undefined) await turn
  const read = readCall(known, { caller, body, rawHeaders }, options)
  if (isRefused(read)) return read
  if ('response' in read) return respond({ ...read, reply: replyTo(known) }, parts)
  const permit = permitted(known, read.call, authorize)
  const given = permit instanceof Promise ? await permit : permit
  return isRefused(given) ? given : read.serve(given, replyTo(known), parts)
}

/** A call that is decided on, whose caller is still there. */
function permitted(
  known: Known,
  call: Call,
  authorize: CallHandlerOptions['authorize'],
): Soon<Permit | Refused> {
  return whenThere(authorize(call), (permit) => {
    if (isRefused(permit)) return permit
    known.decisionId = permit.decisionId
    return call.caller.ended === undefined ? permit : refused('peer', call.caller.ended)
  })
}

/** Who is at the other end, and whether that certificate still counts at this moment. */
function admit(known: Known, callers: Callers): Soon<Caller | Refused> {
  const caller = enter(known, callers)
  if (isRefused(caller)) return caller
  return whenThere(callers.judge(caller), (refusal) =>
    refusal === undefined ? caller : refused('peer', refusal),
  )
}

function enter(known: Known, callers: Callers): Caller | Refused {
  const caller = callers.enter(known.arrived.response, known.stay)
  if ('refusal' in caller) return refused('peer', caller.refusal)
  known.caller = caller
  return caller
}

function bodyOf(
  { arrived, stay }: Known,
  { bodies: room }: Caller,
  { limits }: Parts,
): Promise<Buffer | Refused> {
  return readBody(arrived, { bytesMax: limits.bodyBytesMax, room, stay })
}

/**
 * The stream of a session, or its end: both are its owner's to ask for. No policy is asked: nothing is reached by the end, and of what
 * comes on the stream each message is decided on. The rest of the stream of a request is that request, which is decided on again.
 */
function serveSession(
  known: Known,
  caller: Caller,
  options: CallHandlerOptions,
): Soon<Refused | undefined> {
  const { parts } = options
  const { door, request } = known.arrived
  const shown = shownSession(known.arrived, caller.owner, openingOf(parts))
  if (isRefused(shown)) return shown
  const { session } = shown
  if (request.method === 'DELETE') return end(session, { caller, reply: replyTo(known) }, parts)
  const unfit = refuseForm(request)
  if (unfit !== undefined) return unfit
  if (request.headers['last-event-id'] === undefined)
    return listen({ caller, session, door, reply: replyTo(known) }, parts)
  const back = comeBack(known.arrived, shown, parts)
  return isRefused(back) ? back : serveRest(known, { caller, ...back }, options)
}

async function serveRest(
  known: Known,
  { from, ...arrived }: ComesBack & { readonly caller: Caller },
  options: CallHandlerOptions,
): Promise<Refused | undefined> {
  const read = readCall(known, arrived, options)
  if (isRefused(read)) return read
  if ('response' in read) throw new TypeError('an answer has no stream')
  known.isRest = true
  const permit = await permitted(known, read.call, options.authorize)
  return isRefused(permit) ? permit : forward(permit, replyTo(known), options.parts, { from })
}

function openingOf({ seal, sessions }: Parts): Parameters<typeof sessionOf>[1] {
  return { seal, isEnded: (key) => sessions.isEnded(key) }
}

type Answer = Omit<Responding, 'reply'>

interface Arriving extends Pick<ComesBack, 'body' | 'rawHeaders'> {
  readonly caller: Caller
}

interface Read {
  readonly call: Call
  readonly serve: Serve
}

/** What the body says, of which session, to whom. */
function readCall(
  known: Known,
  { caller, body, rawHeaders }: Arriving,
  { parts, tracer }: CallHandlerOptions,
): Read | Answer | Refused {
  const { limits, upstreams } = parts
  const { arrived } = known
  const { door } = arrived
  const message = parseMessage(body, rawHeaders, {
    bodyBytesMax: limits.bodyBytesMax,
  })
  if (isProblem(message)) {
    known.rawId = message.rawId
    return refused('era', message)
  }
  if (message.kind === 'response') return answerOf(message, { caller, door }, parts)
  known.message = message
  known.rawId = message.kind === 'request' ? message.id.raw : undefined
  const method = methodOf(message, door)
  if (isRefused(method)) return method
  const { owner } = caller
  const session = sessionOf({ message, owner, door: door.name }, openingOf(parts))
  if (session !== undefined && isRefused(session)) return session
  const target = address({ door, message, about: method.about }, upstreams)
  if (isRefused(target)) return target
  const trace = tracer?.begin({ message, rawHeaders, at: known.tracedAt })
  const stay = known.stay.part()
  const said = { message, arguments: argumentsOf(message) }
  const call = { arrived, caller, stay, session, target, trace, ...said }
  known.call = call
  const serve = method.serve[door.kind]
  const opened = method.about === 'task' ? taskOf(call, parts) : goingOn(call, parts)
  if (opened === undefined) return { call, serve }
  if (isRefused(opened)) return opened
  const whole = { ...call, ...opened }
  known.call = whole
  return { call: whole, serve }
}

/** What answers a server is in a session, as everything of its era is but what opens one. */
function answerOf(
  message: ResponseMessage,
  { caller, door }: Pick<Answer, 'caller' | 'door'>,
  parts: Parts,
): Answer | Refused {
  const { owner } = caller
  const session = sessionOf({ message, owner, door: door.name }, openingOf(parts))
  if (session === undefined) throw new TypeError('an answer is of the legacy era')
  return isRefused(session) ? session : { response: message, caller, session, door }
}

function argumentsOf(message: RequestMessage | NotificationMessage): ArgumentsText | undefined {
  const { body, offsets, roundedArguments } = message
  if (offsets.arguments === undefined) return undefined
  const { start, end } = offsets.arguments
  return argumentsText(body.subarray(start, end), roundedArguments)
}

/** Until the gateway is ready it listens, and says so: with the id of the request, and the names of what is missing. */
async function notReady(
  known: Known,
  unmet: readonly Condition[],
  { callers, parts }: CallHandlerOptions,
): Promise<Refused> {
  const caller = enter(known, callers)
  if (isRefused(caller)) return caller
  const body = await bodyOf(known, caller, parts)
  if (isRefused(body)) {
    known.rawId = body.refusal.rawId
    return body
  }
  known.rawId = readableId(body)
  const names = unmet.map(({ name }) => name)
  const refusal = unavailable(503, `not ready: ${names.join(', ')}`, {
    data: { conditions: names },
    detail: unmet.map(({ name, reason }) => `${name}: ${reason}`).join('; '),
    headers: retrySoon,
  })
  return refused('ready', { ...refusal, close: true })
}

function replyTo({ arrived, stay, caller, rawId, decisionId }: Known): Reply {
  const { response } = arrived
  const hold = caller === undefined ? undefined : new AnswerHold(response, caller.unsent, stay)
  return { response, rawId, hold, decisionId }
}

/** Tells a refusal, once: to the log, and to the caller where nothing of an answer has been sent. */
function refuse(known: Known, { check, refusal }: Refused, options: CallHandlerOptions): void {
  const { arrived, caller, message, decisionId } = known
  const { callers, parts, metrics, refusals } = options
  // Of a caller that was not let in, too, what its certificate says.
  const { svid } = caller ?? callers.of(arrived.request.socket as TLSSocket)
  const stranger = { door: arrived.door, svid, caller }
  const judged: Refusal =
    refusal.identity === true
      ? parts.decisions.refuseIdentity(stranger, { check, refusal })
      : refusal
  // What no policy was asked about has an id too: by it the caller's word leads to the line in the log.
  const { decisionId: decision = decisionId ?? options.newDecisionId() } = (judged.data ?? {}) as {
    decisionId?: string
  }
  const told: Refusal = { ...judged, data: { ...judged.data, decisionId: decision } }
  metrics.count('countersign_gateway_refusals_total', { check, code: String(told.code) })
  refusals.note({
    check,
    door: arrived.door.name,
    code: told.code,
    why: told.message,
    detail: told.detail,
    decision,
    peer: svid?.spiffeId.uri,
    namespace: svid?.identity?.namespace.name,
    serviceAccount: svid?.identity?.serviceAccount.name,
    pod: svid?.identity?.pod.name,
    method: message === undefined ? undefined : cut(message.method),
  })
  const { response } = arrived
  const status = statusOf({ check, refusal: told }, toldOf(known))
  if (!response.headersSent) {
    if (known.isRest && status === 200) beginEvents(replyTo(known))
    replyRefusal(replyTo(known), told, status)
  }
  // What has been told to its end is on its way.
  else if (!response.writableEnded) response.destroy()
}

/** A message that could not be read has an era all the same: only legacy clients name a session. */
function toldOf({ arrived, message, rawId }: Known): Told {
  const hasSession = arrived.request.headers['mcp-session-id'] !== undefined
  return {
    isLegacy: message === undefined ? hasSession : message.era === 'legacy',
    kind: message?.kind ?? (rawId === undefined ? undefined : 'request'),
  }
}
