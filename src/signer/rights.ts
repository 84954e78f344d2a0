import type { TrustDomain } from '../identity/trust-domain.ts'
import { formatRight, type Right } from '../kubernetes/access-review.ts'
import { trustBundleName } from '../kubernetes/cluster-trust-bundle.ts'
import { ownerKindRights, type OwnerKinds } from '../kubernetes/owner-chain.ts'
import type { RightsWatch } from '../kubernetes/rights-watch.ts'
import type { ServerClock } from '../kubernetes/server-clock.ts'
import { clientAuthoritiesPlace } from './anchors/client-authorities.ts'
import type { Permission } from './issue/issuance-options.ts'
import type { LeasePlace } from '../kubernetes/lease.ts'
import type { SigningRequestsOptions } from './lanes.ts'
import { membersLease } from './members-lease.ts'

export interface SignerRightsOptions {
  readonly signerName: string
  readonly trustDomain: TrustDomain
  readonly lease: LeasePlace
  /** The ClusterRole that the published trust bundle ends with. */
  readonly trustBundleOwner?: string | undefined
  /** Name of the ConfigMaps that have the anchors, too. */
  readonly trustBundleConfigMap?: string | undefined
  /** The admission policy, and its binding, that lets nobody but kubelets make requests. */
  readonly admissionPolicy?: string | undefined
  /** The Secret of an authority that is kept in one. */
  readonly secret?: LeasePlace
  /** Whether the signer asks for its authority by a CertificateSigningRequest. */
  readonly asksForAuthority?: boolean
  /** Whether Revocations end it. */
  readonly endsAuthority?: boolean
  readonly signingRequests?: SigningRequestsOptions | undefined
  /** How pods are given to claims. */
  readonly claimOwners?: OwnerKinds | undefined
}

const certificates = 'certificates.k8s.io'
const signingRequestsPlural = 'certificatesigningrequests'

/** Whether no request of a kubelet, or none that a pod makes itself, can be answered without it. */
function isNeededToAnswer(right: Right, asked: 'of-kubelets' | 'of-pods'): boolean {
  if (right.resource === 'signers')
    return right.verb === 'sign' || (asked === 'of-pods' && right.verb === 'approve')
  if (right.subresource === undefined) return false
  return (right.resource === signingRequestsPlural) === (asked === 'of-pods')
}

/**
 * Every right that the signer uses, and no other: the chart gives these, docs/ISSUANCE.md lists them. RBAC names nothing that is yet to
 * be created, so the Lease and the Secret are made by whoever installs, and filled here.
 */
export function signerRights(options: SignerRightsOptions): readonly Right[] {
  const { secret, trustBundleOwner, trustBundleConfigMap, admissionPolicy } = options
  return [
    ...requestRights(options),
    ...evidenceRights,
    ...trustBundleRights(options),
    membersRight(options),
    clientAuthoritiesRight,
    ...(trustBundleOwner === undefined ? [] : ownerRights(trustBundleOwner)),
    ...(trustBundleConfigMap === undefined ? [] : copyRights(trustBundleConfigMap)),
    ...(admissionPolicy === undefined ? [] : admissionRights(admissionPolicy)),
    ...(secret === undefined ? [] : secretRights(secret)),
    ...askingRights(options),
    ...signingRequestRights(options),
    ...claimRights(options),
  ]
}

function claimRights({
  claimOwners = [],
}: Pick<SignerRightsOptions, 'claimOwners'>): readonly Right[] {
  return ownerKindRights(claimOwners, 'what comes of a pool waits: nobody sees its claim')
}

function requestRights({ signerName }: SignerRightsOptions): readonly Right[] {
  const requests = { group: certificates, resource: 'podcertificaterequests' }
  const unseen = 'no certificate request is seen'
  return [
    { ...requests, verb: 'get', without: 'no request can be read again before it is answered' },
    { ...requests, verb: 'list', without: unseen },
    { ...requests, verb: 'watch', without: unseen },
    { ...requests, subresource: 'status', verb: 'patch', without: 'no request can be answered' },
    {
      group: certificates,
      resource: 'signers',
      name: signerName,
      verb: 'sign',
      without: 'the API server takes no certificate from this signer',
    },
    eventRight,
  ]
}

const eventRight: Right = {
  group: '',
  resource: 'events',
  verb: 'create',
  without: 'pods are not told why they wait',
  optional: true,
}

function signingRequestRights(options: SignerRightsOptions): readonly Right[] {
  const { signingRequests } = options
  if (signingRequests === undefined) return []
  const requests = { group: certificates, resource: signingRequestsPlural }
  // Their lack is no reason to leave kubelets without answers.
  const optional = true
  const rights: readonly Right[] = [
    ...seeingRights.map((right) => ({ ...right, optional })),
    {
      ...requests,
      subresource: 'status',
      verb: 'patch',
      without: 'no certificate signing request can be answered',
      optional,
    },
    ...(signingRequests.issuedCertificates === undefined ? [] : [issuedCertificateRight]),
  ]
  if (!signingRequests.approve) return rights
  return [...rights, ...judgingRights(options).map((right) => ({ ...right, optional }))]
}

const unseen = 'no certificate signing request is seen'

const seeingRights: readonly Right[] = [
  {
    group: certificates,
    resource: signingRequestsPlural,
    verb: 'get',
    without: 'none can be read again before it is answered',
  },
  { group: certificates, resource: signingRequestsPlural, verb: 'list', without: unseen },
  { group: certificates, resource: signingRequestsPlural, verb: 'watch', without: unseen },
]

function judgingRights({
  signerName: name,
}: Pick<SignerRightsOptions, 'signerName'>): readonly Right[] {
  const without = 'no certificate signing request can be approved or denied'
  return [
    {
      group: certificates,
      resource: signingRequestsPlural,
      subresource: 'approval',
      verb: 'patch',
      without,
    },
    { group: certificates, resource: 'signers', name, verb: 'approve', without },
  ]
}

