import type { Right } from '../kubernetes/access-review.ts'

/** Every right that the keeper of IssuedCertificates uses, and no other: docs/REACH.md lists them. */
export function issuedRights(options: {
  /** Of this one alone; of all when absent. */
  readonly namespace?: string | undefined
  /** The ClusterTrustBundle of the signer; where anchors come from a file it needs none. */
  readonly trustBundle?: string | undefined
  readonly bouncePods?: boolean
  readonly revocations?: boolean
}): readonly Right[] {
  const { namespace, trustBundle, bouncePods = false, revocations = false } = options
  const place = namespace === undefined ? {} : { namespace }
  const resources = { group: 'countersign.dev', resource: 'issuedcertificates', ...place }
  const requests = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }
  const secrets = { group: '', resource: 'secrets', ...place }
  const unseen = 'no IssuedCertificate is seen'
  const unkept = 'no key and no certificate can be kept'
  const unasked = 'no certificate can be asked for'
  return [
    ...(['get', 'list', 'watch'] as const).map((verb) => ({ ...resources, verb, without: unseen })),
    {
      ...resources,
      subresource: 'status',
      verb: 'patch',
      without: 'no state can be told, and nothing is done that was not told before',
    },
    { group: '', resource: 'serviceaccounts', ...place, verb: 'get', without: unasked },
    ...(['get', 'create', 'patch'] as const).map((verb) => ({ ...secrets, verb, without: unkept })),
    ...(['create', 'get'] as const).map((verb) => ({ ...requests, verb, without: unasked })),
    ...(trustBundle === undefined ? [] : [anchorsRight(trustBundle)]),
    ...(bouncePods ? bounceRights(place) : []),
    ...(revocations ? revocationRights : []),
  ]
}

const revocationRights: readonly Right[] = (['list', 'watch'] as const).map((verb) => ({
  group: 'countersign.dev',
  resource: 'revocations',
  verb,
  without: 'nothing is asked for or kept: what is revoked is not known',
}))

/** Without `bouncePods` it has none of them. */
function bounceRights(place: { readonly namespace?: string }): readonly Right[] {
  const without = 'no pod is restarted after an issuance'
  const get = { group: 'apps', verb: 'get', without } as const
  return [
    { group: '', resource: 'pods', ...place, verb: 'list', without },
    ...['replicasets', 'statefulsets', 'daemonsets'].map((resource) => ({
      ...get,
      resource,
      ...place,
    })),
    { group: '', resource: 'pods', subresource: 'eviction', ...place, verb: 'create', without },
    {
      group: '',
      resource: 'events',
      ...place,
      verb: 'create',
      without: 'nobody is told by an Event that a pod is not restarted',
    },
  ]
}

function anchorsRight(name: string): Right {
  return {
    group: 'certificates.k8s.io',
    resource: 'clustertrustbundles',
    name,
    verb: 'get',
    without: 'no certificate can be verified, and none is taken',
  }
}
