import { annotationKeys, issuedCertificateKey } from '../identity/governance-key.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { ApiError } from '../kubernetes/api-error.ts'
import { createCertificateSigningRequest } from '../kubernetes/certificate-signing-request.ts'
import { issuedCertificates } from '../kubernetes/issued-certificate.ts'
import { createObject, mergeObject } from '../kubernetes/objects.ts'
import { secrets } from '../kubernetes/secret.ts'
import { requestedUsages } from '../pki/certificate-request.ts'
import { generateKey } from '../pki/generate-key.ts'
import type { KeyType } from '../pki/subject-key.ts'
import { requestOf } from '../renewal/request-certificate.ts'
import {
  anchorsWrite,
  askedOf,
  bounceWrite,
  endedWrite,
  forgottenWrite,
  pendingWrite,
  requestNameOf,
  takenWrite,
  type Pending,
  type Write,
} from './kept.ts'
import type { Look } from './look.ts'
import type { Step } from './next-step.ts'

export interface CarryOutOptions {
  readonly client: ApiClient
  readonly signerName: string
  readonly keyType: KeyType
  readonly expirationSeconds?: number | undefined
  readonly anchors: (signal: AbortSignal) => Promise<string>
}

/** The steps that change something, but for an eviction. */
export type Change = Exclude<Step, { readonly kind: 'await' | 'retry' | 'rest' | 'evict' }>

const untold = { error: null, request: null, notAfter: null, renewAt: null, podsLeft: null }

/** One write, over the very objects that were seen: whatever has changed meanwhile is an `ApiError` 409, and is looked at again. */
export async function carryOut(
  options: CarryOutOptions,
  seen: Look,
  { step, signal }: { readonly step: Change; readonly signal: AbortSignal },
): Promise<void> {
  const pending = seen.kept === 'foreign' ? undefined : seen.kept.pending
  switch (step.kind) {
    case 'tell':
      return tell(options, seen, { status: step.status, signal })
    case 'make-key': {
      const key = generateKey(options.keyType).export({ format: 'pem', type: 'pkcs8' })
      const write = pendingWrite({
        privateKeyPem: key.toString(),
        asked: askedOf(seen.certificate),
      })
      return writeSecret(options, seen, { write, signal })
    }
    case 'send':
      return pending && send(options, seen, { pending, signal })
    case 'take': {
      if (pending === undefined || seen.request?.kind !== 'issued') return
      const { chainPem } = seen.request
      const trustBundle = await options.anchors(signal)
      const bounce = seen.certificate.spec.podsToBounce.length > 0 ? 'due' : undefined
      const write = takenWrite(pending, { chainPem, trustBundle, now: seen.now, bounce })
      return writeSecret(options, seen, { write, signal })
    }
    case 'write-anchors': {
      const write = anchorsWrite(await options.anchors(signal))
      return writeSecret(options, seen, { write, signal })
    }
    case 'choose':
      return writeSecret(options, seen, { write: bounceWrite(step.chosen), signal })
    case 'end-bounce':
      return writeSecret(options, seen, { write: bounceWrite(undefined), signal })
    case 'end':
      return writeSecret(options, seen, { write: endedWrite(), signal })
    case 'forget':
      return writeSecret(options, seen, { write: forgottenWrite(), signal })
  }
}

/** Whole: what is not told any more is taken away. */
async function tell(
  { client }: CarryOutOptions,
  { certificate: { metadata } }: Look,
  told: {
    readonly status: Extract<Step, { readonly kind: 'tell' }>['status']
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { status, signal } = told
  await mergeObject(client, issuedCertificates, {
    metadata,
    subresource: 'status',
    patch: { status: { ...untold, ...status } },
    signal,
  })
}

async function writeSecret(
  { client }: CarryOutOptions,
  { certificate, secret }: Look,
  { write, signal }: { readonly write: Write; readonly signal: AbortSignal },
): Promise<void> {
  const { metadata, spec } = certificate
  const { namespace } = metadata
  const { data, annotations } = write
  if (secret !== undefined) {
    await mergeObject(client, secrets, { metadata: secret, patch: { data }, annotations, signal })
    return
  }
  const { group, version, kind } = issuedCertificates
  const { name: owner, uid } = metadata
  await createObject(client, secrets, {
    namespace,
    body: {
      metadata: {
        name: spec.issuedCertificateSecret,
        annotations,
        ownerReferences: [
          { apiVersion: `${group}/${version}`, kind, name: owner, uid, controller: true },
        ],
      },
      type: 'Opaque',
      data,
    },
    signal,
  })
}

/** One that stands there already was sent before: the next look tells whether by us. */
async function send(
  { client, signerName, expirationSeconds }: CarryOutOptions,
  { certificate, account }: Look,
  { pending, signal }: { readonly pending: Pending; readonly signal: AbortSignal },
): Promise<void> {
  const { namespace = '', name: certificateName, uid } = certificate.metadata
  const { org, annotations } = certificate.spec
  if (account === undefined) return
  const reference = [namespace, certificateName, uid, account.name, account.uid]
  const lifetime = expirationSeconds === undefined ? {} : { expirationSeconds }
  const request = requestOf(pending.privateKeyPem)
  try {
    await createCertificateSigningRequest(client, {
      name: requestNameOf(pending) ?? '',
      annotations: {
        ...annotations,
        ...(org === undefined ? {} : { [annotationKeys.tenant]: org }),
        [issuedCertificateKey]: reference.join('/'),
      },
      spec: { signerName, request, usages: requestedUsages, ...lifetime },
      signal,
    })
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error
  }
}
