import { createLines } from '../lines.ts'
import { accountOf, type Account } from '../../shares.ts'
import type { Approval } from './approval.ts'
import { requesterOf } from './own-call.ts'

/**
 * In which order what waits is looked at, where not all of it is: tenants take turns, in them namespaces and identities do, and of one
 * identity what it asked for last comes first. So whoever has a great many calls wait keeps nobody else's from an approver.
 */
export function inLookOrder(waiting: readonly Approval[]): readonly Approval[] {
  const lines = createLines<{ readonly account: Account; readonly approval: Approval }>()
  const newestFirst = waiting.toSorted((a, b) => b.request.askedAt - a.request.askedAt)
  for (const approval of newestFirst) lines.add({ account: accountIn(approval), approval })
  const ordered: Approval[] = []
  for (let next = lines.next(); next !== undefined; next = lines.next()) {
    lines.delete(next)
    ordered.push(next.approval)
  }
  return ordered
}

function accountIn({ request }: Approval): Account {
  const { id, properties } = requesterOf(request)
  const { tenant, namespace } = properties
  const identity = { namespace: { name: namespace }, spiffeId: { uri: id } }
  return accountOf(tenant === undefined ? identity : { ...identity, tenant })
}
