import { named, ok, problem, unknown, warning, type Check } from '../check.ts'
import { isInstalled } from '../own-pods.ts'

export const policyData: Check = {
  name: 'policy-data',
  judge: (facts) => {
    const { policyData: fact } = facts
    if (!isInstalled(facts, 'gateway')) return ok('no gateway is installed here')
    if (!fact.known) return unknown(fact)
    const { files, fault, foreignBundle } = fact.value
    if (fault !== undefined) {
      return problem("the policy does not take its data: the gateway's last good data counts", {
        evidence: fault.split('; '),
        hint: 'correct it where it comes from, policy.grants and policy.data of the chart (docs/AUTHORIZATION.md)',
      })
    }
    if (files.length === 0) {
      return warning('the gateway has no policy data: every call is refused', {
        hint: 'say what tenants may call, under policy.grants of the chart (docs/AUTHORIZATION.md)',
      })
    }
    if (foreignBundle) {
      const note =
        'the cluster has a policy bundle of its own: the gateway holds the data to its schemas'
      return ok('the policy has its data', [named(files), note])
    }
    return ok("the policy's data keeps its schemas", [named(files)])
  },
}
