import { CountersignError } from '../../errors.ts'
import { lifetimeSecondsMin } from '../../pki/profile.ts'
import type { IssuanceInput } from '../../policy/issuance-policy.ts'
import { parseClaims } from '../verdict/claims.ts'
import type { Claims } from '../verdict/claims.ts'
import { denied, evaluate } from '../verdict/evaluate.ts'
import { evidenceDigest } from '../verdict/evidence.ts'
import type { Evidence } from '../verdict/evidence.ts'
import { issue } from './issue.ts'
import { notRecorded } from './issuance-options.ts'
import type { Approved, IssuanceOptions, Outcome } from './issuance-options.ts'
import type { RequestState } from './ports.ts'
import { refuse, settleRefusal } from './refuse.ts'
import { flush, readBack, settleGone, settleTerminal } from './settle.ts'
import type { DenyVerdict, IssueVerdict, WaitVerdict } from '../verdict/verdict.ts'

/** The life of requests, one call a step: whatever happened before, a call looks at the request as it is now. */
export interface Issuance {
  /** Never two calls for one request at a time. Rejects only when the signal aborts, or for a defect. */
  handle(request: RequestState, signal: AbortSignal): Promise<Outcome>
  /** The request is proved to be gone: settles what it left open. Rejects with 'ledger/unavailable'. */
  gone(requestUid: string): Promise<void>
}

export function createIssuance(options: IssuanceOptions): Issuance {
  return {
    async handle(request, signal) {
      const outcome = await handle(options, request, signal)
      if (outcome.kind === 'done') options.history.verdicts.delete(request.asked.uid)
      return outcome
    },
    gone: (requestUid) => settleGone(options, requestUid),
  }
}

async function handle(
  options: IssuanceOptions,
  seen: RequestState,
  signal: AbortSignal,
): Promise<Outcome> {
  const { uid } = seen.asked
  let request = seen
  if (options.history.intents.of(uid).length > 0) {
    // Something may have been published already, which what was seen in a watch need not show yet.
    const current = await readBack(options, seen, signal)
    if (current === 'no-answer') return { kind: 'again', why: 'request cannot be read' }
    if (current === 'gone') {
      await settleGone(options, uid)
      return { kind: 'done', as: 'gone' }
    }
    request = current
  }
  if (request.terminal !== undefined) {
    if (!(await settleTerminal(options, uid, request.terminal))) return notRecorded
    await settleRefusal(options, uid, request.terminal.condition)
    return { kind: 'done', as: 'settled' }
  }
  if (!(await flush(options, uid))) return notRecorded
  const missing = options.permission?.missing()
  if (missing !== undefined) return { kind: 'again', why: missing, grave: true }
  const decided = await decide(options, request, signal)
  countVerdict(options, uid, decided)
  if (decided.kind === 'wait') return { ...decided, kind: 'again' }
  if (decided.kind === 'deny') return refuse(options, request, { verdict: decided.verdict, signal })
  return issue(options, request, { approved: decided, signal })
}

/** Once a request, however often it is looked at. `deny` is for those who asked for what they may not have: it can be watched. */
function countVerdict(options: IssuanceOptions, requestUid: string, decided: Decided): void {
  const reason = decided.kind === 'deny' ? decided.verdict.reason : ''
  const verdict = reason === 'PodEnded' ? 'ended' : decided.kind
  const { verdicts } = options.history
  if (verdicts.get(requestUid) === `${verdict} ${reason}`) return
  verdicts.set(requestUid, `${verdict} ${reason}`)
  options.metrics.count('countersign_signer_verdicts_total', { verdict, reason })
}

type Decided = Approved | { readonly kind: 'deny'; readonly verdict: DenyVerdict } | WaitVerdict

/** Cached evidence may give a certificate, which is a ceiling only. Against a pod nothing counts but what is live. */
async function decide(
  options: IssuanceOptions,
  request: RequestState,
  signal: AbortSignal,
): Promise<Decided> {
  const parsed = parseClaims(request.asked)
  if ('wait' in parsed) return { kind: 'wait', why: parsed.wait }
  // What the request itself proves against it is in its spec, which nobody can change.
  if ('refused' in parsed) return { kind: 'deny', verdict: denied(parsed.refused) }
  const claims = parsed.ok
  const cached = await options.ports.gather(claims, { live: false, signal })
  const first = judge(options, claims, cached)
  if (first.kind === 'issue' || cached.live) return first
  return judge(options, claims, await options.ports.gather(claims, { live: true, signal }))
}

