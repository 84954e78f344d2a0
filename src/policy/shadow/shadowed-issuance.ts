import type { PolicyEngine } from '../engine.ts'
import { createIssuancePolicy, type IssuancePolicy } from '../issuance-policy.ts'
import type { Shadow } from './shadow.ts'

/** The issuance policy of an engine; what it has decided, a candidate is asked afterwards. */
export function shadowedIssuance(engine: PolicyEngine, shadow: Shadow | undefined): IssuancePolicy {
  const policy = createIssuancePolicy(engine)
  if (shadow === undefined) return policy
  return {
    decide(input) {
      const decided = policy.decide(input)
      if (shadow.isAsking) {
        const { policy: name, ...was } = decided
        const subject = input.subject.id
        // Issuances have their numbers in the ledger, and are known by their pods here.
        const decisionId = input.subject.properties.pod.uid
        shadow.add(
          { kind: 'issuance', input, was },
          { decisionId, subject, digest: name.digest, octets: JSON.stringify(input).length },
        )
      }
      return decided
    },
  }
}
