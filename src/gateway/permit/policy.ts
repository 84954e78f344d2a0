import type { Log } from '../../log.ts'
import type { NotificationMessage, RequestMessage } from '../../mcp/message.ts'
import type { X509Svid } from '../../pki/x509-svid.ts'
import type {
  Authorizer,
  DecisionInput,
  DecisionResource,
  Evaluated,
  ListInput,
} from '../../policy/authorizer.ts'
import type { Decision, Reason } from '../../policy/decision.ts'
import type { DecisionLog } from '../../policy/decision-log.ts'
import type { Call } from '../call.ts'
import type { Caller } from '../caller/caller.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Door } from '../door/arrived.ts'
import {
  denial,
  isRefused,
  refused,
  unavailable,
  type CheckName,
  type Refusal,
  type Refused,
} from '../refusal.ts'

/** A decision that has its id, and its place in the decision log. */
export interface Decided extends Decision {
  readonly id: string
}

/** What is decided about: a call, with the definition of its tool as soon as that is known. */
export interface Question {
  readonly call: Call
  readonly definition: Definition | undefined
}

/** Every decision gets an id and an event in the decision log before anything follows from it. */
export interface Decisions {
  /** Asks policy about one request. */
  decide(question: Question): Decided | Refused
  /** Asks policy once about a whole list. */
  decideList(call: Call, resources: readonly DecisionResource[]): readonly boolean[] | Refused
  /** A decision that was taken without policy: recorded as one all the same. */
  refuse(question: Question, check: CheckName, reason: Reason): Refused
  /**
   * An identity that is not acceptable is a decision too, where it has a name. Nothing of its message is read, so nothing of it is in
   * the event. What could not be known about it, or is too much of it, is none.
   */
  refuseIdentity(stranger: Identified, refused: Refused): Refusal
}

export interface Identified {
  readonly door: Door
  readonly svid: X509Svid | undefined
  readonly caller: Caller | undefined
}

export interface DecisionsOptions {
  readonly authorizer: Authorizer
  readonly decisionLog: DecisionLog
  readonly now: () => number
  readonly newDecisionId: () => string
  readonly log: Log
}

/** The server of what the gateway answers itself. */
const federatedServer = 'countersign'

const decisionPath = 'countersign/mcp/decision'
const listPath = 'countersign/mcp/list'

export function createDecisions(options: DecisionsOptions): Decisions {
  const { authorizer, decisionLog, newDecisionId, log } = options
  const time = (): string => new Date(options.now()).toISOString()

  function record(path: string, requestedBy: string, evaluated: Evaluated<unknown>): string {
    const decisionId = newDecisionId()
    decisionLog.record({ decisionId, requestedBy, path, evaluated })
    return decisionId
  }
  /** An answer of policy, recorded; or that there is none. */
  function recorded<T>(
    path: string,
    call: Call,
    evaluated: Evaluated<T>,
  ): { readonly id: string; readonly value: T } | Refused {
    const id = record(path, call.caller.svid.spiffeId.uri, evaluated)
    const { error, value } = evaluated
    if (error === undefined) return { id, value }
    log.error({ decision: id, detail: error }, 'policy gave no decision')
    const more = { data: { decisionId: id }, detail: error }
    return refused('policy', unavailable(500, 'policy is not available', more))
  }

  return {
    decide(question) {
      if (!decisionLog.available) return refused('policy', logUnavailable)
      const evaluated = authorizer.decide(inputOf(question, time()))
      const decided = recorded(decisionPath, question.call, evaluated)
      if (isRefused(decided)) return decided
      const { id, value } = decided
      if (!value.allow) return refused('policy', denial({ id, reasons: value.reasons }))
      return { id, allow: true, reasons: value.reasons, obligations: value.obligations }
    },
    decideList(call, resources) {
      if (!decisionLog.available) return refused('response', logUnavailable)
      const { subject, action, context } = inputOf({ call, definition: undefined }, time())
      const input: ListInput = {
        subject,
        action,
        resources,
        context: { ...context, phase: 'list' },
      }
      const decided = recorded(listPath, call, authorizer.filter(input))
      return isRefused(decided) ? refused('response', decided.refusal) : decided.value
    },
    refuse(question, check, reason) {
      if (!decisionLog.available) return refused(check, logUnavailable)
      const value: Decision = { allow: false, reasons: [reason], obligations: [] }
      const evaluated = { value, input: inputOf(question, time()), result: value, seconds: 0 }
      const requestedBy = question.call.caller.svid.spiffeId.uri
      const id = record(`countersign/gateway/${check}`, requestedBy, evaluated)
      return refused(check, denial({ id, reasons: value.reasons }))
    },
    refuseIdentity({ door, svid, caller }, { check, refusal }) {
      if (svid === undefined) return refusal
      if (!decisionLog.available) return { ...logUnavailable, close: true }
      const value: Decision = { allow: false, reasons: reasonsOf(refusal), obligations: [] }
      const { spiffeId } = svid
      const subject = caller?.subject ?? subjectOf(svid)
      const input = { subject, context: { time: time(), door: door.name, phase: 'request' } }
      const evaluated = { value, input, result: value, seconds: 0 }
      const id = record(`countersign/gateway/${check}`, spiffeId.uri, evaluated)
      return { ...refusal, data: { decisionId: id } }
    },
  }
}

const logUnavailable: Refusal = unavailable(503, 'decisions cannot be recorded')

function reasonsOf({ message, detail }: Refusal): readonly Reason[] {
  const code = 'identity-not-acceptable'
  const told: Reason = { code, message, audience: 'agent' }
  return detail === undefined ? [told] : [told, { code, message: detail, audience: 'operator' }]
}

/** What is known of somebody who is let in nowhere. */
function subjectOf({ spiffeId, sha256, notAfter }: X509Svid): object {
  const certificate = { sha256, notAfter: notAfter.toISOString() }
  return { type: 'identity', id: spiffeId.uri, properties: { certificate } }
}

export function toolResource(server: string, definition: Definition): DecisionResource {
  const { name, digest, annotations } = definition
  return {
    type: 'tool',
    id: name,
    properties: {
      server,
      definitionDigest: digest,
      ...(annotations === undefined ? {} : { annotations }),
    },
  }
}

function inputOf({ call, definition }: Question, time: string): DecisionInput {
  const { caller, message, arrived } = call
  return {
    subject: caller.subject,
    action: { name: message.method },
    resource: resourceOf(call, definition),
    context: contextOf(message, { time, door: arrived.door.name }),
  }
}

function contextOf(
  message: RequestMessage | NotificationMessage,
  { time, door }: { readonly time: string; readonly door: string },
): DecisionInput['context'] {
  return {
    ...(message.arguments === undefined ? {} : { arguments: message.arguments }),
    era: message.era,
    time,
    door,
    phase: 'request',
  }
}

function resourceOf({ target }: Call, definition: Definition | undefined): DecisionResource {
  const server = target.upstream?.config.server ?? federatedServer
  if (target.kind === 'server') return { type: 'mcp_server', id: server, properties: { server } }
  if (definition !== undefined) return toolResource(server, definition)
  return { type: 'tool', id: target.tool, properties: { server } }
}
