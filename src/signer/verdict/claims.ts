import { CountersignError, quoted } from '../../errors.ts'
import { parseModels, parseToolScopes } from '../../identity/ceiling.ts'
import type { Model } from '../../identity/model.ts'
import { parseRole } from '../../identity/role.ts'
import type { Role } from '../../identity/role.ts'
import { parseTenant } from '../../identity/tenant.ts'
import type { Tenant } from '../../identity/tenant.ts'
import type { ToolScope } from '../../identity/tool-scope.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import {
  parseCertificateRequest,
  parseCertificateRequestPem,
  type CertificateRequest,
} from '../../pki/certificate-request.ts'
import { parseSubjectKey, verifyProofOfPossession } from '../../pki/subject-key.ts'
import type { SubjectKey } from '../../pki/subject-key.ts'
import { annotationKeys } from '../../identity/governance-key.ts'
import { refusedOfStated } from './stated-requester.ts'
import type { DenyReason, FieldRefusal, Refusal } from './verdict.ts'

/** What a request claims, parsed: nothing of it is proved but the possession of the key. */
export interface Claims {
  readonly asked: PodCertificateRequest
  readonly key: SubjectKey
  readonly attributes: AskedAttributes
}

/** What its annotations ask for. */
export interface AskedAttributes {
  readonly role: Role | undefined
  readonly tenant: Tenant | undefined
  readonly models: readonly Model[]
  readonly toolScopes: readonly ToolScope[]
}

export type ParsedClaims =
  { readonly ok: Claims } | { readonly refused: Refusal } | { readonly wait: string }

/** Reads the key and the annotations of a request. It waits on what may be our own defect, or a version skew. */
export function parseClaims(asked: PodCertificateRequest): ParsedClaims {
  const refused = refusedOfStated(asked)
  if (refused !== undefined) return { refused }
  const key = parseKey(asked)
  return 'ok' in key ? claimsWithKey(asked, key.ok) : key
}

/** The claims of a request whose key is not in it. */
export function claimsWithKey(asked: PodCertificateRequest, key: SubjectKey): ParsedClaims {
  const attributes = parseAttributes(asked.spec.unverifiedUserAnnotations)
  return 'ok' in attributes ? { ok: { asked, key, attributes: attributes.ok } } : attributes
}

type Parsed<T> = { readonly ok: T } | { readonly refused: Refusal } | { readonly wait: string }

function parseKey({ spec }: PodCertificateRequest): Parsed<SubjectKey> {
  if (spec.key === undefined) {
    // A v1 reader of a request that a 1.35 kubelet wrote sees no key at all: that is skew, not a violation.
    return { wait: 'request shows no key, want=stubPKCS10Request or pkixPublicKey' }
  }
  const { key } = spec
  try {
    if (key.kind === 'csr') return keyOfCertificateRequest(parseCertificateRequest(key.der))
    if (key.kind === 'pem') return keyOfCertificateRequest(parseCertificateRequestPem(key.pem))
    return keyWithProof({ ...key, podUid: spec.pod.uid })
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const refused = keyRefusal(error)
    return 'wait' in refused && key.kind === 'pem' ? malformed(error) : refused
  }
}

/** Of a CertificateSigningRequest, which holds nobody up when it is denied: another can be made. */
function malformed(error: CountersignError): Parsed<never> {
  return refusal('CertificateRequestMalformed', {
    field: 'request',
    asked: 'a certificate for the key of the request',
    proved: error.message,
    change: 'send one PEM block CERTIFICATE REQUEST (RFC 2986) of at most 16 KiB',
  })
}

function keyOfCertificateRequest(request: CertificateRequest): Parsed<SubjectKey> {
  if (request.names.length === 0) return { ok: request.key }
  // The API server leaves the contents of stubPKCS10Request to the signer: names come from evidence only.
  return refusal('CertificateRequestNotEmpty', {
    field: 'stubPKCS10Request',
    asked: request.names.map((name) => quoted(name)).join(', '),
    proved: 'names come from evidence only',
    change: 'send a certificate request with an empty subject and no extensions, as kubelet does',
  })
}

function keyWithProof(asked: {
  readonly spki: Uint8Array
  readonly proof: Uint8Array
  readonly podUid: string
}): Parsed<SubjectKey> {
  const key = parseSubjectKey(asked.spki)
  if (verifyProofOfPossession(key, asked.podUid, asked.proof)) return { ok: key }
  return refusal('ProofOfPossessionInvalid', {
    field: 'proofOfPossession',
    asked: `a certificate for the key ${key.sha256}`,
    proved: `no signature of that key over the pod UID ${quoted(asked.podUid)}`,
    change: 'sign the pod UID with the private key of pkixPublicKey',
  })
}

function keyRefusal(error: CountersignError): Parsed<never> {
  if (error.code === 'pki/key-type') {
    return refusal('UnsupportedKeyType', {
      field: 'keyType',
      asked: error.message,
      proved: 'no supported key type',
      change: 'set keyType of the podCertificate source to ECDSAP256',
    })
  }
  if (error.code === 'pki/csr-signature') {
    return refusal('ProofOfPossessionInvalid', {
      field: 'stubPKCS10Request',
      asked: 'a certificate for the key of the request',
      proved: 'no valid signature of that key',
      change: 'sign the certificate request with its own key',
    })
  }
  // The API server parsed what we cannot: one of the two is wrong, and a Denied would be for good.
  return { wait: `key of the request cannot be read: ${error.message}` }
}

/** What annotations ask for, or what of them is refused whatever the cluster proves. */
export function parseAttributes(
  annotations: Readonly<Record<string, string>>,
): { readonly ok: AskedAttributes } | { readonly refused: Refusal } {
  const known = Object.values(annotationKeys)
  const broken: FieldRefusal[] = Object.keys(annotations)
    .filter((key) => !known.some((candidate) => candidate === key))
    .toSorted()
    .map((key) => ({
      field: 'userAnnotations',
      asked: quoted(key, 320),
      proved: 'not an annotation of this signer',
      change: `remove it from userAnnotations, want=${known.join('|')}`,
    }))
  const read = <T>(key: string, parse: (text: string) => T): T | undefined => {
    const text = annotations[key]
    if (text === undefined) return undefined
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      const change = `correct or remove ${key} in userAnnotations`
      broken.push({ field: key, asked: quoted(text), proved: error.message, change })
      return undefined
    }
  }
  const attributes: AskedAttributes = {
    role: read(annotationKeys.role, parseRole),
    tenant: read(annotationKeys.tenant, parseTenant),
    models: read(annotationKeys.models, parseModels) ?? [],
    toolScopes: read(annotationKeys.toolScopes, parseToolScopes) ?? [],
  }
  const [first, ...others] = broken
  if (first === undefined) return { ok: attributes }
  return refusal('InvalidUnverifiedUserAnnotations', first, ...others)
}

function refusal(reason: DenyReason, ...fields: FieldRefusal[]): { readonly refused: Refusal } {
  return { refused: { reason, fields } }
}
