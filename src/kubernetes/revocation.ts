import { readFields, type Fields } from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A Revocation as whoever passes it on reads it: what it means is another's to judge. */
export interface RevocationText extends KubernetesObject {
  readonly spec: Fields
}

export const revocationTexts: Resource<RevocationText> = {
  group: 'countersign.dev',
  version: 'v1alpha1',
  plural: 'revocations',
  kind: 'Revocation',
  namespaced: false,
  missing:
    'helm upgrade the chart, or kubectl apply -f charts/countersign/files/crds/revocations.yaml',
  parse(raw) {
    const fields = readFields(raw, 'revocation')
    return { metadata: readMetadata(raw), spec: readFields(fields['spec'], 'spec') }
  },
}
