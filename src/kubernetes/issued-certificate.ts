import {
  readFields,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readTextList,
  readTextMap,
} from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** `charts/countersign/files/crds/issuedcertificates.yaml` */
export interface IssuedCertificate extends KubernetesObject {
  readonly generation: number
  readonly spec: {
    /** The one name that the certificate is to have: a SPIFFE ID. */
    readonly hosts: readonly string[]
    /** The tenant. */
    readonly org: string | undefined
    /** What else is asked for, under the names that a pod has for it. */
    readonly annotations: Readonly<Record<string, string>>
  }
}

function parseIssuedCertificate(raw: unknown): IssuedCertificate {
  const fields = readFields(raw, 'issuedcertificate')
  const spec = readFields(fields['spec'], 'spec')
  const { generation } = readOptionalFields(fields['metadata'], 'metadata')
  return {
    metadata: readMetadata(raw),
    generation: readOptionalInteger(generation, 'metadata.generation') ?? 0,
    spec: {
      hosts: readTextList(spec['hosts'], 'spec.hosts'),
      org: readOptionalText(spec['org'], 'spec.org'),
      annotations: readTextMap(spec['annotations'], 'spec.annotations'),
    },
  }
}

export const issuedCertificates: Resource<IssuedCertificate> = {
  group: 'countersign.dev',
  version: 'v1alpha1',
  plural: 'issuedcertificates',
  kind: 'IssuedCertificate',
  namespaced: true,
  missing:
    'helm upgrade the chart, or kubectl apply -f charts/countersign/files/crds/issuedcertificates.yaml',
  parse: parseIssuedCertificate,
}
