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

/**
 * `csr`: DER of a PKCS #10 request, from kubelet 1.36. `proof`: SubjectPublicKeyInfo and proof, from kubelet 1.35. `pem`: a PKCS #10
 * request as a CertificateSigningRequest has it.
 */
export type RequestedKey =
  | { readonly kind: 'csr'; readonly der: Buffer }
  | { readonly kind: 'proof'; readonly spki: Buffer; readonly proof: Buffer }
  | { readonly kind: 'pem'; readonly pem: string }

/** Who made a CertificateSigningRequest, as the API server states it, and what else only such a request says. */
export interface StatedRequester {
  readonly username: string
  /** Whether it is a service account by a token of a pod on a node: then the request's references are what the API server says. */
  readonly isPod: boolean
  readonly usages: readonly string[]
  readonly isApproved: boolean
  /** Of its status, as they stand there. */
  readonly conditions: readonly Readonly<Record<string, unknown>>[]
  /** What the request is for where the pod that made it asks for others; `pod` and `node` are still who asks. */
  readonly issued?: IssuedReference
}

/** The IssuedCertificate that an agent asks for, in the namespace and for the service account of the request. */
export interface IssuedReference extends NamedReference {
  /** Whose pod asks. */
  readonly agent: AgentAccount
}

/** The service account that may ask for what IssuedCertificates declare. */
export interface AgentAccount {
  readonly namespace: string
  readonly serviceAccount: string
}

export interface Condition {
  /** `Issued`, `Denied` or `Failed`. */
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: Date | undefined
}

/** An object as the request names it, which proves nothing of it. */
export interface NamedReference {
  readonly name: string
  readonly uid: string
}

/** How a request ended: once it says so the API server lets nobody change its status. */
export interface TerminalStatus {
  /** `Issued`, `Denied` or `Failed`. */
  readonly condition: string
  /** PEM, leaf first; empty unless issued. */
  readonly certificateChain: string
}

/** One shape for v1, v1beta1 and a pod's CertificateSigningRequest, from the watch to the status. */
export interface PodCertificateRequest extends KubernetesObject {
  /** The namespace of its pod, or of its IssuedCertificate. */
  readonly metadata: Metadata & { readonly namespace: string }
  /** Of a CertificateSigningRequest; undefined of what is to come from a kubelet. */
  readonly stated?: StatedRequester
  readonly spec: {
    readonly signerName: string
    readonly pod: NamedReference
    readonly serviceAccount: NamedReference
    readonly node: NamedReference
    readonly maxExpirationSeconds: number
    /** Undefined where a v1 reader sees a request that a 1.35 kubelet wrote in v1beta1: conversion drops its key. */
    readonly key: RequestedKey | undefined
    readonly unverifiedUserAnnotations: Readonly<Record<string, string>>
  }
  readonly status: {
    readonly conditions: readonly Condition[]
    readonly terminal: TerminalStatus | undefined
    /** PEM, leaf first; empty until issued. */
    readonly certificateChain: string
    readonly notBefore: Date | undefined
    readonly beginRefreshAt: Date | undefined
    readonly notAfter: Date | undefined
  }
}

/** The pod that asks, where it is: an agent's is seldom in the namespace of what it asks for. */
export function askingPod({
  metadata,
  spec,
  stated,
}: Pick<PodCertificateRequest, 'metadata' | 'spec' | 'stated'>): NamedReference & {
  readonly namespace: string
} {
  return { namespace: stated?.issued?.agent.namespace ?? metadata.namespace, ...spec.pod }
}

const terminalConditions: readonly string[] = ['Issued', 'Denied', 'Failed']

/** certificates.k8s.io validation: the request, the key and the proof may have 10 KiB each. */
const keyBytesMax = 10 * 1024
/** What the API server stores when the field is left out. */
export const maxExpirationSecondsDefault = 86_400

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
  const conditions = readList(status['conditions'], 'status.conditions').map((entry, index) =>
    readCondition(entry, `status.conditions[${index}]`),
  )
  const certificateChain =
    readOptionalText(status['certificateChain'], 'status.certificateChain') ?? ''
  const last = conditions.find(({ type }) => terminalConditions.includes(type))
  return {
    conditions,
    terminal: last === undefined ? undefined : { condition: last.type, certificateChain },
    certificateChain,
    notBefore: time('notBefore'),
    beginRefreshAt: time('beginRefreshAt'),
    notAfter: time('notAfter'),
  }
}

/** Of a request that nobody has answered. */
export const unanswered: PodCertificateRequest['status'] = readStatus(undefined)

function parsePodCertificateRequest(raw: unknown): PodCertificateRequest {
  const fields = readFields(raw, 'podcertificaterequest')
  const spec = readFields(fields['spec'], 'spec')
  const metadata = readMetadata(raw)
  const text = (name: string): string => readText(spec[name], `spec.${name}`)
  const named = (kind: string): NamedReference => ({
    name: text(`${kind}Name`),
    uid: text(`${kind}UID`),
  })
  return {
    metadata: { ...metadata, namespace: readText(metadata.namespace, 'metadata.namespace') },
    spec: {
      signerName: text('signerName'),
      pod: named('pod'),
      serviceAccount: named('serviceAccount'),
      node: named('node'),
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
