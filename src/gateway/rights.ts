import type { Right } from '../kubernetes/access-review.ts'
import { ownerKindRights, type OwnerKinds } from '../kubernetes/owner-chain.ts'

const pods = {
  group: '',
  resource: 'pods',
  without: 'nobody is served: a pod that has ended would still be let in',
}
const namespaces = {
  group: '',
  resource: 'namespaces',
  without: 'nobody is served: a namespace that has lost its tenant or a role would still be let in',
}
const revocations = {
  group: 'countersign.dev',
  resource: 'revocations',
  without: 'nobody is served: a revoked certificate would still be let in',
}

/** Every right that the gateway uses, and no other: the chart gives these, docs/OPERATING.md lists them. */
export const gatewayRights: readonly Right[] = [
  { ...pods, verb: 'get' },
  { ...pods, verb: 'list' },
  { ...pods, verb: 'watch' },
  { ...namespaces, verb: 'get' },
  { ...namespaces, verb: 'list' },
  { ...namespaces, verb: 'watch' },
  { ...revocations, verb: 'list' },
  { ...revocations, verb: 'watch' },
]

/** What it uses beside them where the configuration has `approvals`. */
export function approvalRights(namespace: string): readonly Right[] {
  return ['get', 'list', 'create', 'patch', 'delete'].map((verb) => ({
    group: 'countersign.dev',
    resource: 'approvals',
    namespace,
    verb,
    without: 'no call that policy wants approved can be made',
  }))
}

/** What it uses beside them in a pod of this namespace that knows itself. */
export function policyEventRights(namespace: string): readonly Right[] {
  return [
    {
      group: '',
      resource: 'events',
      namespace,
      verb: 'create',
      without: 'no Event of the gateway says that its policy bundle was refused or replaced',
      optional: true,
    },
  ]
}

const toolServers = {
  group: 'countersign.dev',
  resource: 'toolservers',
  without: 'no tool server is served that only a ToolServer names',
}

/** What it uses beside them where the configuration has `toolServers`. */
export const toolServerRights: readonly Right[] = [
  { ...toolServers, verb: 'list' },
  { ...toolServers, verb: 'watch' },
  {
    ...toolServers,
    subresource: 'status',
    verb: 'patch',
    without: 'no ToolServer says whether it is served, and why not',
    optional: true,
  },
  {
    group: '',
    resource: 'events',
    verb: 'create',
    without: 'no Event of a ToolServer says that one of its tools is quarantined',
    optional: true,
  },
]

/** What it uses beside them where the configuration has `claims`. */
export function claimRights(owners: OwnerKinds): readonly Right[] {
  return ownerKindRights(owners, 'what comes of a pool is not served: nobody sees its claim')
}
