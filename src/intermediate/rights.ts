import type { Right } from '../kubernetes/access-review.ts'
import type { IntermediateRules } from './judge.ts'

const certificates = 'certificates.k8s.io'

/** Every right that is used in the cluster whose signer asks, and no other. `docs/REACH.md` lists them. */
export function intermediateRights({
  signerName,
  requester,
}: Pick<IntermediateRules, 'signerName' | 'requester'>): readonly Right[] {
  const { namespace, serviceAccount } = requester
  const requests = { group: certificates, resource: 'certificatesigningrequests' }
  const unseen = 'no request for a CA is seen'
  const unanswered = 'no request for a CA is answered'
  const unproved = 'who asks for a CA cannot be proved'
  return [
    ...['get', 'list', 'watch'].map((verb) => ({ ...requests, verb, without: unseen })),
    ...['approval', 'status'].map((subresource) => ({
      ...requests,
      subresource,
      verb: 'patch',
      without: unanswered,
    })),
    ...['approve', 'sign'].map((verb) => ({
      group: certificates,
      resource: 'signers',
      name: signerName,
      verb,
      without: unanswered,
    })),
    {
      group: '',
      resource: 'serviceaccounts',
      namespace,
      name: serviceAccount,
      verb: 'get',
      without: unproved,
    },
    { group: '', resource: 'pods', namespace, verb: 'get', without: unproved },
    {
      group: '',
      resource: 'events',
      namespace: 'default',
      verb: 'create',
      without: 'nobody is told there why a request is denied',
      optional: true,
    },
  ]
}
