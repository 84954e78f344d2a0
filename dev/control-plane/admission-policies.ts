import { CelError, compileCelOver, type CelEnvironment } from './cel.ts'
import { invalid } from './field-error.ts'
import { objectAt, objectsAt, textAt, textsAt, type JsonObject } from './json-object.ts'
import type { KubeObject } from './kube-object.ts'
import type { ObjectStore } from './object-store.ts'
import {
  admissionPolicies,
  admissionPolicyBindings,
  policyVariables,
} from './resources/admission-policy.ts'
import { namespaces } from './resources/plain.ts'
import { forbiddenAccess, unprocessable } from './status.ts'
import type { Write } from './write.ts'

/**
 * Refuses a write that a bound ValidatingAdmissionPolicy denies. Audit and Warn change nothing for the writer here. Parameters, label
 * expressions and object selectors are not known: a binding with one of them binds everything, which errs towards refusing.
 */
export function enforcePolicies(write: Write, store: ObjectStore): void {
  for (const binding of store.list(admissionPolicyBindings)) {
    if (!textsAt(binding.spec, 'validationActions').includes('Deny')) continue
    const policy = store.get(admissionPolicies, undefined, textAt(binding.spec, 'policyName'))
    if (policy === undefined || !matchesBinding(write, binding, store)) continue
    const why = denial(write, policy)
    if (why === undefined) continue
    const bound = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`
    throw refuse(write, `${bound} denied request: ${why.message}`, why.reason)
  }
}

function refuse({ type, object }: Write, message: string, reason: string): Error {
  const { name } = object.metadata
  if (reason === 'Forbidden') {
    return forbiddenAccess({ group: type.group, resource: type.plural, name }, message)
  }
  return unprocessable({ group: type.group, kind: type.kind, name }, [invalid('', '', message)])
}

interface Denial {
  readonly message: string
  readonly reason: string
}

function denial(write: Write, policy: KubeObject): Denial | undefined {
  const rules = objectsAt(objectAt(policy.spec, 'matchConstraints'), 'resourceRules')
  if (!rules.some((rule) => matchesRule(write, rule))) return undefined
  const environment = environmentOf(write)
  const fails = textAt(policy.spec, 'failurePolicy') !== 'Ignore'
  const conditions = objectsAt(policy.spec, 'matchConditions')
  const holds = (entry: JsonObject): boolean | undefined =>
    evaluate(textAt(entry, 'expression'), environment)
  if (conditions.some((entry) => holds(entry) === false)) return undefined
  if (conditions.some((entry) => holds(entry) === undefined)) {
    return fails ? { message: 'a condition cannot be evaluated', reason: 'Forbidden' } : undefined
  }
  for (const entry of objectsAt(policy.spec, 'validations')) {
    const result = holds(entry)
    if (result === true || (result === undefined && !fails)) continue
    const expression = textAt(entry, 'expression')
    const message = textAt(entry, 'message') || `failed expression: ${expression.trim()}`
    return { message, reason: textAt(entry, 'reason') || 'Invalid' }
  }
  return undefined
}

/** Undefined: it cannot be judged on this write. */
function evaluate(expression: string, environment: CelEnvironment): boolean | undefined {
  try {
    return compileCelOver(expression, policyVariables)(environment) === true
  } catch (error) {
    if (error instanceof CelError) return undefined
    throw error
  }
}

function environmentOf({ operation, object, previous, user, subresource }: Write): CelEnvironment {
  const { namespace, name } = object.metadata
  return {
    object: operation === 'DELETE' ? null : object,
    oldObject: operation === 'DELETE' ? object : (previous ?? null),
    request: {
      operation,
      namespace: namespace ?? '',
      name,
      subResource: subresource,
      userInfo: { username: user.name, uid: user.uid ?? '', groups: user.groups },
    },
  }
}

function matchesRule({ operation, type, subresource }: Write, rule: JsonObject): boolean {
  const has = (member: string, value: string): boolean => {
    const values = textsAt(rule, member)
    return values.includes('*') || values.includes(value)
  }
  const resource = subresource === '' ? type.plural : `${type.plural}/${subresource}`
  return (
    has('operations', operation) &&
    has('apiGroups', type.group) &&
    (textsAt(rule, 'resources').includes('*/*') || has('resources', resource))
  )
}

function matchesBinding({ object, type }: Write, binding: KubeObject, store: ObjectStore): boolean {
  const selector = objectAt(objectAt(binding.spec, 'matchResources'), 'namespaceSelector')
  const wanted = Object.entries(objectAt(selector, 'matchLabels'))
  if (!type.namespaced || wanted.length === 0) return true
  const namespace = store.get(namespaces, undefined, object.metadata.namespace ?? '')
  const labels = namespace?.metadata.labels ?? {}
  return wanted.every(([key, value]) => labels[key] === value)
}
