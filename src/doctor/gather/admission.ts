import type { AdmissionPolicyFact, Fact } from '../facts.ts'
import { at, listAt, membersOf, textAt, textsAt } from '../lenient.ts'
import { learnList, mapFact, type Asker } from './learn.ts'

const root = '/apis/admissionregistration.k8s.io/v1'
const expressionsMax = 100

type Bound = AdmissionPolicyFact['bindings'][number] & { readonly policy: string }

/** The admission policies that look at the creation of PodCertificateRequests, with what binds them. */
export async function learnPolicies(asker: Asker): Promise<Fact<readonly AdmissionPolicyFact[]>> {
  const list = <T>(plural: string, read: (raw: unknown) => T): Promise<Fact<readonly T[]>> => {
    const right = `list ${plural}.admissionregistration.k8s.io`
    return learnList(asker, { path: `${root}/${plural}`, right }, read)
  }
  const [policies, bindings] = await Promise.all([
    list('validatingadmissionpolicies', readPolicy),
    list('validatingadmissionpolicybindings', readBinding),
  ])
  if (!bindings.known) return bindings
  return mapFact(policies, (all) =>
    all
      .filter(({ matchesRequests }) => matchesRequests)
      .map((policy) => ({
        ...policy,
        bindings: bindings.value.filter((binding) => binding.policy === policy.name),
      })),
  )
}

function readPolicy(raw: unknown): AdmissionPolicyFact {
  const rules = listAt(raw, 'spec', 'matchConstraints', 'resourceRules')
  const warnings = listAt(raw, 'status', 'typeChecking', 'expressionWarnings')
  return {
    name: textAt(raw, 'metadata', 'name'),
    failurePolicy: textAt(raw, 'spec', 'failurePolicy') || 'Fail',
    matchesRequests: rules.some(matchesRequests),
    expressions: expressionsIn(raw, 'validations'),
    conditions: expressionsIn(raw, 'matchConditions'),
    typeWarnings: warnings.slice(0, expressionsMax).map((entry) => textAt(entry, 'warning')),
    bindings: [],
  }
}

function expressionsIn(raw: unknown, member: string): readonly string[] {
  const entries = listAt(raw, 'spec', member).slice(0, expressionsMax)
  return entries.map((entry) => textAt(entry, 'expression'))
}

function matchesRequests(rule: unknown): boolean {
  const holds = (member: string, value: string): boolean => {
    const values = textsAt(rule, member)
    return values.includes('*') || values.includes(value)
  }
  return (
    holds('apiGroups', 'certificates.k8s.io') &&
    holds('resources', 'podcertificaterequests') &&
    holds('operations', 'CREATE')
  )
}

function readBinding(raw: unknown): Bound {
  const match = at(raw, 'spec', 'matchResources')
  const selects = (member: string): boolean => Object.keys(membersOf(at(match, member))).length > 0
  return {
    name: textAt(raw, 'metadata', 'name'),
    policy: textAt(raw, 'spec', 'policyName'),
    actions: textsAt(raw, 'spec', 'validationActions'),
    narrowed:
      selects('namespaceSelector') ||
      selects('objectSelector') ||
      listAt(match, 'excludeResourceRules').length > 0,
  }
}
