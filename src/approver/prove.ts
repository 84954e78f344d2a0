import { isDnsSubdomain } from '../identity/kubernetes-name.ts'
import type { CertificateSigningRequest } from '../kubernetes/certificate-signing-request.ts'
import type { AddressedNode } from '../kubernetes/node-addresses.ts'
import { formatAddress, isNowhere, isWithin, parseAddress } from './address.ts'
import { claimantsOf } from './claiming-nodes.ts'
import type { NodeEvidence } from './evidence.ts'
import type { NodeRequest } from './node-request.ts'
import { proveRequester } from './prove-requester.ts'
import type { ApprovalRules, Owners } from './rules.ts'
import { canonicalSpelling } from './spelling.ts'
import { deny, type Proof, type Verdict } from './verdict.ts'

/** What a request says, held against what the cluster and configuration prove. Pure: the same evidence, the same verdict. */
export function prove(
  asked: NodeRequest,
  parts: {
    readonly request: CertificateSigningRequest
    readonly evidence: NodeEvidence
    readonly rules: ApprovalRules
    readonly owners: Owners
  },
): Verdict {
  const { evidence } = parts
  const requester = proveRequester(asked, parts)
  if ('kind' in requester) return requester
  if (asked.signer === 'client') return proveClient(asked, evidence, requester)
  return proveServing(asked, parts, requester)
}

function proveClient(
  { requester, nodeName, names }: NodeRequest,
  { node }: NodeEvidence,
  proof: Proof,
): Verdict {
  if (names.dnsNames.length + names.ipAddresses.length > 0) {
    return deny('NamesNotProved', 'alternative names: want=none in a client certificate')
  }
  if (requester.kind !== 'bootstrap') return withNode(nodeName, node, [proof])
  // Another machine has the name already, and whoever holds a bootstrap token could take it.
  if (node === undefined) return { kind: 'approve', proofs: [proof] }
  const why = `node ${nodeName} is there already: delete it if this machine is to replace it`
  return { kind: 'wait', why }
}

/** A node that is not there has no addresses, and none whose certificate would be renewed. */
function withNode(
  nodeName: string,
  node: AddressedNode | undefined,
  proofs: readonly Proof[],
): Verdict {
  if (node === undefined) return { kind: 'wait', why: `there is no node ${nodeName}` }
  if (node.metadata.deletionTimestamp !== undefined) {
    return { kind: 'wait', why: `node ${nodeName} is being deleted` }
  }
  const value = `${nodeName} (${node.metadata.uid})`
  return { kind: 'approve', proofs: [...proofs, { field: 'node', value, by: 'the Node object' }] }
}

function proveServing(asked: NodeRequest, parts: Judging, requester: Proof): Verdict {
  const { evidence } = parts
  const { nodeName, names } = asked
  const wanted = [
    ...names.dnsNames.map((name) => ({ field: 'DNS name', name })),
    ...names.ipAddresses.map((octets) => ({ field: 'address', name: formatAddress(octets) })),
  ]
  if (wanted.length === 0) {
    return deny('NamesNotProved', 'alternative names: want=a DNS name or an address of the node')
  }
  const standing = withNode(nodeName, evidence.node, [requester])
  const spellings = wanted.map(({ name }) => canonicalSpelling(name))
  const claimants = claimantsOf(spellings, { nodes: evidence.others, except: nodeName })
  const stated = statedBy(evidence.node)
  const found = wanted.map((each) => proveName(each, nodeName, { ...parts, stated, claimants }))
  const unproved = found.filter((each) => 'kind' in each)
  const denial = unproved.find(({ kind }) => kind === 'deny')
  if (denial !== undefined) return denial
  if (standing.kind !== 'approve') return standing
  const [waiting] = unproved
  if (waiting !== undefined) return waiting
  const proofs = found.flatMap((each) => ('kind' in each ? [] : [each]))
  return { kind: 'approve', proofs: [...standing.proofs, ...proofs] }
}

interface Judging {
  readonly evidence: NodeEvidence
  readonly rules: ApprovalRules
  readonly owners: Owners
}

interface Claimed {
  readonly stated: readonly Stated[]
  readonly claimants: ReturnType<typeof claimantsOf>
}

interface Wanted {
  readonly field: string
  readonly name: string
}

