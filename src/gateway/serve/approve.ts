import { problemCodes } from '../../mcp/problem.ts'
import type { Approval } from '../approval/approval.ts'
import type { Approvals } from '../approval/approvals.ts'
import { inLookOrder } from '../approval/look-order.ts'
import { isOwnCall, requesterOf } from '../approval/own-call.ts'
import { replyResultText, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { decidingOf, sealedElsewhere } from '../permit/hold-out.ts'
import { isRefused, refused, unavailable, unknownMethod, type Refused } from '../refusal.ts'
import type { Parts, Serve } from './serve.ts'

/** Approvals are asked of the gateway itself, at the door of all. */
export const approveNowhere: Serve = ({ call }) => {
  const { kind, era, method } = call.message
  return refused('era', unknownMethod({ kind, era, method }))
}

/** So many are looked at for one list: each is a decision. */
const listedMax = 64

/** `approvals/list`, `approvals/approve` and `approvals/deny`: what waits, as far as the caller may decide it, and the decision. */
export async function approve(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { approvals, log } = parts
  if (approvals === undefined) return approveNowhere(permit, reply, parts)
  const { call } = permit
  try {
    return call.message.method === 'approvals/list'
      ? await list(approvals, { permit, reply, parts })
      : await decide(approvals, { permit, reply, parts })
  } catch (error) {
    log.error({ error }, 'approvals are not known')
    return refused('forward', unavailable(503, 'approvals are not known'))
  }
}

interface Serving {
  readonly permit: Permit
  readonly reply: Reply
  readonly parts: Parts
}

async function list(approvals: Approvals, { permit, reply, parts }: Serving): Promise<undefined> {
  const { svid, identity } = permit.call.caller
  // Nobody approves their own, so they take no place of those that somebody may.
  const waiting = await approvals.waiting()
  const others = waiting.approvals.filter(
    ({ request }) => !isOwnCall(svid.spiffeId.uri, identity, request),
  )
  const told: string[] = []
  for (const approval of inLookOrder(others).slice(0, listedMax)) {
    const decided = await parts.decisions.decideApproval(decidingOf(permit.call, approval))
    if (!isRefused(decided)) told.push(toldOf(approval))
  }
  const notLookedAt = Math.max(0, others.length - listedMax) + waiting.elsewhere
  const rest = `"approvals":[${told.join()}],"notLookedAt":${notLookedAt}`
  replyResultText(reply, `{"resultType":"complete",${rest}}`)
  return undefined
}

async function decide(
  approvals: Approvals,
  { permit, reply, parts }: Serving,
): Promise<Refused | undefined> {
  const { call } = permit
  const { caller, message } = call
  const found = await approvals.find(message.params['ticket'])
  if (found === 'elsewhere') return refused('forward', sealedElsewhere)
  if (found === undefined) return unknownTicket
  const { approval } = found
  if (isOwnCall(caller.svid.spiffeId.uri, caller.identity, approval.request)) {
    return parts.decisions.refuse({ call, definition: undefined }, 'policy', own)
  }
  const decided = await parts.decisions.decideApproval(decidingOf(permit.call, approval))
  if (isRefused(decided)) return decided
  // Asking may have taken a while.
  if (caller.ended !== undefined) return refused('peer', caller.ended)
  const verdict = {
    approved: message.method === 'approvals/approve',
    by: caller.svid.spiffeId.uri,
    certificate: caller.svid.der.toString('base64'),
    above: caller.above.flatMap(({ issuanceId }) => issuanceId ?? []),
    decisionId: decided.id,
  }
  if (!(await approvals.decide(found, verdict))) return unknownTicket
  const state = verdict.approved ? 'approved' : 'denied'
  replyResultText(reply, `{"resultType":"complete","approval":${toldOf(approval, { state })}}`)
  return undefined
}

/** What an approver sees before saying yes, as JSON: the arguments as the call writes them, numbers to their last digit. */
function toldOf({ ticket, request }: Approval, more: object = {}): string {
  const { binding, rules, shown, inputKeys, askedAt, deadline } = request
  const { server, tool, definitionDigest, argumentsSha256, requestStateSha256 } = binding
  const { id, properties } = requesterOf(request)
  const before = { ticket, requester: { id, ...properties }, server, tool, definitionDigest }
  const after = {
    // By the digest of all of them a short secret could be guessed.
    ...(shown.masked.length === 0 ? { argumentsSha256 } : { maskedArguments: shown.masked }),
    ...(shown.shortened.length === 0 ? {} : { shortenedArguments: shown.shortened }),
    // Of a call that says nothing of the kind they are not there; nothing of what they say is shown, so their digests are not either.
    ...(inputKeys === undefined ? {} : { inputResponses: { keys: inputKeys } }),
    ...(requestStateSha256 === undefined ? {} : { requestState: true }),
    rules,
    askedAt: new Date(askedAt).toISOString(),
    deadline: new Date(deadline).toISOString(),
    ...more,
  }
  const [head, tail] = [JSON.stringify(before).slice(0, -1), JSON.stringify(after).slice(1)]
  return `${head},"arguments":${shown.text},${tail}`
}

const own = {
  code: 'approval-own',
  message: 'nobody approves their own calls',
  audience: 'agent',
} as const

/** Of a ticket that is no more nothing is told, nor of one that never was. */
const unknownTicket: Refused = refused('target', {
  status: 200,
  code: problemCodes.invalidParams,
  message: 'no such ticket waits: it is not known, over, or decided',
})
