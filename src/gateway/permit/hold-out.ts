import { hash } from 'node:crypto'
import { isJsonObject } from '../../mcp/envelope.ts'
import type { JsonObject } from '../../mcp/scan.ts'
import type { BundleSource } from '../../pki/bundle.ts'
import { findRevocation, revocableById, type RevocationSource } from '../../pki/revocation.ts'
import type { InputText } from '../../policy/input.ts'
import type { Log } from '../../log.ts'
import type { Approval } from '../approval/approval.ts'
import type { Approvals } from '../approval/approvals.ts'
import { isOwnCall } from '../approval/own-call.ts'
import type { Binding } from '../approval/ticket.ts'
import type { Call } from '../call.ts'
import { judgeWithdrawn } from '../caller/judge.ts'
import { createCertificateReader, type CertificateReading } from '../caller/certified.ts'
import type { Definition } from '../catalogue/definition.ts'
import { approvalKey, inputResponsesOf } from '../own-input.ts'
import {
  isRefused,
  noRoom,
  refused,
  retrySoon,
  unavailable,
  type Refusal,
  type Refused,
} from '../refusal.ts'
import { declaresForms } from './asks.ts'
import type { ApprovalDuty } from './obligations.ts'
import type { Deciding, Decisions } from './policy.ts'
import { resourceTextOf } from './resource.ts'

/** Holds a call out until somebody has approved it: gives the approval, which is used up with that. */
export type HoldOut = (question: HeldQuestion, duty: ApprovalDuty) => Promise<Approval | Refused>

export interface HeldQuestion {
  readonly call: Call
  readonly definition: Definition | undefined
}

export interface HoldOutOptions extends CertificateReading {
  readonly approvals: Approvals
  readonly decisions: Decisions
  readonly revocations: RevocationSource
  readonly trustBundle: BundleSource
  readonly now: () => number
  readonly log: Log
}

/** What is kept of them, for an approver to see: their caller may send any. The digest is of all. */
const inputKeysMax = 16
const inputKeyCharactersMax = 64

const shownKeys = (keys: readonly string[]): readonly string[] =>
  keys.slice(0, inputKeysMax).map((key) => key.slice(0, inputKeyCharactersMax))

export function createHoldOut(options: HoldOutOptions): HoldOut {
  const { approvals, decisions, log } = options
  const counts = createCounts(options)

  return async (question, duty) => {
    const { call, definition } = question
    const { target, caller } = call
    // Policy may want it of what no approver could be shown: what a task is told is in no ticket.
    if (target.kind !== 'tool' || definition === undefined || call.taskId !== undefined) {
      return decisions.refuse(question, 'obligations', notHeldOut)
    }
    const { approved } = call
    // Its server has let go of it by the time that somebody would have approved what was answered.
    if (call.rounds !== undefined && approved === undefined)
      return decisions.refuse(question, 'obligations', goesOnAcross)
    if (isDeclined(call)) return decisions.refuse(question, 'obligations', declined)
    const input = inputResponsesOf(call.message)
    const binding = {
      server: target.upstream.config.server,
      tool: target.tool,
      definitionDigest: definition.digest,
      inputResponsesSha256: input?.sha256,
      ...octetsOf(call),
    }
    const request = {
      binding,
      rules: duty.rules,
      subject: caller.subjectText,
      resource: resourceTextOf(target, definition),
      shown: decisions.shownArguments(question, duty.rules),
      inputKeys: input && shownKeys(input.keys),
    }
    const counting = (approval: Approval): Promise<boolean> => counts(call, approval)
    const usedUp = (approval: Approval): Approval | Refused =>
      decisions.note(question, 'obligations', usedBy(approval, approved)) ?? approval
    try {
      if (approved !== undefined) {
        const going = { binding, rules: duty.rules, counts: counting }
        const next = await approvals.goingOn.use(approved, going)
        if (next === 'elsewhere') return refused('obligations', sealedElsewhere)
        return next === undefined ? decisions.refuse(question, 'obligations', gone) : usedUp(next)
      }
      const { seconds } = duty
      const wanted = { request, seconds, account: caller.account, counts: counting }
      const standing = await approvals.claim(wanted)
      if (standing.state === 'elsewhere') return refused('obligations', sealedElsewhere)
      if (standing.state === 'too long') return decisions.refuse(question, 'obligations', tooLong)
      if (standing.state === 'full')
        return refuseFull(question, noRoom('calls that wait for an approval', standing.full))
      const { approval } = standing
      if (standing.state === 'waiting') return wait(decisions, question, approval)
      if (standing.state === 'denied') return decisions.refuse(question, 'obligations', denied)
      return usedUp(approval)
    } catch (error) {
      log.error({ error }, 'approvals are not known')
      return refused('obligations', unavailable(503, 'approvals are not known'))
    }
  }

  function refuseFull(question: HeldQuestion, refusal: Refusal): Refused {
    const reason = { code: 'approval-full', message: refusal.message, audience: 'agent' } as const
    const told = (denial: Refusal): Refusal => ({ ...denial, ...refusal, data: denial.data ?? {} })
    return decisions.refuse(question, 'obligations', reason, told)
  }
}

/** Nobody has said anything of it yet. */
function wait(
  decisions: Decisions,
  question: HeldQuestion,
  { ticket, request }: Approval,
): Refused {
  const deadline = new Date(request.deadline).toISOString()
  const message = `an approval is needed: ticket ${ticket}, until ${deadline}`
  const reason = { code: 'approval-needed', message, audience: 'agent' } as const
  return decisions.refuse(question, 'obligations', reason, (denial) => ({
    ...denial,
    data: { ...denial.data, ticket, deadline },
    ...(!goesOn(request) && declaresForms(question) ? { result: inputRequired(message) } : {}),
  }))
}

