import { readFields, type Fields } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A Revocation as whoever passes it on reads it: what it means is another's to judge. */
export interface RevocationText extends KubernetesObject {
  readonly spec: Fields
}

/** Where Revocations are: `charts/countersign/files/crds/revocations.yaml`. */
export const revocationKind = {
  group: 'countersign.dev',
  version: 'v1alpha1',
  plural: 'revocations',
  kind: 'Revocation',
  namespaced: false,
  missing:
    'customresourcedefinition revocations.countersign.dev is not there: helm upgrade the chart, or kubectl apply -f charts/countersign/files/crds/revocations.yaml',
} as const

export const revocationTexts: Resource<RevocationText> = {
  ...revocationKind,
  parse(raw) {
    const fields = readFields(raw, 'revocation')
    return { metadata: readMetadata(raw), spec: readFields(fields['spec'], 'spec') }
  },
}
