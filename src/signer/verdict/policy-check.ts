import { CountersignError } from '../../errors.ts'
import { lifetimeSecondsMin } from '../../pki/profile.ts'
import type { IssuanceDecision, IssuanceInput } from '../../policy/issuance-policy.ts'
import { proved, provedIdentity, refused, shownOrNot } from './check.ts'
import type { Finding } from './verdict.ts'
import type { Check, CheckInput, CheckResult, Established, ProvedIdentity } from './check.ts'

/** The second opinion: it may refuse or shorten, and is only asked about what evidence proves. Without an answer nothing is decided. */
export const policyAgrees: Check = {
  name: 'policy-agrees',
  run(input, before) {
    const isDecided = before.findings.some(({ kind }) => kind === 'refused' || kind === 'undecided')
    const identity = provedIdentity(input, before.granted)
    const { lifetimeSeconds } = before.granted
    if (isDecided || identity === undefined || lifetimeSeconds === undefined) {
      return { findings: [] }
    }
    let decision: IssuanceDecision
    try {
      decision = input.policy.decide(policyInput(input, before, { identity, lifetimeSeconds }))
    } catch (cause) {
      if (!(cause instanceof CountersignError)) throw cause
      return undecided(`gives no answer: ${cause.code}`, cause)
    }
    if (!decision.allow) {
      // It may be refused for what is only not known.
      return input.policy.requester === 'unknown'
        ? { findings: [requesterUnknown] }
        : refusal(identity, decision)
    }
    return shortened(lifetimeSeconds, decision)
  },
}

function refusal(identity: ProvedIdentity, decision: IssuanceDecision): CheckResult {
  const reasons = decision.reasons.map(({ code, message }) => `${code}: ${message}`)
  const finding = refused('RefusedByPolicy', {
    field: 'policy',
    asked: `a certificate for ${identity.spiffeId.uri}`,
    proved: reasons.length === 0 ? 'refused without a reason' : reasons.join(', '),
    change: `ask the authors of the issuance policy, revision ${decision.policy.revision}`,
  })
  return { findings: [finding] }
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
      requester: shownOrNot(policy.requester),
      annotations: claims.asked.spec.unverifiedUserAnnotations,
      evidence,
    },
  }
}
