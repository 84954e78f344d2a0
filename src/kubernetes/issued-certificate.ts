import {
  readFields,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readText,
  readTextList,
  readTextMap,
  type Fields,
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
    /** Name of the Secret in its namespace. */
    readonly issuedCertificateSecret: string
  }
  readonly status: IssuedCertificateStatus
}

/** What was told of it, by whomever. */
export interface IssuedCertificateStatus {
  readonly observedGeneration?: number
  /** `Pending`, `Requested`, `Issued`, `Finished` or `Failed`. */
  readonly state?: string
  readonly error?: string
  /** Name of the CertificateSigningRequest that is waited for. */
  readonly request?: string
  /** RFC 3339, both. */
  readonly notAfter?: string
  readonly renewAt?: string
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
      issuedCertificateSecret: readText(
        spec['issuedCertificateSecret'],
        'spec.issuedCertificateSecret',
      ),
    },
    status: readStatus(readOptionalFields(fields['status'], 'status')),
  }
}

function readStatus(status: Fields): IssuedCertificateStatus {
  const generation = readOptionalInteger(status['observedGeneration'], 'status.observedGeneration')
  const texts = ['state', 'error', 'request', 'notAfter', 'renewAt'].flatMap((name) => {
    const text = readOptionalText(status[name], `status.${name}`)
    return text === undefined ? [] : [[name, text]]
  })
  return {
    ...Object.fromEntries(texts),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
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
