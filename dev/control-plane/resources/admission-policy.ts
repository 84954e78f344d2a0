import { CelError, compileCelOver } from '../cel.ts'
import { invalid, notSupported, required, type FieldError } from '../field-error.ts'
import { listAt, objectAt, objectsAt, textAt, textsAt } from '../json-object.ts'
import type { KubeObject } from '../kube-object.ts'
import type { ResourceType } from '../resource-type.ts'

/** What the expressions of a policy may speak of here. */
export const policyVariables: readonly string[] = ['object', 'oldObject', 'request']

/** Every expression of a member, with the field that it stands in. */
function expressionsAt(
  policy: KubeObject,
  member: string,
): readonly { readonly field: string; readonly expression: string }[] {
  return objectsAt(policy.spec, member).map((entry, index) => ({
    field: `spec.${member}[${index}].expression`,
    expression: textAt(entry, 'expression'),
  }))
}

function validatePolicy(policy: KubeObject): readonly FieldError[] {
  const { spec } = policy
  const rules = objectsAt(objectAt(spec, 'matchConstraints'), 'resourceRules')
  const failurePolicy = textAt(spec, 'failurePolicy')
  return [
    ...(rules.length === 0 ? [required('spec.matchConstraints.resourceRules')] : []),
    ...(listAt(spec, 'validations').length === 0
      ? [required('spec.validations', 'validations or auditAnnotations must contain an item')]
      : []),
    ...(['Fail', 'Ignore'].includes(failurePolicy)
      ? []
      : [notSupported('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore'])]),
    ...['validations', 'matchConditions'].flatMap((member) =>
      expressionsAt(policy, member).flatMap(({ field, expression }) =>
        uncompilable(field, expression),
      ),
    ),
  ]
}

function uncompilable(field: string, expression: string): readonly FieldError[] {
  try {
    compileCelOver(expression, policyVariables)
    return []
  } catch (error) {
    if (!(error instanceof CelError)) throw error
    return [invalid(field, expression, `compilation failed: ${error.message}`)]
  }
}

/** As the API server fills it in. */
function withDefaults(policy: KubeObject): KubeObject {
  return { ...policy, spec: { failurePolicy: 'Fail', ...policy.spec } }
}

const shared = { group: 'admissionregistration.k8s.io', versions: ['v1'], namespaced: false }

export const admissionPolicies: ResourceType = {
  ...shared,
  plural: 'validatingadmissionpolicies',
  singular: 'validatingadmissionpolicy',
  kind: 'ValidatingAdmissionPolicy',
  hasStatus: true,
  countsGenerations: true,
  prepareForCreate: withDefaults,
  prepareForUpdate: withDefaults,
  validateCreate: validatePolicy,
  validateUpdate: validatePolicy,
}

const actions = ['Audit', 'Deny', 'Warn']

function validateBinding(binding: KubeObject): readonly FieldError[] {
  const { spec } = binding
  const chosen = textsAt(spec, 'validationActions')
  const field = 'spec.validationActions'
  return [
    ...(textAt(spec, 'policyName') === '' ? [required('spec.policyName')] : []),
    ...(chosen.length === 0 ? [required(field, 'at least one validation action is required')] : []),
    ...chosen.flatMap((action, index) =>
      actions.includes(action) ? [] : [notSupported(`${field}[${index}]`, action, actions)],
    ),
    ...(chosen.includes('Deny') && chosen.includes('Warn')
      ? [invalid(field, chosen, 'must not contain both Deny and Warn (repeating the same error)')]
      : []),
  ]
}

export const admissionPolicyBindings: ResourceType = {
  ...shared,
  plural: 'validatingadmissionpolicybindings',
  singular: 'validatingadmissionpolicybinding',
  kind: 'ValidatingAdmissionPolicyBinding',
  validateCreate: validateBinding,
  validateUpdate: validateBinding,
}