/** Whose call it is, and which octets of it an approver has seen. */
function octetsOf({
  caller,
  arguments: given,
  requestState,
}: Call): Pick<Binding, 'owner' | 'argumentsSha256' | 'requestStateSha256'> {
  return {
    owner: caller.owner,
    argumentsSha256: given?.sha256 ?? hash('sha256', '', 'hex'),
    requestStateSha256: requestState && hash('sha256', requestState, 'hex'),
  }
}

/** A key comes to all replicas, but not at one moment. */
export const sealedElsewhere: Refusal = unavailable(503, 'approvals are not known', {
  headers: retrySoon,
  detail: 'it is sealed with a key that is not here',
})

/** Whether whoever was asked to wait for an approval will not: what they leave unsaid is no yes (MCP 2026-07-28 elicitation, actions). */
function isDeclined({ message }: Call): boolean {
  const given = (message.params['inputResponses'] ?? {}) as JsonObject
  if (!Object.hasOwn(given, approvalKey)) return false
  const { [approvalKey]: answer } = given
  return !isJsonObject(answer) || answer['action'] !== 'accept'
}

/**
 * Whether a call goes on with another one. Asked for input once more its client would bring that back alone, and what it holds for the
 * tool server would be lost.
 */
function goesOn({ binding }: Approval['request']): boolean {
  const { inputResponsesSha256, requestStateSha256 } = binding
  return inputResponsesSha256 !== undefined || requestStateSha256 !== undefined
}

/**
 * Whether an approval still is one: of somebody else who is not revoked since, for whom a trust domain that is known stands, and who may
 * approve this as policy is now.
 */
function createCounts({
  decisions,
  revocations,
  trustBundle,
  now,
  ...reading
}: HoldOutOptions): (call: Call, approval: Approval) => Promise<boolean> {
  const readCertificate = createCertificateReader(reading, 64)
  return async (call, { ticket, request, verdict }) => {
    if (verdict?.approved !== true) return false
    const read = readCertificate(Buffer.from(verdict.certificate, 'base64'))
    if (!('identity' in read)) return false
    if (findRevocation(revocations, read.svid, verdict.above.map(revocableById))) return false
    // One that is in our list no more is not ours: its names are none of our names.
    const { trustDomain } = read.svid.spiffeId
    if (!read.foreign && trustDomain !== trustBundle.current().trustDomain) return false
    const shown = { ...read, intermediates: () => [], verifiedWith: undefined, above: [] }
    if (judgeWithdrawn(shown, now()) !== undefined) return false
    if (isOwnCall(verdict.by, read.identity, request)) return false
    const decided = await decisions.decideApproval({
      call,
      action: 'approvals/approve',
      by: verdict.by,
      subject: read.subjectText,
      resource: request.resource as InputText,
      approval: approvalText({ ticket, request }),
    })
    return !isRefused(decided)
  }
}

/** What a caller of an approval's method would do with a ticket. */
export function decidingOf(call: Call, { ticket, request }: Approval): Deciding {
  return {
    call,
    action: call.message.method as Deciding['action'],
    by: call.caller.svid.spiffeId.uri,
    subject: call.caller.subjectText,
    resource: request.resource as InputText,
    approval: approvalText({ ticket, request }),
  }
}

/** What policy is told of a ticket. Its texts were found fit when it was asked for. */
function approvalText({ ticket, request }: Pick<Approval, 'ticket' | 'request'>): InputText {
  const { rules, subject } = request
  return `{"ticket":"${ticket}","rules":${JSON.stringify(rules)},"requester":${subject}}` as InputText
}

/**
 * A person is asked to wait (MCP 2026-07-28, multi round-trip requests): what is answered to it says nothing, for the call is made again and
 * found approved or not.
 */
function inputRequired(message: string): JsonObject {
  const schema = { type: 'object', properties: {} }
  const asked = {
    mode: 'form',
    message: `${message}. Go on when it is given.`,
    requestedSchema: schema,
  }
  return {
    resultType: 'input_required',
    inputRequests: { [approvalKey]: { method: 'elicitation/create', params: asked } },
  }
}

function usedBy(
  { ticket, request, verdict }: Approval,
  approved: Call['approved'],
): Parameters<Decisions['note']>[2] {
  const message = `ticket ${ticket} was approved by ${verdict?.by ?? ''} in decision ${verdict?.decisionId ?? ''}`
  const isFirst = approved === undefined && request.first === undefined
  const code = isFirst ? 'approval-used' : 'approval-goes-on'
  return { code, message, audience: 'operator' }
}

const denied = {
  code: 'approval-denied',
  message: 'an approval was asked for and denied',
  audience: 'agent',
} as const

const declined = {
  code: 'approval-declined',
  message: 'who was asked to wait for an approval has declined or cancelled',
  audience: 'agent',
} as const

const goesOnAcross = {
  code: 'approval-not-held',
  message: 'what goes on with a call of a client of the other era waits for no approval',
  audience: 'agent',
} as const

const gone = {
  code: 'approval-gone',
  message:
    'the approval of this call has been used, has ended or is none of it: call again without requestState',
  audience: 'agent',
} as const

const tooLong = {
  code: 'approval-too-long',
  message: 'what is kept of a call that waits for an approval is too long',
  audience: 'agent',
} as const

const notHeldOut = {
  code: 'approval-not-held',
  message: 'only calls of tools wait for an approval',
  audience: 'agent',
} as const
