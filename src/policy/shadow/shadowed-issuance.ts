import type { IssuancePolicy } from '../issuance-policy.ts'
import type { Shadow } from './shadow.ts'

/** The same issuance policy; what it has decided, a candidate is asked afterwards. What is only supposed it is not. */
export function shadowedIssuance(
  policy: IssuancePolicy,
  shadow: Shadow | undefined,
): IssuancePolicy {
  if (shadow === undefined) return policy
  return {
    decide(input, how) {
      const decided = policy.decide(input, how)
      if (how?.supposed !== true && shadow.isAsking) {
        // Without a decision log they have their numbers in the ledger alone, and are known by their pods here.
        const { policy: name, decisionId = input.subject.properties.pod.uid, ...was } = decided
        const subject = input.subject.id
        shadow.add(
          { kind: 'issuance', input, was },
          { decisionId, subject, digest: name.digest, octets: JSON.stringify(input).length },
        )
      }
      return decided
    },
  }
}
