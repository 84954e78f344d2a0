import type { AccessFact, Binding, Fact, Role, Rule } from '../facts.ts'
import { listAt, textAt, textsAt } from '../lenient.ts'
import { learnList, type Asker } from './learn.ts'

const root = '/apis/rbac.authorization.k8s.io/v1'
const rulesMax = 1000
const subjectsMax = 1000

/** Every role and every binding: who may do what. Without one of the four nothing can be said of anybody. */
export async function learnAccess(asker: Asker): Promise<Fact<AccessFact>> {
  const list = <T>(plural: string, read: (raw: unknown) => T): Promise<Fact<readonly T[]>> =>
    learnList(
      asker,
      { path: `${root}/${plural}`, right: `list ${plural}.rbac.authorization.k8s.io` },
      read,
    )
  const [clusterRoles, roles, clusterBindings, bindings] = await Promise.all([
    list('clusterroles', (raw) => readRole(raw, 'ClusterRole')),
    list('roles', (raw) => readRole(raw, 'Role')),
    list('clusterrolebindings', (raw) => readBinding(raw, 'ClusterRoleBinding')),
    list('rolebindings', (raw) => readBinding(raw, 'RoleBinding')),
  ])
  if (!clusterRoles.known) return clusterRoles
  if (!roles.known) return roles
  if (!clusterBindings.known) return clusterBindings
  if (!bindings.known) return bindings
  const partial = [clusterRoles, roles, clusterBindings, bindings]
    .flatMap((fact) => fact.partial ?? [])
    .join('; ')
  return {
    known: true,
    value: {
      roles: [...clusterRoles.value, ...roles.value],
      bindings: [...clusterBindings.value, ...bindings.value],
    },
    ...(partial === '' ? {} : { partial }),
  }
}

function readRole(raw: unknown, kind: Role['kind']): Role {
  return {
    kind,
    namespace: textAt(raw, 'metadata', 'namespace'),
    name: textAt(raw, 'metadata', 'name'),
    rules: listAt(raw, 'rules').slice(0, rulesMax).map(readRule),
  }
}

function readRule(raw: unknown): Rule {
  return {
    verbs: textsAt(raw, 'verbs'),
    groups: textsAt(raw, 'apiGroups'),
    resources: textsAt(raw, 'resources'),
    names: textsAt(raw, 'resourceNames'),
  }
}

function readBinding(raw: unknown, kind: Binding['kind']): Binding {
  return {
    kind,
    namespace: textAt(raw, 'metadata', 'namespace'),
    name: textAt(raw, 'metadata', 'name'),
    role: { kind: textAt(raw, 'roleRef', 'kind'), name: textAt(raw, 'roleRef', 'name') },
    subjects: listAt(raw, 'subjects')
      .slice(0, subjectsMax)
      .map((subject) => ({
        kind: textAt(subject, 'kind'),
        namespace: textAt(subject, 'namespace'),
        name: textAt(subject, 'name'),
      })),
  }
}
