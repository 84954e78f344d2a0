import type { PolicyName } from './engine.ts'
import { formatMembers } from './event.ts'

/** Far more tenants than one worker has calls of at a time. */
const keptMax = 256

/**
 * The members that all events of one policy share, as text: who writes, and what has decided. Bundle and grants are followed while running:
 * without their names two opposite decisions could not be told apart. What was written last is kept of each tenant, so that calls of several
 * in turn do not make it anew.
 */
export function createSharedMembers(
  labels: () => Readonly<Record<string, string>>,
): (policy: PolicyName) => string {
  const kept = new Map<string | undefined, { readonly policy: PolicyName; readonly text: string }>()
  return ({ revision, digest, tenant }) => {
    const policy = { revision, digest, ...(tenant && { tenant }) }
    const known = kept.get(tenant?.name)
    if (known !== undefined && isSame(known.policy, policy)) return known.text
    const text = formatMembers({ labels: labels(), bundles: bundlesOf(policy) })
    kept.set(tenant?.name, { policy, text })
    const [oldest] = kept.keys()
    if (kept.size > keptMax) kept.delete(oldest)
    return text
  }
}

/** Tenants without a bundle have one digest, and a bundle may change its revision alone. */
function isSame(a: PolicyName, b: PolicyName): boolean {
  return (
    a.digest === b.digest &&
    a.revision === b.revision &&
    a.tenant?.revision === b.tenant?.revision &&
    a.tenant?.digest === b.tenant?.digest
  )
}

function bundlesOf({ revision, digest, tenant }: PolicyName): object {
  const bundles = { countersign: { revision }, data: { revision: digest } }
  if (tenant === undefined) return bundles
  return { ...bundles, [`tenants/${tenant.name}`]: { revision: tenant.revision } }
}
