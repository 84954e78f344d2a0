import type { ApiClient } from './api-client.ts'
import { createObject, mergeObject } from './objects.ts'
import {
  readFields,
  readList,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readText,
  readTextList,
  type Fields,
} from './read-field.ts'
import { readMetadata, type KubernetesObject, type Metadata, type Resource } from './resource.ts'

/** certificates.k8s.io/v1. What `spec` says of the requester the API server has written itself, over whatever was sent. */
export interface CertificateSigningRequest extends KubernetesObject {
  readonly spec: {
    readonly signerName: string
    /** Base64 of a PEM block `CERTIFICATE REQUEST`; empty where it is longer than any that is answered. */
    readonly request: string
    readonly usages: readonly string[]
    readonly expirationSeconds: number | undefined
    readonly username: string
    readonly uid: string
    readonly groups: readonly string[]
    readonly extra: Readonly<Record<string, readonly string[]>>
  }
  readonly status: {
    /** As they stand there: a write of one has to carry the others. */
    readonly conditions: readonly Fields[]
    /** PEM, leaf first; empty until issued. */
    readonly certificate: string
  }
}

/** The API server has no bound of its own. A request of the largest key is a fifth of this. */
const requestCharactersMax = 16 * 1024

function readExtra(value: unknown): CertificateSigningRequest['spec']['extra'] {
  const fields = readOptionalFields(value, 'spec.extra')
  return Object.fromEntries(
    Object.entries(fields).map(([name, list]) => [name, readTextList(list, `spec.extra.${name}`)]),
  )
}

function parseCertificateSigningRequest(raw: unknown): CertificateSigningRequest {
  const fields = readFields(raw, 'certificatesigningrequest')
  const spec = readFields(fields['spec'], 'spec')
  const status = readOptionalFields(fields['status'], 'status')
  const request = readText(spec['request'], 'spec.request')
  const certificate = readOptionalText(status['certificate'], 'status.certificate') ?? ''
  return {
    metadata: readMetadata(raw),
    spec: {
      signerName: readText(spec['signerName'], 'spec.signerName'),
      request: request.length > requestCharactersMax ? '' : request,
      usages: readTextList(spec['usages'], 'spec.usages'),
      expirationSeconds: readOptionalInteger(spec['expirationSeconds'], 'spec.expirationSeconds'),
      username: readOptionalText(spec['username'], 'spec.username') ?? '',
      uid: readOptionalText(spec['uid'], 'spec.uid') ?? '',
      groups: readTextList(spec['groups'], 'spec.groups'),
      extra: readExtra(spec['extra']),
    },
    status: {
      conditions: readList(status['conditions'], 'status.conditions').map((entry, index) =>
        readFields(entry, `status.conditions[${index}]`),
      ),
      certificate: Buffer.from(certificate, 'base64').toString('utf8'),
    },
  }
}

export const certificateSigningRequests: Resource<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  version: 'v1',
  plural: 'certificatesigningrequests',
  kind: 'CertificateSigningRequest',
  namespaced: false,
  parse: parseCertificateSigningRequest,
}

/** The condition that ends a request; one that has its certificate is at its end whatever it says. */
export function endOf({
  conditions,
  certificate,
}: CertificateSigningRequest['status']): Fields | undefined {
  const ends = ['Approved', 'Denied', 'Failed']
  const found = conditions.find(({ type }) => ends.includes(String(type)))
  return found ?? (certificate === '' ? undefined : { type: 'signed' })
}

/** As records name it. */
export function asRecorded({ metadata, spec }: CertificateSigningRequest): {
  readonly uid: string
  readonly namespace: ''
  readonly name: string
  readonly signerName: string
  readonly kind: 'CertificateSigningRequest'
} {
  const { uid, name } = metadata
  const { signerName } = spec
  return { uid, namespace: '', name, signerName, kind: 'CertificateSigningRequest' }
}

/** Makes a request under a name that its maker has chosen: one that was sent before is an `ApiError` 409. */
export function createCertificateSigningRequest(
  client: ApiClient,
  options: {
    readonly name: string
    readonly annotations: Readonly<Record<string, string>>
    /** `request` is base64 of PEM. */
    readonly spec: Pick<CertificateSigningRequest['spec'], 'signerName' | 'request' | 'usages'> & {
      readonly expirationSeconds?: number
    }
    readonly signal: AbortSignal
  },
): Promise<CertificateSigningRequest> {
  const { name, annotations, spec, signal } = options
  const body = { metadata: { name, annotations }, spec }
  return createObject(client, certificateSigningRequests, { body, signal })
}

type Target = Pick<Metadata, 'name' | 'uid' | 'resourceVersion'>

/**
 * Adds `Approved` or `Denied` to the very object that was read. Neither can be taken back, and each forbids the other (422).
 * Throws `ApiError`: 403 without the right to `approve` for the signer.
 */
export async function judgeCertificateSigningRequest(
  client: ApiClient,
  options: {
    readonly metadata: Target
    readonly conditions: readonly Fields[]
    readonly condition: {
      readonly type: 'Approved' | 'Denied'
      readonly reason: string
      readonly message: string
      /** RFC 3339 with whole seconds. */
      readonly time: string
    }
    readonly signal: AbortSignal
  },
): Promise<CertificateSigningRequest> {
  const { metadata, conditions, condition, signal } = options
  const { type, reason, message, time } = condition
  const added = { type, status: 'True', reason, message, lastUpdateTime: time }
  return mergeObject(client, certificateSigningRequests, {
    metadata: { ...metadata, namespace: undefined },
    subresource: 'approval',
    patch: { status: { conditions: [...conditions, { ...added, lastTransitionTime: time }] } },
    signal,
  })
}

/**
 * Writes the certificate, which cannot be replaced then. The API server asks neither for an approval nor for the key of the request:
 * whoever calls this has. Throws `ApiError`: 403 without the right to `sign` for the signer.
 */
export async function answerCertificateSigningRequest(
  client: ApiClient,
  options: {
    readonly metadata: Target
    /** PEM, leaf first. */
    readonly certificateChain: string
    readonly signal: AbortSignal
  },
): Promise<CertificateSigningRequest> {
  const { metadata, certificateChain, signal } = options
  const certificate = Buffer.from(certificateChain, 'utf8').toString('base64')
  return mergeObject(client, certificateSigningRequests, {
    metadata: { ...metadata, namespace: undefined },
    subresource: 'status',
    patch: { status: { certificate } },
    signal,
  })
}