function judge(options: IssuanceOptions, claims: Claims, evidence: Evidence): Decided {
  const verdict = evaluate(claims, evidence, options.profile)
  if (verdict.kind === 'wait') return verdict
  if (verdict.kind === 'deny') return { kind: 'deny', verdict }
  const owner = options.history.keys.ownerOf(claims.key.sha256)
  if (owner !== undefined && owner !== claims.pod.uid) {
    const refusal = denied({
      reason: 'KeyAlreadyIssued',
      fields: [
        {
          field: 'publicKey',
          asked: `a certificate for the key ${claims.key.sha256}`,
          proved: 'a certificate for this key was issued to another pod',
          change: 'let kubelet make a key for each pod, and look for a copied private key',
        },
      ],
    })
    return { kind: 'deny', verdict: { ...refusal, findings: verdict.findings } }
  }
  return askPolicy(options, { claims, evidence, verdict })
}

/** The second opinion: it may refuse or shorten. Without an answer nothing is issued and nothing refused. */
function askPolicy(
  options: IssuanceOptions,
  issuable: {
    readonly claims: Claims
    readonly evidence: Evidence
    readonly verdict: IssueVerdict
  },
): Decided {
  const { claims, evidence, verdict } = issuable
  let decision
  try {
    decision = options.issuancePolicy.decide(policyInput(options, claims, verdict))
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    options.metrics.count('countersign_signer_errors_total', { code: error.code })
    options.log.error({ error, request: claims.request }, 'the issuance policy gave no answer')
    return { kind: 'wait', why: `issuance policy gave no answer: ${error.code}`, grave: true }
  }
  if (!decision.allow) {
    const reasons = decision.reasons.map(({ code, message }) => `${code}: ${message}`)
    const refusal = denied({
      reason: 'RefusedByPolicy',
      fields: [
        {
          field: 'policy',
          asked: `a certificate for ${verdict.spiffeId.uri}`,
          proved: reasons.length === 0 ? 'refused without a reason' : reasons.join(', '),
          change: `ask the authors of the issuance policy, revision ${decision.policy.revision}`,
        },
      ],
    })
    return { kind: 'deny', verdict: { ...refusal, findings: verdict.findings } }
  }
  const lifetimeSeconds = Math.min(
    verdict.lifetimeSeconds,
    decision.lifetimeSecondsMax ?? verdict.lifetimeSeconds,
  )
  if (lifetimeSeconds < lifetimeSecondsMin) {
    const why = `issuance policy gives too short a life, want=${lifetimeSecondsMin}.. got=${lifetimeSeconds}`
    return { kind: 'wait', why, grave: true }
  }
  const digest = evidenceDigest(evidence)
  const { policy } = decision
  return { kind: 'issue', claims, verdict, lifetimeSeconds, evidenceDigest: digest, policy }
}

function policyInput(
  options: IssuanceOptions,
  claims: Claims,
  verdict: IssueVerdict,
): IssuanceInput {
  const evidence = Object.fromEntries(
    verdict.findings.flatMap((finding) =>
      finding.kind === 'proved' ? [[finding.field, finding.by]] : [],
    ),
  )
  return {
    subject: {
      type: 'identity',
      id: verdict.spiffeId.uri,
      properties: {
        namespace: verdict.namespace.name,
        serviceAccount: verdict.serviceAccount.name,
        pod: verdict.pod,
        node: verdict.node.name,
        ...(verdict.role === undefined ? {} : { role: verdict.role }),
        ...(verdict.tenant === undefined ? {} : { tenant: verdict.tenant }),
        models: verdict.ceiling.models,
        toolScopes: verdict.ceiling.toolScopes.map((scope) => scope.text),
      },
    },
    action: { name: 'issue' },
    resource: {
      type: 'certificate',
      id: claims.request.signerName,
      properties: {
        keyType: claims.key.keyType,
        lifetimeSeconds: verdict.lifetimeSeconds,
        dnsNames: verdict.dnsNames,
      },
    },
    context: {
      time: new Date(options.now()).toISOString(),
      requester: options.requester,
      annotations: claims.annotations,
      evidence,
    },
  }
}
