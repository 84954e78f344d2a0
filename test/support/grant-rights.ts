import assert from 'node:assert/strict'
import type { Right } from '../../src/kubernetes/access-review.ts'
import type { PlainClient } from './plain-client.ts'

const rbac = 'rbac.authorization.k8s.io'

interface RbacObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined }
}

/** These rights and no others, of a user: one role for the cluster, and one for each namespace that a right names. */
export function rightsObjects(user: string, rights: readonly Right[]): readonly RbacObject[] {
  const apiVersion = `${rbac}/v1`
  return [...Map.groupBy(rights, (each) => each.namespace)].flatMap(([namespace, own]) => {
    const kind = namespace === undefined ? 'ClusterRole' : 'Role'
    const metadata = { name: user, namespace }
    const rules = own.map(({ group, resource, subresource, verb, name }) => ({
      apiGroups: [group],
      resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
      verbs: [verb],
      ...(name === undefined ? {} : { resourceNames: [name] }),
    }))
    const roleRef = { apiGroup: rbac, kind, name: user }
    const subjects = [{ apiGroup: rbac, kind: 'User', name: user }]
    const binding = { apiVersion, kind: `${kind}Binding`, metadata, roleRef, subjects }
    return [{ apiVersion, kind, metadata, rules }, binding]
  })
}

export async function grantRights(
  admin: PlainClient,
  user: string,
  rights: readonly Right[],
): Promise<void> {
  for (const body of rightsObjects(user, rights)) {
    const { namespace } = body.metadata
    const within = namespace === undefined ? '' : `/namespaces/${namespace}`
    const path = `/apis/${body.apiVersion}${within}/${body.kind.toLowerCase()}s`
    const answer = await admin({ method: 'POST', path, body })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
  }
}
