import { quoted } from '../../errors.ts'
import { parseModels, parseToolScopes } from '../../identity/ceiling.ts'
import { parseRole, roles as roleNames } from '../../identity/role.ts'
import { annotationKeys, grantLabelPrefixes } from '../../identity/governance-key.ts'
import { ok, plural, problem, unknown, warning, withPartial, type Check } from '../check.ts'
import type { Facts } from '../facts.ts'
import type { Labelled } from '../workload-facts.ts'

/** One namespace with its service accounts: whatever is granted is an intersection of the two. */
interface Tenancy {
  readonly namespace: Labelled
  readonly accounts: readonly Labelled[]
}

function tenancies({ namespaces, serviceAccounts }: Facts): readonly Tenancy[] {
  if (!namespaces.known || !serviceAccounts.known) return []
  const byNamespace = Map.groupBy(serviceAccounts.value, ({ namespace }) => namespace)
  return namespaces.value.map((namespace) => ({
    namespace,
    accounts: byNamespace.get(namespace.name) ?? [],
  }))
}

function allows({ labels }: Labelled, label: string): boolean {
  return Object.hasOwn(labels, label) && labels[label] === 'allow'
}

/** The names that a namespace allows by labels with this prefix. */
function allowedBy(namespace: Labelled, prefix: string): readonly string[] {
  return Object.keys(namespace.labels)
    .filter((key) => key.startsWith(prefix) && allows(namespace, key))
    .map((key) => key.slice(prefix.length))
}

export const roles: Check = {
  name: 'roles',
  judge: (facts) => {
    const { namespaces, serviceAccounts } = facts
    if (!namespaces.known) return unknown(namespaces)
    if (!serviceAccounts.known) return unknown(serviceAccounts)
    const found = tenancies(facts).map(lookAtRoles)
    const gaps = found.flatMap(({ gaps }) => gaps)
    const proved = found.reduce((sum, each) => sum + each.proved, 0)
    if (gaps.length > 0) {
      return warning(`${plural(gaps.length, 'role')} granted on one side only`, {
        evidence: gaps,
        hint: 'a role is proved by both: the label countersign.dev/role of the service account and the label roles.countersign.dev/<role>=allow of its namespace',
      })
    }
    const summary = `${plural(proved, 'service account')} with a role that its namespace allows`
    return withPartial(ok(summary), [namespaces, serviceAccounts])
  },
}

function lookAtRoles({ namespace, accounts }: Tenancy): {
  readonly gaps: readonly string[]
  readonly proved: number
} {
  const gaps: string[] = []
  const used = new Set<string>()
  let proved = 0
  for (const account of accounts) {
    const role = readOr(() => parseRole(account.labels[annotationKeys.role] ?? ''))
    if (role === undefined) continue
    used.add(role)
    const label = `${grantLabelPrefixes.roles}${role}`
    if (allows(namespace, label)) proved += 1
    else {
      const name = `${account.namespace}/${account.name}`
      gaps.push(
        `service account ${name} is ${role}, and namespace ${namespace.name} has no ${label}=allow`,
      )
    }
  }
  for (const role of allowedBy(namespace, grantLabelPrefixes.roles)) {
    if (used.has(role) || !roleNames.some((known) => known === role)) continue
    gaps.push(`namespace ${namespace.name} allows ${role}, and none of its service accounts is one`)
  }
  return { gaps, proved }
}

function readOr<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

export const ceilings: Check = {
  name: 'ceilings',
  judge: (facts) => {
    const { namespaces, serviceAccounts } = facts
    if (!namespaces.known) return unknown(namespaces)
    if (!serviceAccounts.known) return unknown(serviceAccounts)
    const found = tenancies(facts).flatMap(lookAtCeilings)
    const evidence = found.map(({ text }) => text)
    if (found.some(({ unreadable }) => unreadable)) {
      return problem('models or tool scopes that cannot be read prove nothing', {
        evidence,
        hint: 'models are slugs, tool scopes are <server>:<tool>, both separated by commas without spaces (docs/ISSUANCE.md)',
      })
    }
    if (found.length > 0) {
      return warning(
        `${plural(found.length, 'model or tool server', 'models or tool servers')} granted on one side only`,
        {
          evidence,
          hint: 'a ceiling is an intersection: the annotation of the service account and the label of its namespace have to name it both',
        },
      )
    }
    const summary = 'models and tool scopes are granted on both sides'
    return withPartial(ok(summary), [namespaces, serviceAccounts])
  },
}

interface Gap {
  readonly text: string
  readonly unreadable: boolean
}

const ceilingKinds = [
  {
    key: annotationKeys.models,
    prefix: grantLabelPrefixes.models,
    what: 'model',
    namesIn: (text: string): readonly string[] => parseModels(text),
  },
  {
    key: annotationKeys.toolScopes,
    prefix: grantLabelPrefixes.tools,
    what: 'tool server',
    namesIn: (text: string): readonly string[] => parseToolScopes(text).map(({ server }) => server),
  },
]

function lookAtCeilings({ namespace, accounts }: Tenancy): readonly Gap[] {
  return ceilingKinds.flatMap(({ key, prefix, what, namesIn }) => {
    const gaps: Gap[] = []
    const used = new Set<string>()
    for (const account of accounts) {
      const name = `service account ${account.namespace}/${account.name}`
      const text = account.annotations[key]
      if (text === undefined) continue
      const read = readNames(() => namesIn(text))
      if (typeof read === 'string') {
        gaps.push({ text: `${name}: ${key}: ${read}`, unreadable: true })
        continue
      }
      for (const each of new Set(read)) {
        used.add(each)
        if (allows(namespace, `${prefix}${each}`)) continue
        const lack = `namespace ${namespace.name} has no ${prefix}${each}=allow`
        gaps.push({ text: `${name} has ${what} ${quoted(each)}, and ${lack}`, unreadable: false })
      }
    }
    for (const each of allowedBy(namespace, prefix)) {
      if (used.has(each)) continue
      const lack = `none of its service accounts has it`
      gaps.push({
        text: `namespace ${namespace.name} allows ${what} ${quoted(each)}, and ${lack}`,
        unreadable: false,
      })
    }
    return gaps
  })
}

/** The names, or what is wrong with the text. */
function readNames(read: () => readonly string[]): readonly string[] | string {
  try {
    return read()
  } catch (error) {
    return error instanceof Error ? error.message : 'cannot be read'
  }
}
