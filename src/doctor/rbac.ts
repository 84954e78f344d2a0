import type { AccessFact, Binding, Rule } from './facts.ts'

/** Somebody whom a binding gives something. */
export interface Holder {
  readonly kind: string
  /** With its namespace, for a ServiceAccount. */
  readonly name: string
  /** The binding and the role. */
  readonly via: string
  /** Where it holds; empty for the whole cluster. */
  readonly namespace: string
  /** Given everything there is, as an administrator is: this one thing is not worth a word. */
  readonly isAdministrator: boolean
}

/** Everybody whom the bindings give a rule of that kind. Rights only ever add up (RBAC has no refusals). */
export function holdersOf(access: AccessFact, gives: (rule: Rule) => boolean): readonly Holder[] {
  const rules = new Map(
    access.roles.map((role) => [keyOf(role.kind, role.namespace, role.name), role.rules]),
  )
  return access.bindings.flatMap((binding) => {
    const given = rulesOf(binding, rules)
    if (!given.some(gives)) return []
    const isAdministrator = binding.namespace === '' && given.some(isEverything)
    const via = `${binding.kind} ${inNamespace(binding)} to ${binding.role.kind} ${binding.role.name}`
    return binding.subjects.map(({ kind, name, namespace }) => ({
      kind,
      name: kind === 'ServiceAccount' ? `${namespace || binding.namespace}/${name}` : name,
      via,
      namespace: binding.namespace,
      isAdministrator,
    }))
  })
}

/** What a service account is given by its own name or by that of its namespace's group, with where it holds. */
export function rulesGivenTo(
  access: AccessFact,
  account: { readonly namespace: string; readonly name: string },
): readonly { readonly rule: Rule; readonly namespace: string; readonly via: string }[] {
  const rules = new Map(
    access.roles.map((role) => [keyOf(role.kind, role.namespace, role.name), role.rules]),
  )
  const isIts = ({ kind, namespace, name }: Binding['subjects'][number]): boolean =>
    kind === 'ServiceAccount'
      ? namespace === account.namespace && name === account.name
      : kind === 'Group' && name === `system:serviceaccounts:${account.namespace}`
  return access.bindings
    .filter((binding) => binding.subjects.some(isIts))
    .flatMap((binding) =>
      rulesOf(binding, rules).map((rule) => ({
        rule,
        namespace: binding.namespace,
        via: `${binding.role.kind} ${binding.role.name}`,
      })),
    )
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind}/${kind === 'Role' ? namespace : ''}/${name}`
}

function rulesOf(
  { role, namespace }: Binding,
  rules: ReadonlyMap<string, readonly Rule[]>,
): readonly Rule[] {
  return rules.get(keyOf(role.kind, namespace, role.name)) ?? []
}

function inNamespace({ namespace, name }: Binding): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

/** As a rule reads its lists: by name, or everything. */
export function holds(values: readonly string[], value: string): boolean {
  return values.includes('*') || values.includes(value)
}

function isEverything({ verbs, groups, resources, names }: Rule): boolean {
  return [verbs, groups, resources].every((values) => values.includes('*')) && names.length === 0
}

/** Groups that are as good as everybody. */
export function isEverybody({ kind, name }: Holder): boolean {
  return (
    kind === 'Group' &&
    (['system:authenticated', 'system:unauthenticated', 'system:anonymous'].includes(name) ||
      name === 'system:serviceaccounts')
  )
}

export function isNode({ kind, name }: Holder): boolean {
  return kind === 'Group' ? name === 'system:nodes' : name.startsWith('system:node:')
}

/** The group that the API server lets do anything, whatever roles say. */
export function isMaster({ kind, name }: Holder): boolean {
  return kind === 'Group' && name === 'system:masters'
}
