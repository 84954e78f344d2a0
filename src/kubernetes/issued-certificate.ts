import { CountersignError } from '../errors.ts'
import {
  readFields,
  readList,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readText,
  readTextList,
  readTextMap,
  type Fields,
} from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** Pods of the namespace that have all of these labels. */
export interface PodSelector {
  readonly labels: Readonly<Record<string, string>>
}

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
    /** What is restarted after an issuance, in this order: it reads the Secret when it starts, and no more. */
    readonly podsToBounce: readonly PodSelector[]
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
  /** Of those that are restarted after an issuance. */
  readonly podsLeft?: number
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
      podsToBounce: readList(spec['podsToBounce'], 'spec.podsToBounce').map(readPodSelector),
    },
    status: readStatus(readOptionalFields(fields['status'], 'status')),
  }
}

/** One without labels would be all of them. */
function readPodSelector(entry: unknown, index: number): PodSelector {
  const at = `spec.podsToBounce[${index}]`
  const labels = readTextMap(readFields(entry, at)['labels'], `${at}.labels`)
  if (Object.keys(labels).length > 0) return { labels }
  throw new CountersignError('kubernetes/object', `${at}.labels: want=labels got=none`)
}

function readStatus(status: Fields): IssuedCertificateStatus {
  const generation = readOptionalInteger(status['observedGeneration'], 'status.observedGeneration')
  const podsLeft = readOptionalInteger(status['podsLeft'], 'status.podsLeft')
  const texts = ['state', 'error', 'request', 'notAfter', 'renewAt'].flatMap((name) => {
    const text = readOptionalText(status[name], `status.${name}`)
    return text === undefined ? [] : [[name, text]]
  })
  return {
    ...Object.fromEntries(texts),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(podsLeft === undefined ? {} : { podsLeft }),
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
