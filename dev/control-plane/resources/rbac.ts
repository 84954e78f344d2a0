import { invalid, notSupported, required, type FieldError } from '../field-error.ts'
import {
  isJsonObject,
  listAt,
  objectAt,
  objectsAt,
  semanticallyEqual,
  textAt,
} from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import { checkPathSegment } from '../names.ts'
import type { ResourceType } from '../resource-type.ts'

export const rbacGroup = 'rbac.authorization.k8s.io'

function validateRole(role: KubeObject): readonly FieldError[] {
  return objectsAt(role, 'rules').flatMap((rule, index) => {
    const field = `rules[${index}]`
    const errors: FieldError[] = []
    if (listAt(rule, 'verbs').length === 0) {
      errors.push(required(`${field}.verbs`, 'verbs must contain at least one value'))
    }
    if (listAt(rule, 'nonResourceURLs').length > 0) return errors
    if (listAt(rule, 'apiGroups').length === 0) errors.push(required(`${field}.apiGroups`))
    if (listAt(rule, 'resources').length === 0) errors.push(required(`${field}.resources`))
    return errors
  })
}

function withGroups(binding: KubeObject): KubeObject {
  const subjects = listAt(binding, 'subjects').map((subject) =>
    isJsonObject(subject) && subject['kind'] !== 'ServiceAccount'
      ? { apiGroup: rbacGroup, ...subject }
      : subject,
  )
  return {
    ...binding,
    ...(subjects.length === 0 ? {} : { subjects }),
    roleRef: { apiGroup: rbacGroup, ...objectAt(binding, 'roleRef') },
  }
}

function validateBinding(binding: KubeObject, kinds: readonly string[]): readonly FieldError[] {
  const role = objectAt(binding, 'roleRef')
  const kind = textAt(role, 'kind')
  const errors: FieldError[] = []
  if (!kinds.includes(kind)) errors.push(notSupported('roleRef.kind', kind, kinds))
  if (textAt(role, 'name') === '') errors.push(required('roleRef.name'))
  for (const [index, subject] of objectsAt(binding, 'subjects').entries()) {
    const field = `subjects[${index}]`
    const subjectKind = textAt(subject, 'kind')
    if (textAt(subject, 'name') === '') errors.push(required(`${field}.name`))
    if (!['User', 'Group', 'ServiceAccount'].includes(subjectKind)) {
      errors.push(invalid(`${field}.kind`, subjectKind, 'want=User, Group or ServiceAccount'))
    }
    if (subjectKind === 'ServiceAccount' && textAt(subject, 'namespace') === '') {
      errors.push(required(`${field}.namespace`))
    }
  }
  return errors
}

const shared = {
  group: rbacGroup,
  versions: ['v1'],
  unconditionalUpdate: true,
  nameRule: () => checkPathSegment,
} as const

function roleType(kind: 'Role' | 'ClusterRole'): ResourceType {
  return {
    ...shared,
    plural: `${kind.toLowerCase()}s`,
    singular: kind.toLowerCase(),
    kind,
    namespaced: kind === 'Role',
    validateCreate: validateRole,
    validateUpdate: validateRole,
  }
}

function bindingType(kind: 'RoleBinding' | 'ClusterRoleBinding'): ResourceType {
  const roleKinds = kind === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole']
  return {
    ...shared,
    plural: `${kind.toLowerCase()}s`,
    singular: kind.toLowerCase(),
    kind,
    namespaced: kind === 'RoleBinding',
    prepareForCreate: withGroups,
    prepareForUpdate: withGroups,
    validateCreate: (binding) => validateBinding(binding, roleKinds),
    validateUpdate: (next, previous) => [
      ...validateBinding(next, roleKinds),
      ...(semanticallyEqual(next['roleRef'], previous['roleRef'])
        ? []
        : [invalid('roleRef', next['roleRef'], 'cannot change roleRef')]),
    ],
  }
}

export const roles: ResourceType = roleType('Role')
export const clusterRoles: ResourceType = roleType('ClusterRole')
export const roleBindings: ResourceType = bindingType('RoleBinding')
export const clusterRoleBindings: ResourceType = bindingType('ClusterRoleBinding')
