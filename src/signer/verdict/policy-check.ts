import { CountersignError } from '../../errors.ts'
import { lifetimeSecondsMin } from '../../pki/profile.ts'
import type { IssuanceDecision, IssuanceInput } from '../../policy/issuance-policy.ts'
import { proved, provedIdentity, refused, toldOf } from './check.ts'
import { isWaivable } from './enforcement.ts'
import type { Finding } from './verdict.ts'
import type { Check, CheckInput, CheckResult, Established, ProvedIdentity } from './check.ts'

/** The second opinion: it may refuse or shorten, and is only asked about what evidence proves. Without an answer nothing is decided. */
export const policyAgrees: Check = {
  name: 'policy-agrees',
  run(input, before) {
    const isDecided = before.findings.some((finding) => settles(finding, input.mode))
    const identity = provedIdentity(input, before.granted)
    const { lifetimeSeconds } = before.granted
    if (isDecided || identity === undefined || lifetimeSeconds === undefined) {
      return { findings: [] }
    }
    const asked = policyInput(input, before, { identity, lifetimeSeconds })
    try {
      const decision = input.policy.decide(asked)
      if (decision.allow) return shortened(lifetimeSeconds, decision)
      const refusal = refusalOf(identity, decision)
      const { mode, policy } = input
      if (mode === 'warn' && !isOfRequester(decision, policy.decide, asked)) {
        const { findings, ...given } = shortened(lifetimeSeconds, decision)
        return { findings: [refusal, ...findings], ...given }
      }
      // It may be refused for what is only not known.
      if (policy.requester === 'unknown') return { findings: [requesterUnknown] }
      return { findings: [mode === 'warn' ? { ...refusal, ofRequester: true } : refusal] }
    } catch (cause) {
      if (!(cause instanceof CountersignError)) throw cause
      return undecided(`gives no answer: ${cause.code}`, cause)
    }
  },
}

function settles(finding: Finding, mode: CheckInput['mode']): boolean {
  if (finding.kind === 'refused') return mode !== 'warn' || !isWaivable(finding)
  return finding.kind === 'undecided'
}

/** Whether it is refused for who asks, which no mode waives: some of the reasons would not be there for a kubelet. */
function isOfRequester(
  { reasons }: IssuanceDecision,
  decide: CheckInput['policy']['decide'],
  asked: IssuanceInput,
): boolean {
  if (asked.context.requester === 'shown') return false
  const context = { ...asked.context, requester: 'shown' }
  const ofKubelet = decide({ ...asked, context }, { supposed: true })
  if (ofKubelet.allow) return true
  const codes = new Set(ofKubelet.reasons.map(({ code }) => code))
  return reasons.some(({ code }) => !codes.has(code))
}

function refusalOf(
  identity: ProvedIdentity,
  decision: IssuanceDecision,
): Extract<Finding, { readonly kind: 'refused' }> {
  const reasons = decision.reasons.map(({ code, message }) => `${code}: ${message}`)
  const { decisionId, policy } = decision
  const number = decisionId === undefined ? '' : `, decision ${decisionId}`
  return refused('RefusedByPolicy', {
    field: 'policy',
    asked: `a certificate for ${identity.spiffeId.uri}`,
    proved: reasons.length === 0 ? 'refused without a reason' : reasons.join(', '),
    change: `ask the authors of the issuance policy, revision ${policy.revision}${number}`,
  })
}

function shortened(asked: number, { lifetimeSecondsMax, policy }: IssuanceDecision): CheckResult {
  const lifetimeSeconds = Math.min(asked, lifetimeSecondsMax ?? asked)
  if (lifetimeSeconds < lifetimeSecondsMin) {
    return undecided(`gives too short a life, want=${lifetimeSecondsMin}.. got=${lifetimeSeconds}`)
  }
  const finding = proved('policy', `${lifetimeSeconds} seconds`, `revision ${policy.revision}`)
  return { findings: [finding], granted: { lifetimeSeconds, policy } }
}

const requesterUnknown: Finding = {
  kind: 'undecided',
  field: 'issuance policy',
  why: 'refuses it, and nobody has seen whether only kubelets could make the request',
}

function undecided(why: string, cause?: CountersignError): CheckResult {
  const said = { kind: 'undecided', field: 'issuance policy', why, grave: true } as const
  return { findings: [cause === undefined ? said : { ...said, cause }] }
}

function policyInput(
  { claims, policy }: CheckInput,
  { findings, granted }: Established,
  proof: { readonly identity: ProvedIdentity; readonly lifetimeSeconds: number },
): IssuanceInput {
  const { identity, lifetimeSeconds } = proof
  const evidence = Object.fromEntries(
    findings.flatMap((finding) => (finding.kind === 'proved' ? [[finding.field, finding.by]] : [])),
  )
  return {
    subject: {
      type: 'identity',
      id: identity.spiffeId.uri,
      properties: {
        namespace: identity.namespace.name,
        serviceAccount: identity.serviceAccount.name,
        pod: identity.pod,
        node: identity.node.name,
        ...(identity.role === undefined ? {} : { role: identity.role }),
        ...(identity.tenant === undefined ? {} : { tenant: identity.tenant }),
        models: identity.ceiling.models,
        toolScopes: identity.ceiling.toolScopes.map((scope) => scope.text),
        ...(identity.claim === undefined ? {} : { claim: identity.claim }),
      },
    },
    action: { name: 'issue' },
    resource: {
      type: 'certificate',
      id: claims.asked.spec.signerName,
      properties: {
        keyType: claims.key.keyType,
        lifetimeSeconds,
        dnsNames: granted.dnsNames ?? [],
      },
    },
    context: {
      time: new Date(policy.now).toISOString(),
      requester: toldOf(policy.requester),
      annotations: claims.asked.spec.unverifiedUserAnnotations,
      evidence,
    },
  }
}
