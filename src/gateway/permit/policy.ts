import type {
  DecisionInput,
  DecisionResource,
  Evaluated,
  ListInput,
} from '../../policy/authorizer.ts'
import type { Decision, Reason } from '../../policy/decision.ts'
import { rawIdOf, type Call } from '../call.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Means } from '../means.ts'
import type { Stranger } from '../caller/caller.ts'
import { denial, unavailable, type CheckName, type Refusal } from '../refusal.ts'

/** The server of what the gateway answers itself. */
const federatedServer = 'countersign'

const decisionPath = 'countersign/mcp/decision'
const listPath = 'countersign/mcp/list'

/** Asks policy about one request. Every answer gets an id and an event in the decision log before anything follows from it. */
export function decideCall(call: Call, means: Means): Refusal | undefined {
  if (!means.decisionLog.available) return logUnavailable(call)
  const evaluated = means.authorizer.decide(inputOf(call, means))
  const id = record(call, means, { path: decisionPath, evaluated })
  if (evaluated.error !== undefined) return policyUnavailable(call, means, { id, evaluated })
  const { value } = evaluated
  if (!value.allow) return denial(rawIdOf(call), { id, reasons: value.reasons })
  call.decided = { id, ...value }
  return undefined
}

/** A decision that was taken without policy: recorded as one all the same. */
export function refuseDecision(
  call: Call,
  means: Means,
  refused: { readonly check: CheckName; readonly reason: Reason },
): Refusal {
  if (!means.decisionLog.available) return logUnavailable(call)
  const value: Decision = { allow: false, reasons: [refused.reason], obligations: [] }
  const evaluated = { value, input: inputOf(call, means), result: value, seconds: 0 }
  const path = `countersign/gateway/${refused.check}`
  const id = record(call, means, { path, evaluated })
  return denial(rawIdOf(call), { id, reasons: value.reasons })
}

/**
 * An identity that is not acceptable is a decision too, where it has a name. Nothing of its message is read, so nothing of it is in
 * the event. What could not be known about it, or is too much of it, is none.
 */
export function refuseIdentity(
  call: Call,
  means: Means,
  refused: Stranger & { readonly check: CheckName },
): Refusal {
  const { refusal, svid, check } = refused
  if (refusal.status !== 403 || svid === undefined) return refusal
  if (!means.decisionLog.available) return { ...logUnavailable(call), close: true }
  const { message, detail } = refusal
  const code = 'identity-not-acceptable'
  const told: Reason = { code, message, audience: 'agent' }
  const kept: readonly Reason[] =
    detail === undefined ? [] : [{ code, message: detail, audience: 'operator' }]
  const value: Decision = { allow: false, reasons: [told, ...kept], obligations: [] }
  const { spiffeId, sha256, notAfter } = svid
  const subject = call.peer?.subject ?? {
    type: 'identity',
    id: spiffeId.uri,
    properties: { certificate: { sha256, notAfter: notAfter.toISOString() } },
  }
  const time = new Date(means.now()).toISOString()
  const input = { subject, context: { time, door: call.door.name, phase: 'request' } }
  const evaluated = { value, input, result: value, seconds: 0 }
  const path = `countersign/gateway/${check}`
  const id = record(call, means, { path, evaluated, requestedBy: spiffeId.uri })
  return { ...refusal, data: { decisionId: id } }
}

/** Asks policy once about a whole list. */
export function decideList(
  call: Call,
  means: Means,
  resources: readonly DecisionResource[],
): readonly boolean[] | Refusal {
  if (!means.decisionLog.available) return logUnavailable(call)
  const { subject, action, context } = inputOf(call, means)
  const input: ListInput = { subject, action, resources, context: { ...context, phase: 'list' } }
  const evaluated = means.authorizer.filter(input)
  const id = record(call, means, { path: listPath, evaluated })
  if (evaluated.error !== undefined) return policyUnavailable(call, means, { id, evaluated })
  return evaluated.value
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

function inputOf(call: Call, means: Means): DecisionInput {
  const { peer, message, door } = call
  if (peer === undefined || message === undefined || message.kind === 'response') {
    throw new TypeError('policy is asked before the peer and the message are known')
  }
  return {
    subject: peer.subject,
    action: { name: message.method },
    resource: resourceOf(call),
    context: {
      ...(message.arguments === undefined ? {} : { arguments: message.arguments }),
      era: message.era,
      time: new Date(means.now()).toISOString(),
      door: door.name,
      phase: 'request',
    },
  }
}

function resourceOf(call: Call): DecisionResource {
  const { upstream, tool, definition } = call
  const server = upstream?.config.server ?? federatedServer
  if (tool === undefined) return { type: 'mcp_server', id: server, properties: { server } }
  if (definition !== undefined) return toolResource(server, definition)
  return { type: 'tool', id: tool, properties: { server } }
}

function record(
  call: Call,
  means: Means,
  decision: {
    readonly path: string
    readonly evaluated: Evaluated<unknown>
    readonly requestedBy?: string
  },
): string {
  const decisionId = means.newDecisionId()
  const requestedBy = call.peer?.svid.spiffeId.uri ?? ''
  means.decisionLog.record({ decisionId, requestedBy, ...decision })
  return decisionId
}

function logUnavailable(call: Call): Refusal {
  return unavailable(503, 'decisions cannot be recorded', { rawId: rawIdOf(call) })
}

function policyUnavailable(
  call: Call,
  means: Means,
  failed: { readonly id: string; readonly evaluated: Evaluated<unknown> },
): Refusal {
  const detail = failed.evaluated.error ?? ''
  means.log.error({ decision: failed.id, detail }, 'policy gave no decision')
  const data = { decisionId: failed.id }
  return unavailable(500, 'policy is not available', { rawId: rawIdOf(call), data, detail })
}
