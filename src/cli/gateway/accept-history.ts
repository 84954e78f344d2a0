import { CountersignError } from '../../errors.ts'
import type { PolicyEngine } from '../../policy/engine.ts'
import type { GatewayConfig } from './gateway-configuration.ts'

/**
 * What a process keeps is known to no other, so a policy that has anything kept is in force only where one serves, and says so: several would
 * each permit what all of them together may not. Throws `policy/data`.
 */
export function acceptHistory({
  replicas,
  workers,
}: Pick<GatewayConfig, 'replicas' | 'workers'>): (engine: PolicyEngine) => void {
  return ({ facts }) => {
    if (facts === undefined || (replicas === 1 && workers === 1)) return
    const got = `replicas: ${replicas ?? 'none'}, workers: ${workers}`
    const message = `data.history has facts kept, and a history is of one process alone, want=replicas: 1, workers: 1 got=${got}`
    throw new CountersignError('policy/data', message, {
      hint: 'replicas, in the configuration of the gateway, says how many serve: docs/POLICY.md, Bounded history',
    })
  }
}
