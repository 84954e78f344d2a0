import {
  readFields,
  readList,
  readOptionalFields,
  readOptionalText,
  readOptionalTime,
} from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A ValidatingAdmissionPolicy or a binding of one: what it says is for its reader to judge. */
export interface AdmissionObject extends KubernetesObject {
  /** As it came. */
  readonly spec: Readonly<Record<string, unknown>>
  /** Of what the API server could not make sense. */
  readonly typeWarnings: number
  /** When its spec or metadata were written last, in whole seconds; undefined where the API server does not keep it. */
  readonly writtenAt: Date | undefined
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
    writtenAt: writtenAt(readFields(fields['metadata'], 'metadata')['managedFields']),
  }
}

/** The newest entry of a writer (metav1.ManagedFieldsEntry); who writes the status changes nothing of what it says. */
function writtenAt(managedFields: unknown): Date | undefined {
  const times = readList(managedFields, 'metadata.managedFields').flatMap((entry, index) => {
    const path = `metadata.managedFields[${index}]`
    const fields = readFields(entry, path)
    if (readOptionalText(fields['subresource'], `${path}.subresource`)) return []
    const time = readOptionalTime(fields['time'], `${path}.time`)
    return time === undefined ? [] : [time.getTime()]
  })
  return times.length === 0 ? undefined : new Date(Math.max(...times))
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
