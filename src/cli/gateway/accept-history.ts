import { CountersignError } from '../../errors.ts'
import type { PolicyEngine } from '../../policy/engine.ts'
import type { GatewayConfig } from './gateway-configuration.ts'

/**
 * What a replica keeps is known to no other, so a policy that has anything kept is in force only where one replica serves, and says so:
 * several would each permit what all of them together may not. Throws `policy/data`.
 */
export function acceptHistory({
  replicas,
}: Pick<GatewayConfig, 'replicas'>): (engine: PolicyEngine) => void {
  return ({ facts }) => {
    if (facts === undefined || replicas === 1) return
    const message = `data.history has facts kept, and a history is of one replica alone, want=replicas: 1 got=${replicas ?? 'none'}`
    throw new CountersignError('policy/data', message, {
      hint: 'replicas, in the configuration of the gateway, says how many serve: docs/POLICY.md, Bounded history',
    })
  }
}
