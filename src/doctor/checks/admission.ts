import { named, ok, problem, unknown, warning, withPartial, type Check } from '../check.ts'
import type { AdmissionPolicyFact, Fact, Facts, ProbeFact } from '../facts.ts'

/** The words of plugin NodeRestriction, as of a request that names another node than the one that asks. */
const restriction = 'not the requesting node'

export const nodeRestriction: Check = {
  name: 'node-restriction',
  judge: ({ foreignNode }) => {
    if (!foreignNode.known) return unknown(foreignNode)
    const { value } = foreignNode
    const tried = 'a node that asks in the name of another one (dryRun=All)'
    if (value.outcome === 'refused' && value.by.includes(restriction)) {
      return ok('plugin NodeRestriction is in force', [`${tried} is refused`])
    }
    const by = value.outcome === 'accepted' ? 'accepted' : `stopped only by ${value.by}`
    return problem('plugin NodeRestriction is not in force: a node may speak for every other one', {
      evidence: [`${tried} is ${by}`],
      hint: 'start kube-apiserver with --enable-admission-plugins=NodeRestriction',
    })
  },
}

/** How far our admission policy protects: `enforced` by proof, `bound` by its text alone. */
export type Protection = 'enforced' | 'bound' | 'none'

export function protectionOf({ policies, ownRequest, signerName }: Facts): Protection {
  if (ownRequest.known && ownRequest.value.outcome === 'accepted') return 'none'
  const denying = policies.known ? policies.value.filter(isDenying) : []
  const ours = denying.filter((policy) => speaksOf(policy, signerName))
  if (refusedByPolicy(ownRequest)) return 'enforced'
  return ours.length > 0 ? 'bound' : 'none'
}

function refusedByPolicy(probe: Fact<ProbeFact>): boolean {
  const isRefused = probe.known && probe.value.outcome === 'refused'
  return isRefused && probe.value.by.includes('ValidatingAdmissionPolicy')
}

function isDenying({ bindings, failurePolicy }: AdmissionPolicyFact): boolean {
  return (
    failurePolicy === 'Fail' &&
    bindings.some(({ actions, narrowed }) => actions.includes('Deny') && !narrowed)
  )
}

/** Its conditions name our signer, or it has none and is about all of them. */
function speaksOf({ conditions }: AdmissionPolicyFact, signerName: string): boolean {
  return conditions.length === 0 || conditions.some((text) => text.includes(`'${signerName}'`))
}

const enable = 'install the chart with admissionPolicy.mode=enforce'

export const admissionPolicy: Check = {
  name: 'admission-policy',
  judge: (facts) => {
    const { policies, ownRequest, signerName } = facts
    if (!policies.known) return unknown(policies)
    const ours = policies.value.filter(isProvenance)
    const evidence = [...ours.map(describe), tried(ownRequest)]
    if (ours.length === 0) {
      return warning('no admission policy says who may create certificate requests', {
        evidence,
        hint: `${enable}, so that nobody but a kubelet can`,
      })
    }
    const matching = ours.filter((policy) => speaksOf(policy, signerName))
    if (matching.length === 0) {
      return problem(`the admission policy is not about the signer ${signerName}`, {
        evidence,
        hint: 'its matchConditions name another signer: install the chart again with the signerName that the signer has',
      })
    }
    const broken = matching.filter(({ typeWarnings }) => typeWarnings.length > 0)
    if (broken.length > 0) {
      return problem('the API server cannot evaluate the admission policy', {
        evidence: [...evidence, ...broken.flatMap(({ typeWarnings }) => typeWarnings)],
        hint: 'install the chart again: its expressions were changed, or the cluster serves another version',
      })
    }
    const narrowed = matching.some(({ bindings }) =>
      bindings.some(({ actions, narrowed: part }) => part && actions.includes('Deny')),
    )
    if (narrowed && !matching.some(isDenying)) {
      return warning('the admission policy is enforced for a part of the cluster', {
        evidence,
        hint: 'take matchResources out of its binding: requests come from every namespace',
      })
    }
    if (!matching.some(isDenying)) {
      return warning('the admission policy only watches', {
        evidence,
        hint: `when the audit log shows nobody but kubelets, ${enable}`,
      })
    }
    if (ownRequest.known && !refusedByPolicy(ownRequest)) {
      return problem('the admission policy is bound and refuses nothing', {
        evidence,
        hint: "compare it with the chart's: its rules, its conditions and its binding leave this request out",
      })
    }
    return withPartial(ok('nobody but a kubelet can create certificate requests', evidence), [
      policies,
    ])
  },
}

/** Somebody else's policy about these requests is none of ours: ours compares the user with the node. */
function isProvenance({ expressions }: AdmissionPolicyFact): boolean {
  return expressions.some(
    (text) => text.includes('request.userInfo') && text.includes('object.spec.nodeName'),
  )
}

function describe(policy: AdmissionPolicyFact): string {
  const bound = policy.bindings.map(
    ({ name, actions, narrowed }) =>
      `${name} (${actions.join(', ')}${narrowed ? ', for a part of the cluster' : ''})`,
  )
  const bindings = bound.length === 0 ? 'bound by nothing' : `bound by ${named(bound)}`
  return `policy ${policy.name}, failurePolicy ${policy.failurePolicy}, ${bindings}`
}

function tried(probe: Fact<ProbeFact>): string {
  const what = 'a request from here, who is no kubelet (dryRun=All),'
  if (!probe.known) return `${what} was not tried: ${probe.why}`
  return probe.value.outcome === 'accepted' ? `${what} is accepted` : `${what} is refused`
}
