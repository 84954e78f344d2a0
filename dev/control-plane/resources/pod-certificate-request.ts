import {
  checkKeyType,
  parseCertificateRequest,
  parsePublicKey,
  verifyProof,
} from '../certificate-request.ts'
import { invalid, omitted, required, tooLong, type FieldError } from '../field-error.ts'
import { objectAt, semanticallyEqual, textAt, type JsonObject } from '../json-object.ts'
import { formatTime, parseTime, type KubeObject } from '../kube-object.ts'
import {
  checkSubdomain,
  isKubernetesSigner,
  validateSignerName,
  validateUserAnnotations,
  type NameRule,
} from '../names.ts'
import type { ResourceType } from '../resource-type.ts'
import type { Schema } from '../structural-schema.ts'
import { validateStatusUpdate } from './pod-certificate-request-status.ts'

const day = 86_400
const expirationSecondsMin = 3600
const expirationSecondsMax = 91 * day
const uidBytesMax = 128
const keyMaterialBytesMax = 10 * 1024

const text: Schema = { type: 'string' }
const octets: Schema = { type: 'string', format: 'byte' }
const time: Schema = { type: 'string', format: 'date-time' }

const specMembers: Readonly<Record<string, Schema>> = {
  signerName: text,
  podName: text,
  podUID: text,
  serviceAccountName: text,
  serviceAccountUID: text,
  nodeName: text,
  nodeUID: text,
  maxExpirationSeconds: { type: 'integer', format: 'int32', default: day },
  stubPKCS10Request: octets,
  unverifiedUserAnnotations: { type: 'object', additionalProperties: text },
}

/** The pair that kubelets before 1.36 wrote: gone from v1, where a reader then sees an empty request. */
const oldKeyMembers: Readonly<Record<string, Schema>> = {
  pkixPublicKey: octets,
  proofOfPossession: octets,
}

const statusSchema: Schema = {
  type: 'object',
  properties: {
    certificateChain: text,
    notBefore: time,
    beginRefreshAt: time,
    notAfter: time,
    conditions: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: text,
          status: text,
          reason: text,
          message: text,
          lastTransitionTime: time,
          observedGeneration: { type: 'integer' },
        },
      },
    },
  },
}

function schema(version: string): Schema {
  const members = version === 'v1' ? specMembers : { ...specMembers, ...oldKeyMembers }
  return {
    type: 'object',
    properties: { spec: { type: 'object', properties: members }, status: statusSchema },
  }
}

function encode(object: KubeObject, version: string): KubeObject {
  const { pkixPublicKey = null, proofOfPossession = null, ...spec } = objectAt(object, 'spec')
  const shown = { ...spec, stubPKCS10Request: spec['stubPKCS10Request'] ?? null }
  return {
    ...object,
    spec: version === 'v1' ? shown : { ...shown, pkixPublicKey, proofOfPossession },
    status: objectAt(object, 'status'),
  }
}

function validateCreate(object: KubeObject): readonly FieldError[] {
  const spec = objectAt(object, 'spec')
  const signerName = textAt(spec, 'signerName')
  const annotations = objectAt(spec, 'unverifiedUserAnnotations')
  return [
    ...validateSignerName('spec.signerName', signerName),
    ...validateUserAnnotations('spec.unverifiedUserAnnotations', annotations),
    ...validateReference({ spec, name: 'podName', uid: 'podUID', rule: checkSubdomain }),
    ...validateReference({
      spec,
      name: 'serviceAccountName',
      uid: 'serviceAccountUID',
      rule: checkSubdomain,
    }),
    ...validateReference({ spec, name: 'nodeName', uid: 'nodeUID', rule: checkSubdomain }),
    ...validateExpiration(spec, signerName),
  ]
}

/** Form only: whether such an object exists is not asked at creation. */
function validateReference(options: {
  readonly spec: JsonObject
  readonly name: string
  readonly uid: string
  readonly rule: NameRule
}): readonly FieldError[] {
  const name = textAt(options.spec, options.name)
  const uid = textAt(options.spec, options.uid)
  const field = `spec.${options.uid}`
  return [
    ...options.rule(name).map((message) => invalid(`spec.${options.name}`, name, message)),
    ...(uid === '' ? [invalid(field, uid, 'must not be empty')] : []),
    ...(Buffer.byteLength(uid) > uidBytesMax ? [tooLong(field, uidBytesMax)] : []),
  ]
}

