import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { CheckInput } from '../verdict/check.ts'
import { parseClaims } from '../verdict/claims.ts'
import type { Claims } from '../verdict/claims.ts'
import { denied, evaluate } from '../verdict/evaluate.ts'
import type { Evidence } from '../verdict/evidence.ts'
import { leftAlone } from '../verdict/enforcement.ts'
import type { DenyReason, IssueVerdict, Verdict } from '../verdict/verdict.ts'
import { approve } from './approve.ts'
import { isLeftOpen } from './history.ts'
import { issue } from './issue.ts'
import { notRecorded } from './issuance-options.ts'
import type { IssuanceOptions, JudgingOptions, Outcome } from './issuance-options.ts'
import { refuse, settleRefusal } from './refuse.ts'
import { certificatesPerHour } from './pod-pace.ts'
import { flush, readBack, settleApproval, settleGone, settleTerminal } from './settle.ts'

/** The modes are read at start: until then a request that is left alone stays so. */
const offSeconds = 300

/** The life of requests, one call a step: whatever happened before, a call looks at the request as it is now. */
export interface Issuance {
  /** Never two calls for one request at a time. Rejects only when the signal aborts, or for a defect. */
  handle(request: PodCertificateRequest, signal: AbortSignal): Promise<Outcome>
  /** The request is proved to be gone: settles what it left open. Rejects with 'ledger/unavailable'. */
  gone(requestUid: string): Promise<void>
}

/** What is proved, at its end. */
type Grant = (
  request: PodCertificateRequest,
  step: { readonly verdict: IssueVerdict; readonly signal: AbortSignal },
) => Promise<Outcome>

export function createIssuance(options: IssuanceOptions): Issuance {
  return lifeOf(options, (request, step) => issue(options, request, step))
}

/** The same up to the approval: it has no key, and another signs. */
export function createApproving(options: JudgingOptions): Issuance {
  return lifeOf(options, (request, step) => approve(options, request, step))
}

function lifeOf(options: JudgingOptions, grant: Grant): Issuance {
  return {
    async handle(request, signal) {
      const outcome = await handle(options, request, { grant, signal })
      if (outcome.kind === 'done') options.history.verdicts.delete(request.metadata.uid)
      return outcome
    },
    gone: (requestUid) => settleGone(options, requestUid),
  }
}

async function handle(
  options: JudgingOptions,
  seen: PodCertificateRequest,
  { grant, signal }: { readonly grant: Grant; readonly signal: AbortSignal },
): Promise<Outcome> {
  const { uid } = seen.metadata
  let request = seen
  if (isLeftOpen(options.history, uid)) {
    // Something may have been published already, which what was seen in a watch need not show yet.
    const current = await readBack(options, seen, signal)
    if (current === 'no-answer') return { kind: 'again', why: 'request cannot be read' }
    if (current === 'gone') {
      await settleGone(options, uid)
      return { kind: 'done', as: 'gone' }
    }
    request = current
  }
  const { terminal } = request.status
  if (terminal !== undefined) {
    if (!(await settleTerminal(options, uid, terminal))) return notRecorded
    if (!(await settleApproval(options, request))) return notRecorded
    await settleRefusal(options, uid, terminal.condition)
    return { kind: 'done', as: 'settled' }
  }
  if (!(await flush(options, uid))) return notRecorded
  const { namespace } = request.metadata
  const mode = options.modeOf(namespace)
  if (mode === 'off') {
    countOnce(options, uid, { verdict: 'off', reason: '' })
    return { kind: 'again', why: leftAlone(namespace), grave: true, seconds: offSeconds }
  }
  const missing = options.permission?.missing()
  if (missing !== undefined) return { kind: 'again', why: missing, grave: true }
  const verdict = await decide(options, request, { mode, signal })
  countVerdict(options, uid, verdict)
  if (verdict.kind === 'deny') return refuse(options, request, { verdict, signal })
  if (verdict.kind === 'issue') {
    const seconds = request.stated === undefined ? 0 : options.history.pace.wait(verdict.pod.uid)
    if (seconds > 0) return { kind: 'again', why: paced, grave: true, seconds }
    return grant(request, { verdict, signal })
  }
  const { why, grave = false, seconds } = verdict
  return { kind: 'again', why, grave, ...(seconds === undefined ? {} : { seconds }) }
}

const paced = `its pod has had ${certificatesPerHour} certificates within an hour`

/** Once a request, however often it is looked at. `deny` is for those who asked for what they may not have: it can be watched. */
function countVerdict(options: JudgingOptions, requestUid: string, decided: Verdict): void {
  const reason = decided.kind === 'deny' ? decided.reason : ''
  const verdict = reason === 'PodEnded' ? 'ended' : decided.kind
  const wouldDeny = decided.kind === 'issue' ? decided.wouldDeny?.reason : undefined
  countOnce(options, requestUid, { verdict, reason }, wouldDeny)
}

function countOnce(
  { history: { verdicts }, metrics }: JudgingOptions,
  requestUid: string,
  labels: { readonly verdict: string; readonly reason: string },
  wouldDeny?: DenyReason,
): void {
  const counted = [labels.verdict, labels.reason, wouldDeny].join(' ')
  if (verdicts.get(requestUid) === counted) return
  verdicts.set(requestUid, counted)
  metrics.count('countersign_signer_verdicts_total', labels)
  if (wouldDeny !== undefined) {
    metrics.count('countersign_signer_would_deny_total', { reason: wouldDeny })
  }
}

/** Cached evidence may give a certificate, which is a ceiling only. Against a pod nothing counts but what is live. */
async function decide(
  options: JudgingOptions,
  request: PodCertificateRequest,
  { mode, signal }: { readonly mode: 'enforce' | 'warn'; readonly signal: AbortSignal },
): Promise<Verdict> {
  const parsed = parseClaims(request)
  if ('wait' in parsed) return { kind: 'wait', why: parsed.wait, findings: [] }
  // What the request itself proves against it is in its spec, which nobody can change.
  if ('refused' in parsed) return denied(parsed.refused)
  const claims = parsed.ok
  const cached = await options.ports.gather(request, { live: false, signal })
  const first = judge(options, { claims, mode }, cached)
  if (first.kind === 'issue' || cached.live) return first
  const live = await options.ports.gather(request, { live: true, signal })
  return judge(options, { claims, mode }, live)
}

function judge(
  options: JudgingOptions,
  asked: { readonly claims: Claims; readonly mode: 'enforce' | 'warn' },
  evidence: Evidence,
): Verdict {
  const { claims } = asked
  const { profile, history, issuancePolicy } = options
  const keyOwner = history.keys.ownerOf(claims.key.sha256)
  const keyRequest = history.keys.requestOf(claims.key.sha256)
  const keyAsked = options.earlier?.(claims.asked)
  const decide: CheckInput['policy']['decide'] = (...asked) => issuancePolicy.decide(...asked)
  const requester = options.requester(claims.asked)
  const policy = { decide, requester, now: options.now() }
  const verdict = evaluate({ ...asked, evidence, profile, keyOwner, keyRequest, keyAsked, policy })
  if (verdict.kind === 'wait' && verdict.cause !== undefined) {
    const { cause: error } = verdict
    options.metrics.count('countersign_signer_errors_total', { code: error.code })
    const { namespace, name } = claims.asked.metadata
    options.log.error({ error, namespace, request: name }, 'the issuance policy gave no answer')
  }
  return verdict
}
