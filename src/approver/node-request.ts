import { CountersignError, quoted } from '../errors.ts'
import { isDnsSubdomain } from '../identity/kubernetes-name.ts'
import type { CertificateSigningRequest } from '../kubernetes/certificate-signing-request.ts'
import { parseCertificateRequestPem } from '../pki/certificate-request.ts'
import { readRequestedNames, type RequestedNames } from '../pki/requested-names.ts'
import type { SubjectKey } from '../pki/subject-key.ts'
import type { ApprovalRules, BoundAccount } from './rules.ts'
import { deny, type Denial, type Verdict } from './verdict.ts'

/** The two signers of Kubernetes whose certificates are a node's. */
export const nodeSigners = {
  serving: 'kubernetes.io/kubelet-serving',
  client: 'kubernetes.io/kube-apiserver-client-kubelet',
} as const

export type NodeSigner = keyof typeof nodeSigners

/** Who asks, as the API server states it. */
export type NodeRequester =
  | { readonly kind: 'node' }
  | { readonly kind: 'account'; readonly account: BoundAccount }
  | { readonly kind: 'bootstrap'; readonly group: string }

/** A request whose form is right, of a requester who may ask for this node. What it says is still to be proved. */
export interface NodeRequest {
  readonly signer: NodeSigner
  readonly nodeName: string
  readonly requester: NodeRequester
  readonly key: SubjectKey
  readonly names: RequestedNames
}

const nodesGroup = 'system:nodes'
const userPrefix = 'system:node:'

/** Reads a request, and refuses what no evidence could make right. */
export function readNodeRequest(
  request: CertificateSigningRequest,
  rules: ApprovalRules,
): NodeRequest | Verdict {
  const signer = signerOf(request)
  if (signer === undefined) return { kind: 'leave', why: 'it is for another signer' }
  const asked = requesterOf(request, signer, rules)
  if (asked === undefined) {
    const why = `${quoted(request.spec.username, 128)} is no node, and is bound to none`
    return { kind: 'leave', why }
  }
  try {
    const { key, ...rest } = parseCertificateRequestPem(
      Buffer.from(request.spec.request, 'base64').toString('utf8'),
    )
    const names = readRequestedNames(rest)
    const subject = subjectOf(asked, names)
    if (typeof subject !== 'string') return subject
    const read = { signer, nodeName: subject, requester: asked.requester, key, names }
    return refusedUsages(request, read) ?? refusedKey(request, read, rules) ?? read
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const reason = error.code === 'pki/key-type' ? 'KeyTypeNotAllowed' : 'RequestMalformed'
    return deny(reason, error.message)
  }
}

function signerOf({ spec }: CertificateSigningRequest): NodeSigner | undefined {
  if (spec.signerName === nodeSigners.serving) return 'serving'
  return spec.signerName === nodeSigners.client ? 'client' : undefined
}

interface Asked {
  readonly requester: NodeRequester
  /** Undefined for a bootstrapper, who says which. */
  readonly nodeName: string | undefined
  readonly bootstrapped: readonly string[]
}

/** Undefined for whoever has no business with nodes: others may have approvers of their own for them. */
function requesterOf(
  { spec }: CertificateSigningRequest,
  signer: NodeSigner,
  { nodes, bootstrap }: ApprovalRules,
): Asked | undefined {
  const { username, groups } = spec
  if (username.startsWith(userPrefix) && groups.includes(nodesGroup)) {
    const nodeName = username.slice(userPrefix.length)
    return { requester: { kind: 'node' }, nodeName, bootstrapped: [] }
  }
  if (signer === 'serving') {
    for (const [nodeName, { serviceAccount: account }] of nodes) {
      if (account === undefined) continue
      if (username !== `system:serviceaccount:${account.namespace}:${account.name}`) continue
      return { requester: { kind: 'account', account }, nodeName, bootstrapped: [] }
    }
    return undefined
  }
  const group = bootstrap?.groups.find((each) => groups.includes(each))
  if (bootstrap === undefined || group === undefined) return undefined
  const requester = { kind: 'bootstrap', group } as const
  return { requester, nodeName: undefined, bootstrapped: bootstrap.nodes }
}

/** The node's name, or why the subject is not its own. */
function subjectOf(
  { nodeName, bootstrapped }: Asked,
  { commonName, organizations }: RequestedNames,
): string | Verdict {
  const [organization, second] = organizations
  if (organization !== nodesGroup || second !== undefined) {
    const got = organizations.map((each) => quoted(each)).join(', ')
    return deny('SubjectNotProved', `organizations of the subject: want="${nodesGroup}" got=${got}`)
  }
  const asked = commonName.startsWith(userPrefix) ? commonName.slice(userPrefix.length) : ''
  const isOwn = nodeName === undefined ? bootstrapped.includes(asked) : asked === nodeName
  if (isOwn && isDnsSubdomain(asked)) return asked
  // A group may be there for more nodes than these, and Kubernetes' own approver for those.
  if (nodeName === undefined && isDnsSubdomain(asked)) {
    return { kind: 'leave', why: `node ${asked} is none of bootstrap.nodes` }
  }
  const want =
    nodeName === undefined ? `"${userPrefix}<node>"` : quoted(`${userPrefix}${nodeName}`, 280)
  return deny(
    'SubjectNotProved',
    `common name of the subject: want=${want} got=${quoted(commonName, 280)}`,
  )
}

const purposes = { serving: 'server auth', client: 'client auth' } as const

/** What a key exchange of RSA needs is nothing for other keys (RFC 8446 has none of it at all). */
function refusedUsages(
  { spec }: CertificateSigningRequest,
  { signer, key }: NodeRequest,
): Denial | undefined {
  const wanted = ['digital signature', purposes[signer]]
  const isRsa = key.keyType.startsWith('RSA')
  const allowed = isRsa ? [...wanted, 'key encipherment'] : wanted
  const hasAll = wanted.every((each) => spec.usages.includes(each))
  if (hasAll && spec.usages.every((each) => allowed.includes(each))) return undefined
  const want = isRsa ? `${wanted.join(', ')}, with or without key encipherment` : wanted.join(', ')
  const got = spec.usages.map((each) => quoted(each)).join(', ')
  return deny('UsagesNotAllowed', `usages: want=${want} got=${got}`)
}

function refusedKey(
  { spec }: CertificateSigningRequest,
  { key }: NodeRequest,
  { keyTypes, expirationSecondsMax }: ApprovalRules,
): Denial | undefined {
  if (!keyTypes.includes(key.keyType)) {
    return deny('KeyTypeNotAllowed', `key: want=${keyTypes.join('|')} got=${key.keyType}`)
  }
  const asked = spec.expirationSeconds ?? 0
  if (asked <= expirationSecondsMax) return undefined
  return deny(
    'LifetimeNotAllowed',
    `expirationSeconds: want=..${expirationSecondsMax} got=${asked}`,
  )
}