/** Configuration is an administrator's word. A node's own is held against everybody else's, for its kubelet writes it. */
function proveName(
  { field, name }: Wanted,
  nodeName: string,
  { evidence, rules, owners, stated, claimants }: Judging & Claimed,
): Proof | Exclude<Verdict, { readonly kind: 'approve' }> {
  const configured = rules.nodes.get(nodeName)
  const isAddress = field === 'address'
  const told = (isAddress ? configured?.addresses : configured?.dnsNames) ?? []
  const spelling = canonicalSpelling(name)
  if (told.includes(isAddress ? name : spelling)) {
    return { field, value: name, by: 'configuration' }
  }
  const owner = owners.get(spelling) ?? nodeName
  if (owner !== nodeName) {
    return deny('NamesNotProved', `${field} ${name} is that of node ${owner}, by configuration`)
  }
  const type = typeOf(stated, name, isAddress)
  // A kubelet asks for a name as a cloud has written it, and TLS reads it without case.
  const read = type === undefined ? name : spelling
  const unfit = isAddress ? unfitAddress(name, evidence, rules) : unfitName(read, nodeName, rules)
  if (unfit !== undefined)
    return deny('NamesNotProved', `${field} ${JSON.stringify(name)} ${unfit}`)
  const [other, ...more] = claimants.get(spelling) ?? []
  if (other !== undefined) {
    const and = more.length === 0 ? '' : ` and ${more.length} more`
    const of = `${field} ${name} is that of node ${other}${and}`
    if (type === undefined) return deny('NamesNotProved', of)
    const why = `${of}, too: delete that node if it is no more; if it is there, one of them says what is not so, and configuration settles it`
    return { kind: 'wait', why, reason: 'ClaimedByAnotherNode' }
  }
  if (type !== undefined) {
    const isUntold = !isAddress && rules.dnsSuffixes === undefined && spelling !== nodeName
    const lacking = isUntold ? untold : unknownOf(evidence, nodeName, isAddress)
    if (lacking !== undefined) return { kind: 'wait', why: `${field} ${name}: ${lacking}` }
    return { field, value: name, by: `${type} of the Node object` }
  }
  const why = `${field} ${name} is not among the addresses of node ${nodeName}`
  return { kind: 'wait', why: `${why}, nor in the configuration of the approver` }
}

/** Its name is the only one that nobody but the API server gives it: any other may be that of a Service, or of a machine elsewhere. */
const untold = 'a node is believed its own name alone: want=dnsSuffixes, or dnsNames of this node'

/** Against what nobody knows a node's word is not enough. */
function unknownOf(
  { unreadable, apiServer }: NodeEvidence,
  nodeName: string,
  isAddress: boolean,
): string | undefined {
  const unread = [...unreadable].find((each) => each !== nodeName)
  if (unread !== undefined) {
    return `node ${unread || 'without a name'} cannot be read, and may have it`
  }
  if (!isAddress || apiServer !== undefined) return undefined
  return 'where the API server is nobody says: want=Service kubernetes in default, and its EndpointSlice'
}

interface Stated {
  readonly type: string
  /** An address as `parseAddress` gives it, a name as it stands there. */
  readonly name: string | undefined
}

const addressTypes = ['InternalIP', 'ExternalIP']
const nameTypes = ['Hostname', 'InternalDNS', 'ExternalDNS']

/** What a node says of itself. */
function statedBy(node: AddressedNode | undefined): readonly Stated[] {
  return (node?.addresses ?? []).map(({ type, address }) => ({
    type,
    name: addressTypes.includes(type) ? parseAddress(address) : address,
  }))
}

/** The type under which a node has it. */
function typeOf(stated: readonly Stated[], wanted: string, isAddress: boolean): string | undefined {
  const types = isAddress ? addressTypes : nameTypes
  return stated.find(({ type, name }) => types.includes(type) && name === wanted)?.type
}

function unfitAddress(
  address: string,
  { apiServer }: NodeEvidence,
  { addressRanges }: ApprovalRules,
): string | undefined {
  if (isNowhere(address)) return 'is no address by which others reach a node'
  const isOfApiServer = apiServer?.some((each) => canonicalSpelling(each) === address)
  if (isOfApiServer === true) {
    return 'is that of the API server: want=configuration that names it for this node'
  }
  if (addressRanges === undefined || isWithin(addressRanges, address)) return undefined
  return 'is outside of the ranges of nodes'
}

/** Names that resolve to a Service inside of a cluster, the API server's among them, or to the machine itself. */
const reservedNames =
  /^(?:localhost|kubernetes|kubernetes\.default)$|\.localhost$|(?:^|\.)svc(?:\.|$)/

function unfitName(
  name: string,
  nodeName: string,
  { dnsSuffixes }: ApprovalRules,
): string | undefined {
  if (!isDnsSubdomain(name)) return 'is not the name of one machine in lower case'
  if (reservedNames.test(name)) return 'is never that of a node'
  if (parseAddress(name) !== undefined || /^[0-9.]+$/.test(name)) return 'reads as an address'
  if (dnsSuffixes === undefined || name === nodeName) return undefined
  if (dnsSuffixes.some((suffix) => name.endsWith(suffix))) return undefined
  return 'does not end as the names of nodes do'
}