function validateExpiration(spec: JsonObject, signerName: string): readonly FieldError[] {
  const field = 'spec.maxExpirationSeconds'
  const seconds = spec['maxExpirationSeconds']
  if (typeof seconds !== 'number') return [required(field, 'must be set')]
  const most = isKubernetesSigner(signerName) ? day : expirationSecondsMax
  const range = `must be in the range [${expirationSecondsMin}, ${most}]`
  return [
    ...(seconds < expirationSecondsMin || seconds > most ? [invalid(field, seconds, range)] : []),
    ...validateKey(spec),
  ]
}

function validateKey(spec: JsonObject): readonly FieldError[] {
  const request = Buffer.from(textAt(spec, 'stubPKCS10Request'), 'base64')
  const key = Buffer.from(textAt(spec, 'pkixPublicKey'), 'base64')
  const proof = Buffer.from(textAt(spec, 'proofOfPossession'), 'base64')
  if (request.length > 0 && key.length === 0 && proof.length === 0) return validateRequest(request)
  if (request.length === 0 && key.length > 0 && proof.length > 0) {
    return validatePair(key, proof, textAt(spec, 'podUID'))
  }
  const rule =
    'exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set'
  return [invalid('spec', omitted, rule)]
}

function validateRequest(octets: Buffer): readonly FieldError[] {
  const field = 'spec.stubPKCS10Request'
  if (octets.length > keyMaterialBytesMax) return [tooLong(field, keyMaterialBytesMax)]
  const request = parseCertificateRequest(octets)
  if (request === undefined) return [invalid(field, omitted, 'must be a valid PKCS#10 CSR')]
  const wrongType = checkKeyType(request.publicKey)
  if (wrongType !== undefined) return [invalid(field, omitted, wrongType)]
  // Its subject and its names are the signer's business.
  return request.signatureVerifies ? [] : [invalid(field, omitted, 'invalid signature')]
}

function validatePair(spki: Buffer, proof: Buffer, podUid: string): readonly FieldError[] {
  const keyField = 'spec.pkixPublicKey'
  const proofField = 'spec.proofOfPossession'
  if (spki.length > keyMaterialBytesMax) return [tooLong(keyField, keyMaterialBytesMax)]
  if (proof.length > keyMaterialBytesMax) return [tooLong(proofField, keyMaterialBytesMax)]
  const key = parsePublicKey(spki)
  if (key === undefined) return [invalid(keyField, omitted, 'must be a PKIX public key')]
  const wrongType = checkKeyType(key)
  if (wrongType !== undefined) return [invalid(keyField, omitted, wrongType)]
  if (verifyProof(key, podUid, proof)) return []
  return [invalid(proofField, omitted, 'does not verify as a signature over the pod UID')]
}

function validateUpdate(next: KubeObject, previous: KubeObject): readonly FieldError[] {
  if (semanticallyEqual(next.spec, previous.spec)) return []
  return [invalid('spec', omitted, 'field is immutable')]
}

function wholeSeconds(value: unknown): unknown {
  const milliseconds = typeof value === 'string' ? parseTime(value) : undefined
  return milliseconds === undefined ? value : formatTime(milliseconds)
}

const timeMembers = new Set(['notBefore', 'beginRefreshAt', 'notAfter', 'lastTransitionTime'])

/** Times are stored with whole seconds, whatever fraction the writer gave. */
function withWholeSeconds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withWholeSeconds)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      timeMembers.has(name) ? wholeSeconds(inner) : withWholeSeconds(inner),
    ]),
  )
}

export function podCertificateRequests(versions: readonly string[]): ResourceType {
  const specText =
    (member: string) =>
    (object: KubeObject): string =>
      textAt(object.spec, member)
  return {
    group: 'certificates.k8s.io',
    versions,
    plural: 'podcertificaterequests',
    singular: 'podcertificaterequest',
    kind: 'PodCertificateRequest',
    namespaced: true,
    hasStatus: true,
    nameRule: () => checkSubdomain,
    // metadata.namespace, which most namespaced resources have, is not among them.
    selectableFields: {
      'spec.signerName': specText('signerName'),
      'spec.podName': specText('podName'),
      'spec.nodeName': specText('nodeName'),
    },
    schema,
    encode,
    validateCreate,
    validateUpdate,
    validateStatus: validateStatusUpdate,
    canonicalize: (object) => ({
      ...object,
      status: withWholeSeconds(objectAt(object, 'status')) as JsonObject,
    }),
  }
}
