import type { Right } from '../kubernetes/access-review.ts'
import { nodeSigners, type NodeSigner } from './node-request.ts'
import type { BoundAccount } from './rules.ts'

const certificates = 'certificates.k8s.io'

/** Every right that the approver uses, and no other: it may not sign. The chart gives these, docs/NODES.md lists them. */
export function approverRights(options: {
  readonly signers: readonly NodeSigner[]
  readonly accounts: readonly BoundAccount[]
}): readonly Right[] {
  const { signers, accounts } = options
  const requests = { group: certificates, resource: 'certificatesigningrequests' }
  const without = 'no request of a node is seen'
  const unjudged = 'no request of a node can be approved or denied'
  const evidence = 'what a request says cannot be compared with the nodes of the cluster'
  const nodes = { group: '', resource: 'nodes', without: evidence }
  return [
    ...(['get', 'list', 'watch'] as const).map((verb) => ({ ...requests, verb, without })),
    { ...requests, subresource: 'approval', verb: 'patch', without: unjudged },
    ...signers.map((signer) => ({
      group: certificates,
      resource: 'signers',
      name: nodeSigners[signer],
      verb: 'approve',
      without: unjudged,
    })),
    ...(['get', 'list', 'watch'] as const).map((verb) => ({ ...nodes, verb })),
    ...(signers.includes('serving') ? apiServerRights(evidence) : []),
    ...namespacesOf(accounts).flatMap((namespace) => accountRights(namespace, accounts)),
    {
      group: '',
      resource: 'events',
      namespace: 'default',
      verb: 'create',
      without: 'nobody is told why a request waits',
      optional: true,
    },
  ]
}

/** A node may not have the addresses of the API server. */
function apiServerRights(without: string): readonly Right[] {
  const namespace = 'default'
  return [
    { group: '', resource: 'services', name: 'kubernetes', namespace, verb: 'get', without },
    { group: 'discovery.k8s.io', resource: 'endpointslices', namespace, verb: 'list', without },
  ]
}

function namespacesOf(accounts: readonly BoundAccount[]): readonly string[] {
  return [...new Set(accounts.map(({ namespace }) => namespace))]
}

function accountRights(namespace: string, accounts: readonly BoundAccount[]): readonly Right[] {
  const without = 'no service account can be taken for the one that asks'
  const own = accounts.filter((each) => each.namespace === namespace)
  return [
    ...own.map(({ name }) => ({
      group: '',
      resource: 'serviceaccounts',
      namespace,
      name,
      verb: 'get',
      without,
    })),
    { group: '', resource: 'pods', namespace, verb: 'get', without },
  ]
}
