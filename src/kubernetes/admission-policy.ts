import { readFields, readList, readOptionalFields } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A ValidatingAdmissionPolicy or a binding of one: what it says is for its reader to judge. */
export interface AdmissionObject extends KubernetesObject {
  /** As it came. */
  readonly spec: Readonly<Record<string, unknown>>
  /** Of what the API server could not make sense. */
  readonly typeWarnings: number
}

function parseAdmissionObject(raw: unknown): AdmissionObject {
  const fields = readFields(raw, 'object')
  const status = readOptionalFields(fields['status'], 'status')
  const checked = readOptionalFields(status['typeChecking'], 'status.typeChecking')
  return {
    metadata: readMetadata(raw),
    spec: readFields(fields['spec'], 'spec'),
    typeWarnings: readList(checked['expressionWarnings'], 'status.typeChecking.expressionWarnings')
      .length,
  }
}

const shared = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  namespaced: false,
  parse: parseAdmissionObject,
} as const

export const admissionPolicies: Resource<AdmissionObject> = {
  ...shared,
  plural: 'validatingadmissionpolicies',
  kind: 'ValidatingAdmissionPolicy',
}

export const admissionPolicyBindings: Resource<AdmissionObject> = {
  ...shared,
  plural: 'validatingadmissionpolicybindings',
  kind: 'ValidatingAdmissionPolicyBinding',
}
