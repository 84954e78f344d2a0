import {
  approvalRights,
  claimRights,
  gatewayRights,
  policyEventRights,
  toolServerRights,
} from '../../gateway/rights.ts'
import { formatRight, missingRightsOf, type Right } from '../../kubernetes/access-review.ts'
import { carryRights } from '../../signer/carry-revocations.ts'
import { signerRights } from '../../signer/rights.ts'
import type { Fact, GatewaySettings, Program, RightFact, SignerSettings } from '../facts.ts'
import { learn, mapFact, type Asker } from './learn.ts'

/** Asks of each right that a program needs whether its service account has it. */
export async function learnRights(
  asker: Asker,
  options: {
    readonly namespace: string
    readonly signer: Fact<SignerSettings>
    readonly gateway: Fact<GatewaySettings>
  },
): Promise<Fact<readonly RightFact[]>> {
  const { namespace, signer, gateway } = options
  if (!signer.known) return signer
  const wanted = {
    signer: rightsOfSigner(signer.value),
    gateway: gateway.known ? rightsOfGateway(namespace, gateway.value) : [],
  }
  const programs: readonly Program[] = ['signer', 'gateway']
  const facts = await Promise.all(
    programs.map((program) => askFor(asker, { program, namespace, rights: wanted[program] })),
  )
  const unlearned = facts.find((fact) => !fact.known)
  if (unlearned !== undefined) return unlearned
  return { known: true, value: facts.flatMap((fact) => (fact.known ? fact.value : [])) }
}

function rightsOfGateway(
  namespace: string,
  { toolServers, approvals, claims }: GatewaySettings,
): readonly Right[] {
  return [
    ...gatewayRights,
    ...policyEventRights(namespace),
    ...(toolServers ? toolServerRights : []),
    ...(approvals === undefined ? [] : approvalRights(approvals.namespace)),
    ...claimRights(claims?.owners ?? []),
  ]
}

function rightsOfSigner(settings: SignerSettings): readonly Right[] {
  const carrying = settings.revocations === undefined ? [] : carryRights
  return [...ownRightsOfSigner(settings), ...carrying]
}

function ownRightsOfSigner(settings: SignerSettings): readonly Right[] {
  const { signerName, trustDomain, lease, authority, trustBundle, admissionPolicy } = settings
  const trustBundleOwner = trustBundle.ownerClusterRole
  const { certificateSigningRequests: signingRequests } = settings
  const trustBundleConfigMap = trustBundle.configMap
  const names = {
    signerName,
    trustDomain,
    lease,
    trustBundleOwner,
    trustBundleConfigMap,
    admissionPolicy,
  }
  const options = { ...names, signingRequests, claimOwners: settings.claims?.owners }
  if ('files' in authority || 'pkcs11' in authority) return signerRights(options)
  const asksForAuthority = 'csr' in authority
  const { namespace, secret } = 'csr' in authority ? authority.csr : authority.selfSigned
  const endsAuthority = 'csr' in authority && authority.csr.revocations === true
  const place = { namespace, name: secret }
  return signerRights({ ...options, asksForAuthority, endsAuthority, secret: place })
}

async function askFor(
  asker: Asker,
  options: {
    readonly program: Program
    readonly namespace: string
    readonly rights: readonly Right[]
  },
): Promise<Fact<readonly RightFact[]>> {
  const { program, namespace, rights } = options
  const { client, signal } = asker
  const of = {
    user: `system:serviceaccount:${namespace}:countersign-${program}`,
    groups: [
      'system:serviceaccounts',
      `system:serviceaccounts:${namespace}`,
      'system:authenticated',
    ],
  }
  const right = 'create subjectaccessreviews.authorization.k8s.io'
  const missing = await learn(asker, right, () => missingRightsOf(client, rights, { of, signal }))
  return mapFact(missing, (lacking) =>
    rights.map((each) => ({
      program,
      rule: { verb: each.verb, group: each.group, resource: resourceOf(each) },
      name: each.name,
      namespace: each.namespace,
      text: formatRight(each),
      without: each.without,
      optional: each.optional === true,
      held: !lacking.includes(each),
    })),
  )
}

function resourceOf({ resource, subresource }: Right): string {
  return subresource === undefined ? resource : `${resource}/${subresource}`
}
