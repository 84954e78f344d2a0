import assert from 'node:assert/strict'
import type { Right } from '../../src/kubernetes/access-review.ts'
import type { PlainClient } from './plain-client.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'

/** These rights and no others, to a user: one role for the cluster, and one for each namespace that a right names. */
export async function grantRights(
  admin: PlainClient,
  user: string,
  rights: readonly Right[],
): Promise<void> {
  const create = async (path: string, body: object): Promise<void> => {
    const answer = await admin({ method: 'POST', path, body })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
  }
  for (const [namespace, own] of Map.groupBy(rights, (each) => each.namespace)) {
    const kind = namespace === undefined ? 'ClusterRole' : 'Role'
    const path = namespace === undefined ? rbac : `${rbac}/namespaces/${namespace}`
    const rules = own.map(({ group, resource, subresource, verb, name }) => ({
      apiGroups: [group],
      resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
      verbs: [verb],
      ...(name === undefined ? {} : { resourceNames: [name] }),
    }))
    await create(`${path}/${kind.toLowerCase()}s`, { metadata: { name: user }, rules })
    await create(`${path}/${kind.toLowerCase()}bindings`, {
      metadata: { name: user },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: user },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    })
  }
}
