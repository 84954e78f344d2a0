import { createApiClient, type ApiClient } from '../kubernetes/api-client.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import type { Log } from '../log.ts'
import type { Condition } from '../readiness.ts'
import { carryRevocations, carryRights } from '../signer/carry-revocations.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'

export interface CarriedConfig {
  readonly trustDomain: TrustDomain
  /** The cluster whose Revocations are carried; none are when absent. */
  readonly revocations?: { readonly from: string; readonly kubeconfig: string } | undefined
}

/** What is revoked on the hub is revoked in the cluster that is signed for, where that is configured. Gives the conditions of it. */
export function openCarrying(
  { revocations, trustDomain }: CarriedConfig,
  parts: { readonly client: ApiClient; readonly log: Log; readonly userAgent: string },
  opened: AsyncDisposableStack,
): () => readonly Condition[] {
  if (revocations === undefined) return () => []
  const { from, kubeconfig } = revocations
  const { client, log, userAgent } = parts
  const hub = createApiClient({ kubeconfig, environment: process.env, userAgent })
  opened.defer(() => hub.close())
  const rights = opened.use(watchRights({ client, rights: carryRights }))
  const carrying = opened.use(carryRevocations({ hub, from, client, trustDomain, log }))
  return () => [
    carrying.condition(),
    { ...rights.condition(), name: 'rights on revocations', optional: true },
  ]
}
