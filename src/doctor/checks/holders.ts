import {
  ok,
  plural,
  problem,
  unknown,
  warning,
  withPartial,
  type Check,
  type Judgement,
} from '../check.ts'
import type { Rule } from '../facts.ts'
import { holdersOf as found, holds, isEverybody, isMaster, isNode, type Holder } from '../rbac.ts'
import { protectionOf } from './admission.ts'

const certificates = 'certificates.k8s.io'

/** A rule with names never allows to create what has none yet. */
function givesCreation({ verbs, groups, resources, names }: Rule): boolean {
  return (
    holds(verbs, 'create') &&
    holds(groups, certificates) &&
    holds(resources, 'podcertificaterequests') &&
    names.length === 0
  )
}

/** Whoever may create a request can name any pod, service account and node in it: only NodeRestriction and our policy look. */
export const requestCreators: Check = {
  name: 'request-creators',
  judge: (facts) => {
    const { access } = facts
    if (!access.known) return unknown(access)
    const holders = found(access.value, givesCreation).filter((holder) => !isNode(holder))
    const { others, evidence } = split(holders)
    const protection = protectionOf(facts)
    if (others.length === 0) {
      const summary = 'nobody but kubelets and administrators may create certificate requests'
      return withPartial(ok(summary, evidence), [access])
    }
    const who = `${plural(others.length, 'other')} may create certificate requests`
    if (protection !== 'none') {
      const by = protection === 'enforced' ? 'refuses theirs' : 'is bound to refuse theirs'
      return withPartial(ok(`${who}, and the admission policy ${by}`, evidence), [access])
    }
    return tell(others, who, {
      evidence,
      hint: 'take the right away from them, or enforce the admission policy (admissionPolicy.mode=enforce)',
    })
  },
}

const verb = 'request-serviceaccounts-podcertificate-signer'

/** Kubernetes 1.37 asks for it on a resource named for the signer, with a colon, before a node may ask for what a pod does not declare. */
export const signerRequesters: Check = {
  name: 'signer-requesters',
  judge: ({ access, signerName }) => {
    if (!access.known) return unknown(access)
    const resource = signerName.replaceAll('/', ':')
    const holders = found(
      access.value,
      ({ verbs, groups, resources }) =>
        holds(verbs, verb) && holds(groups, certificates) && holds(resources, resource),
    )
    const { others, evidence } = split(holders)
    if (others.length === 0) {
      const summary = 'no node may ask for certificates that its pods do not declare'
      return withPartial(ok(summary, evidence), [access])
    }
    const hint = `take the verb ${verb} away: with it a node asks for this signer in the name of any service account of its pods`
    const nodes = others.filter((holder) => isNode(holder) || isEverybody(holder))
    if (nodes.length === 0) {
      return warning(`${plural(others.length, 'holder')} of ${verb}, none of them a node`, {
        evidence,
        hint,
      })
    }
    return problem('nodes may ask for certificates that no pod declares', { evidence, hint })
  },
}

function givesUser({ verbs, groups, resources, names }: Rule): boolean {
  const isNodeName = names.length === 0 || names.some((name) => name.startsWith('system:node:'))
  return holds(verbs, 'impersonate') && holds(groups, '') && holds(resources, 'users') && isNodeName
}

function givesGroup({ verbs, groups, resources, names }: Rule): boolean {
  const isNodes = names.length === 0 || names.includes('system:nodes')
  return holds(verbs, 'impersonate') && holds(groups, '') && holds(resources, 'groups') && isNodes
}

/** Constrained impersonation (KEP-5284): verbs of their own for nodes. */
function givesNode({ verbs }: Rule): boolean {
  return verbs.some((each) => /^impersonate:(arbitrary|associated)-node$/.test(each))
}

/** Whoever speaks as a node asks for the certificate of every pod there. */
export const nodeImpersonators: Check = {
  name: 'node-impersonators',
  judge: ({ access }) => {
    if (!access.known) return unknown(access)
    const groups = new Set(found(access.value, givesGroup).map(subjectOf))
    const both = found(access.value, givesUser).filter((holder) => groups.has(subjectOf(holder)))
    const { others, evidence } = split([...both, ...found(access.value, givesNode)])
    if (others.length === 0) {
      const summary = 'nobody but administrators may impersonate nodes'
      return withPartial(ok(summary, evidence), [access])
    }
    return tell(others, `${plural(others.length, 'other')} may impersonate nodes`, {
      evidence,
      hint: 'take impersonate on users and groups away, or bind it to resourceNames that are no nodes',
    })
  },
}

function subjectOf({ kind, name }: Holder): string {
  return `${kind} ${name}`
}

/** Administrators may do anything, our signer's own objects among it: they are counted, not complained of. */
function split(holders: readonly Holder[]): {
  readonly others: readonly Holder[]
  readonly evidence: readonly string[]
} {
  const unlimited = (holder: Holder): boolean => holder.isAdministrator && !isEverybody(holder)
  const others = holders.filter((holder) => !isMaster(holder) && !unlimited(holder))
  const administrators = new Set(
    holders.filter((holder) => isMaster(holder) || unlimited(holder)).map(subjectOf),
  )
  return {
    others,
    evidence: [
      ...new Set(
        others.map(
          (holder) =>
            `${subjectOf(holder)}${holder.namespace === '' ? '' : ` in namespace ${holder.namespace}`}, by ${holder.via}`,
        ),
      ),
      ...(administrators.size === 0
        ? []
        : [`administrators of the whole cluster: ${[...administrators].slice(0, 10).join(', ')}`]),
    ],
  }
}

function tell(
  others: readonly Holder[],
  summary: string,
  advice: { readonly evidence: readonly string[]; readonly hint: string },
): Judgement {
  return others.some(isEverybody) ? problem(summary, advice) : warning(summary, advice)
}