/** Every right of whoever approves for the signer and signs nothing: what proves a request, and its approval. */
export function requestApproverRights(
  options: Pick<SignerRightsOptions, 'signerName' | 'signingRequests' | 'claimOwners'>,
): readonly Right[] {
  const issued = options.signingRequests?.issuedCertificates
  return [
    ...seeingRights,
    ...judgingRights(options),
    ...evidenceRights,
    eventRight,
    ...(issued === undefined ? [] : [issuedCertificateRight]),
    ...claimRights(options),
  ]
}

const issuedCertificateRight: Right = {
  group: 'countersign.dev',
  resource: 'issuedcertificates',
  verb: 'get',
  without: 'no IssuedCertificate is answered',
  optional: true,
}

/** Services are only ever listed. */
const evidenceRights: readonly Right[] = [
  ...rightsOf('pods', ['get', 'list', 'watch']),
  ...rightsOf('namespaces', ['get', 'list', 'watch']),
  ...rightsOf('serviceaccounts', ['get', 'list', 'watch']),
  ...rightsOf('nodes', ['get', 'list', 'watch']),
  ...rightsOf('services', ['list', 'watch']),
]

function rightsOf(resource: string, verbs: readonly string[]): readonly Right[] {
  const without = `what a pod claims cannot be compared with the ${resource} of the cluster`
  return verbs.map((verb) => ({ group: '', resource, verb, without }))
}

function trustBundleRights(options: SignerRightsOptions): readonly Right[] {
  const { signerName, trustDomain, lease } = options
  const without = 'the trust bundle is not published'
  const name = trustBundleName(signerName, trustDomain)
  const bundles = { group: certificates, resource: 'clustertrustbundles', without }
  const leases = {
    group: 'coordination.k8s.io',
    resource: 'leases',
    namespace: lease.namespace,
    without,
  }
  return [
    { group: certificates, resource: 'signers', name: signerName, verb: 'attest', without },
    { ...bundles, name, verb: 'get' },
    { ...bundles, verb: 'create' },
    { ...bundles, name, verb: 'patch' },
    { ...leases, name: lease.name, verb: 'get' },
    { ...leases, name: lease.name, verb: 'patch' },
  ]
}

function membersRight({ lease }: SignerRightsOptions): Right {
  const without = 'replicas do not see each other, and sign requests twice'
  const leases = { group: 'coordination.k8s.io', resource: 'leases' }
  return { ...leases, ...membersLease(lease), verb: 'patch', without, optional: true }
}

const clientAuthoritiesRight: Right = {
  group: '',
  resource: 'configmaps',
  ...clientAuthoritiesPlace,
  verb: 'get',
  without: 'nothing is signed: the CA may be one by which the API server knows its clients',
}

function ownerRights(name: string): readonly Right[] {
  const roles = { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }
  const without = 'the trust bundle outlives the release'
  return [{ ...roles, name, verb: 'get', without, optional: true }]
}

/** In every namespace, for each may ask; by name alone, and none is created. */
function copyRights(name: string): readonly Right[] {
  const without = 'the ConfigMaps that ask for the anchors do not have them'
  return ['get', 'list', 'patch'].map((verb) => ({
    group: '',
    resource: 'configmaps',
    name,
    verb,
    without,
  }))
}

function admissionRights(name: string): readonly Right[] {
  const group = 'admissionregistration.k8s.io'
  const without = 'records say of no request that a kubelet made it'
  const resources = ['validatingadmissionpolicies', 'validatingadmissionpolicybindings']
  return resources.flatMap((resource) =>
    ['list', 'watch'].map((verb) => ({ group, resource, name, verb, without, optional: true })),
  )
}

function secretRights({ namespace, name }: LeasePlace): readonly Right[] {
  const secrets = {
    group: '',
    resource: 'secrets',
    namespace,
    without: 'the authority cannot be kept',
  }
  return [
    { ...secrets, name, verb: 'get' },
    { ...secrets, name, verb: 'patch' },
  ]
}

/** Who signs it judges by its signer name, which RBAC does not know. */
function askingRights(options: SignerRightsOptions): readonly Right[] {
  const { asksForAuthority = false, signingRequests } = options
  if (!asksForAuthority) return []
  const requests = { group: certificates, resource: signingRequestsPlural }
  const right = { ...requests, without: 'no CA can be asked for', optional: true }
  // Where pods ask, too, it is read by the right to read theirs.
  const verbs = signingRequests === undefined ? ['create', 'get'] : ['create']
  const revocations = {
    group: 'countersign.dev',
    resource: 'revocations',
    without: 'nothing is signed: a CA that is revoked would sign on',
  }
  return [
    ...verbs.map((verb) => ({ ...right, verb })),
    ...(options.endsAuthority === true ? ['list', 'watch'] : []).map((verb) => ({
      ...revocations,
      verb,
    })),
  ]
}

/** Without these, and by a clock that is wrong, no answer reaches a request that could be used, so none is begun. */
export function permissionOf(
  rights: Pick<RightsWatch, 'missing' | 'doubt'>,
  asked: 'of-kubelets' | 'of-pods',
  clock: Pick<ServerClock, 'problem'> | undefined,
  who = 'signer',
): Permission {
  const needed = (right: Right): boolean => isNeededToAnswer(right, asked)
  return {
    missing() {
      const missing = rights.missing?.filter(needed) ?? []
      if (missing.length === 0) return clock?.problem()
      return `the ${who} lacks a right: ${missing.map(formatRight).join(', ')}`
    },
    doubt: () => rights.doubt(),
  }
}
