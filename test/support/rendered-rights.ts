import assert from 'node:assert/strict'
import { gatewayRights, policyEventRights } from '../../src/gateway/rights.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import type { Right } from '../../src/kubernetes/access-review.ts'
import { signerRights, type SignerRightsOptions } from '../../src/signer/rights.ts'
import { releaseNamespace as namespace, type Rendered } from './chart.ts'

/** What the signer needs under the names of the recorded rendering. */
export const renderedSigner: SignerRightsOptions = {
  signerName: 'countersign.dev/identity',
  trustDomain: parseTrustDomain('agents.example'),
  lease: { namespace, name: 'countersign-trust-bundle' },
  trustBundleOwner: `countersign-signer.${namespace}`,
  admissionPolicy: `countersign-requests.${namespace}`,
  secret: { namespace, name: 'countersign-authority' },
}

/** What each program says that it needs, under the names of the recorded rendering. */
export const programRights: Readonly<Record<string, readonly Right[]>> = {
  'countersign-signer': signerRights(renderedSigner),
  'countersign-gateway': [...gatewayRights, ...policyEventRights(namespace)],
}

export type Place = Pick<
  Right,
  'verb' | 'group' | 'resource' | 'subresource' | 'name' | 'namespace'
>

/** One line a right, so that two sets of them compare. */
export function lineOf({
  verb,
  group,
  resource,
  subresource,
  name,
  namespace: where,
}: Place): string {
  return `${[where ?? '*', group, resource, subresource ?? '', name ?? '*'].join(' ')}: ${verb}`
}

export interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

/** Each of one verb on one resource with one name, or any. */
export function singleRules(rules: readonly Rule[]): readonly Rule[] {
  return rules.flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        (resourceNames ?? [undefined]).flatMap((name) =>
          verbs.map((verb) => ({
            apiGroups: [group],
            resources: [resource],
            ...(name === undefined ? {} : { resourceNames: [name] }),
            verbs: [verb],
          })),
        ),
      ),
    ),
  )
}

/** Of a rule with one of everything. */
export function placeOf(rule: Rule, where: string | undefined): Place {
  const [path = ''] = rule.resources
  const [resource = '', subresource] = path.split('/')
  const [name] = rule.resourceNames ?? []
  return {
    verb: rule.verbs[0] ?? '',
    group: rule.apiGroups[0] ?? '',
    resource,
    ...(subresource === undefined ? {} : { subresource }),
    ...(name === undefined ? {} : { name }),
    ...(where === undefined ? {} : { namespace: where }),
  }
}

/** The roles of a service account, through every binding that names it. */
export function rolesOf(rendering: readonly Rendered[], account: string): readonly Rendered[] {
  return rendering
    .filter(
      ({ kind, subjects }) =>
        kind.endsWith('RoleBinding') &&
        subjects.some((subject: { readonly name: string }) => subject.name === account),
    )
    .map(({ roleRef }) => {
      const role = rendering.find(
        ({ kind, metadata }) => kind === roleRef.kind && metadata.name === roleRef.name,
      )
      assert.ok(role, `want=${roleRef.kind} ${roleRef.name}`)
      return role
    })
}
