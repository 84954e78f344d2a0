import type { Attributes } from './attributes.ts'
import { objectAt, objectsAt, textAt, textsAt, type JsonObject } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from './resources/rbac.ts'
import type { User } from './user.ts'

/** What a rule is asked about: a resource, or a path outside the API. */
export type Question =
  | { readonly kind: 'resource'; readonly attributes: Attributes }
  | { readonly kind: 'path'; readonly user: User; readonly verb: string; readonly path: string }

/** Role-based access as the stored roles and bindings give it; rights only ever add up. */
export function createRbac(store: ObjectStore): (question: Question) => boolean {
  const rulesOf = (binding: KubeObject): readonly JsonObject[] => {
    const reference = objectAt(binding, 'roleRef')
    const name = textAt(reference, 'name')
    const role =
      reference['kind'] === 'ClusterRole'
        ? store.get(clusterRoles, undefined, name)
        : store.get(roles, binding.metadata.namespace, name)
    return objectsAt(role, 'rules')
  }
  const allows = (bindings: readonly KubeObject[], user: User, question: Question): boolean =>
    bindings
      .filter((binding) => appliesTo(binding, user))
      .some((binding) => rulesOf(binding).some((rule) => ruleAllows(rule, question)))

  return (question) => {
    const user = question.kind === 'path' ? question.user : question.attributes.user
    if (allows(store.list(clusterRoleBindings), user, question)) return true
    if (question.kind === 'path' || question.attributes.namespace === '') return false
    return allows(store.list(roleBindings, question.attributes.namespace), user, question)
  }
}

function appliesTo(binding: KubeObject, user: User): boolean {
  return objectsAt(binding, 'subjects').some((subject) => {
    const name = textAt(subject, 'name')
    switch (subject['kind']) {
      case 'User':
        return name === user.name
      case 'Group':
        return user.groups.includes(name)
      case 'ServiceAccount': {
        const namespace = textAt(subject, 'namespace') || (binding.metadata.namespace ?? '')
        return namespace !== '' && user.name === `system:serviceaccount:${namespace}:${name}`
      }
      default:
        return false
    }
  })
}

function ruleAllows(rule: JsonObject, question: Question): boolean {
  const has = (member: string, value: string): boolean => {
    const values = textsAt(rule, member)
    return values.includes('*') || values.includes(value)
  }
  if (question.kind === 'path') {
    return (
      has('verbs', question.verb) &&
      textsAt(rule, 'nonResourceURLs').some((pattern) => matchesPath(pattern, question.path))
    )
  }
  const { verb, group, resource, subresource, name } = question.attributes
  const names = textsAt(rule, 'resourceNames')
  return (
    has('verbs', verb) &&
    has('apiGroups', group) &&
    textsAt(rule, 'resources').some((entry) => matchesResource(entry, resource, subresource)) &&
    // A rule with names never allows what has none yet: create, and a list of everything.
    (names.length === 0 || names.includes(name))
  )
}

function matchesResource(
  entry: string,
  resource: string,
  subresource: string | undefined,
): boolean {
  if (entry === '*') return true
  if (subresource === undefined || subresource === '') return entry === resource
  return entry === `${resource}/${subresource}` || entry === `*/${subresource}`
}

function matchesPath(pattern: string, path: string): boolean {
  if (!pattern.endsWith('*')) return pattern === path
  return path.startsWith(pattern.slice(0, -1))
}
