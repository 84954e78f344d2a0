import type { ApiClient } from './api-client.ts'
import {
  readFields,
  readList,
  readOptionalBytes,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readOptionalTime,
  readText,
  readTextMap,
} from './read-field.ts'
import { mergeObject } from './objects.ts'
import { readMetadata, type KubernetesObject, type Metadata, type Resource } from './resource.ts'

export type PodCertificateVersion = 'v1' | 'v1beta1'

/** `csr`: DER of a PKCS #10 request, from kubelet 1.36. `proof`: SubjectPublicKeyInfo and proof, from kubelet 1.35. */
export type RequestedKey =
  | { readonly kind: 'csr'; readonly der: Buffer }
  | { readonly kind: 'proof'; readonly spki: Buffer; readonly proof: Buffer }

export interface Condition {
  /** `Issued`, `Denied` or `Failed`. */
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: Date | undefined
}

/** One shape for v1 and v1beta1. */
export interface PodCertificateRequest extends KubernetesObject {
  readonly spec: {
    readonly signerName: string
    readonly podName: string
    readonly podUid: string
    readonly serviceAccountName: string
    readonly serviceAccountUid: string
    readonly nodeName: string
    readonly nodeUid: string
    readonly maxExpirationSeconds: number
    /** Undefined where a v1 reader sees a request that a 1.35 kubelet wrote in v1beta1: conversion drops its key. */
    readonly key: RequestedKey | undefined
    readonly unverifiedUserAnnotations: Readonly<Record<string, string>>
  }
  readonly status: {
    readonly conditions: readonly Condition[]
    /** PEM, leaf first; empty until issued. */
    readonly certificateChain: string
    readonly notBefore: Date | undefined
    readonly beginRefreshAt: Date | undefined
    readonly notAfter: Date | undefined
  }
}

/** certificates.k8s.io validation: the request, the key and the proof may have 10 KiB each. */
const keyBytesMax = 10 * 1024
/** What the API server stores when the field is left out. */
const maxExpirationSecondsDefault = 86_400

function readKey(spec: Readonly<Record<string, unknown>>): RequestedKey | undefined {
  const bytes = (name: string): Buffer | undefined =>
    readOptionalBytes(spec[name], `spec.${name}`, keyBytesMax)
  const der = bytes('stubPKCS10Request')
  if (der !== undefined) return { kind: 'csr', der }
  const spki = bytes('pkixPublicKey')
  const proof = bytes('proofOfPossession')
  if (spki === undefined || proof === undefined) return undefined
  return { kind: 'proof', spki, proof }
}

function readCondition(raw: unknown, path: string): Condition {
  const fields = readFields(raw, path)
  return {
    type: readText(fields['type'], `${path}.type`),
    status: readText(fields['status'], `${path}.status`),
    reason: readOptionalText(fields['reason'], `${path}.reason`) ?? '',
    message: readOptionalText(fields['message'], `${path}.message`) ?? '',
    lastTransitionTime: readOptionalTime(
      fields['lastTransitionTime'],
      `${path}.lastTransitionTime`,
    ),
  }
}

function readStatus(raw: unknown): PodCertificateRequest['status'] {
  const status = readOptionalFields(raw, 'status')
  const time = (name: string): Date | undefined => readOptionalTime(status[name], `status.${name}`)
  return {
    conditions: readList(status['conditions'], 'status.conditions').map((entry, index) =>
      readCondition(entry, `status.conditions[${index}]`),
    ),
    certificateChain: readOptionalText(status['certificateChain'], 'status.certificateChain') ?? '',
    notBefore: time('notBefore'),
    beginRefreshAt: time('beginRefreshAt'),
    notAfter: time('notAfter'),
  }
}

function parsePodCertificateRequest(raw: unknown): PodCertificateRequest {
  const fields = readFields(raw, 'podcertificaterequest')
  const spec = readFields(fields['spec'], 'spec')
  const text = (name: string): string => readText(spec[name], `spec.${name}`)
  return {
    metadata: readMetadata(raw),
    spec: {
      signerName: text('signerName'),
      podName: text('podName'),
      podUid: text('podUID'),
      serviceAccountName: text('serviceAccountName'),
      serviceAccountUid: text('serviceAccountUID'),
      nodeName: text('nodeName'),
      nodeUid: text('nodeUID'),
      maxExpirationSeconds:
        readOptionalInteger(spec['maxExpirationSeconds'], 'spec.maxExpirationSeconds') ??
        maxExpirationSecondsDefault,
      key: readKey(spec),
      unverifiedUserAnnotations: readTextMap(
        spec['unverifiedUserAnnotations'],
        'spec.unverifiedUserAnnotations',
      ),
    },
    status: readStatus(fields['status']),
  }
}

export function podCertificateRequests(
  version: PodCertificateVersion,
): Resource<PodCertificateRequest> {
  return {
    group: 'certificates.k8s.io',
    version,
    plural: 'podcertificaterequests',
    kind: 'PodCertificateRequest',
    namespaced: true,
    parse: parsePodCertificateRequest,
  }
}

/** The status as it goes over the wire; times are RFC 3339 with whole seconds. */
export interface PodCertificateStatusPatch {
  readonly conditions: readonly {
    readonly type: 'Issued' | 'Denied'
    readonly status: 'True'
    readonly reason: string
    readonly message: string
    readonly lastTransitionTime: string
  }[]
  readonly certificateChain?: string
  readonly notBefore?: string
  readonly beginRefreshAt?: string
  readonly notAfter?: string
}

/**
 * Writes the status of the very object that was read: a merge patch that carries uid and resourceVersion, so that
 * a re-created namesake is refused with 422 and a concurrent change with 409. Throws `ApiError`.
 */
export async function patchPodCertificateStatus(
  client: ApiClient,
  options: {
    readonly version: PodCertificateVersion
    readonly metadata: Pick<Metadata, 'name' | 'namespace' | 'uid' | 'resourceVersion'>
    readonly status: PodCertificateStatusPatch
    readonly dryRun?: boolean
    readonly signal?: AbortSignal
  },
): Promise<PodCertificateRequest> {
  return mergeObject(client, podCertificateRequests(options.version), {
    metadata: options.metadata,
    subresource: 'status',
    patch: { status: options.status },
    ...(options.dryRun === true ? { query: { dryRun: 'All' } } : {}),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
}
