import { createPrivateKey, hash, randomBytes } from 'node:crypto'
import { quoted } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { ApiError } from '../kubernetes/api-error.ts'
import { backoffMilliseconds, type Delay } from '../kubernetes/backoff.ts'
import {
  certificateSigningRequests,
  createCertificateSigningRequest,
  type CertificateSigningRequest,
} from '../kubernetes/certificate-signing-request.ts'
import { readObject } from '../kubernetes/objects.ts'
import { parseCertificateRequestPem } from '../pki/certificate-request.ts'
import { writeCertificateRequest, type RequestedCa } from '../pki/certificate-request-write.ts'
import { generateKey } from '../pki/generate-key.ts'
import { formatPem } from '../pki/pem.ts'
import type { RequestedNames } from '../pki/requested-names.ts'
import type { KeyType } from '../pki/subject-key.ts'
import type { Pending, PendingStore } from './pending.ts'

/** How often it is looked whether a request was answered: when a signer would have, then ever more seldom, as long as it takes. */
const lookBackoff = { baseSeconds: 0.15, maxSeconds: 15 }

export interface RequestOptions {
  readonly client: ApiClient
  readonly store: PendingStore
  readonly signerName: string
  readonly keyType: KeyType
  readonly expirationSeconds?: number | undefined
  readonly annotations: Readonly<Record<string, string>>
  readonly usages: readonly string[]
  readonly names?: RequestedNames | RequestedCa | undefined
  readonly delay: Delay
  readonly random: () => number
  readonly signal: AbortSignal
  /** Called while it waits for an answer, with when the API server took the request, and its name there. */
  readonly waits: (created: Date | undefined, name: string) => void
}

/** What became of a request: PEM of the key and the chain, or why there is none, after which another may be made. */
export type Answered =
  | { readonly kind: 'issued'; readonly privateKeyPem: string; readonly chainPem: string }
  | { readonly kind: 'denied' | 'failed' | 'gone'; readonly why: string }

/**
 * Asks for a certificate with a new key and waits for the answer, for ever. There is never a second request for the same beside it: what was sent is
 * written down before it is sent, and a process that starts again waits for the same one. So does whoever could not take what was issued:
 * who has taken it, or never will, forgets the request. One for something else, of a configuration before, is forgotten. Rejects with what the
 * API server refuses, as `ApiError`, and where it cannot be reached; the request is the same the next time.
 */
export async function requestCertificate(options: RequestOptions): Promise<Answered> {
  const { store } = options
  const sent = await takePending(options)
  await send(options, sent)
  const found = await answerOf(options, sent)
  const over = found === undefined ? gone : endOf(found)
  if (found === undefined || over !== undefined) {
    await store.keepPending(undefined)
    return over ?? gone
  }
  const { privateKeyPem } = sent
  return { kind: 'issued', privateKeyPem, chainPem: found.status.certificate }
}

interface Sent {
  readonly name: string
  readonly privateKeyPem: string
  /** Base64 of PEM. */
  readonly request: string
}

async function takePending(options: RequestOptions): Promise<Sent> {
  const { store, keyType, names } = options
  const asked = digestOf(options)
  const found = await store.pending()
  const before = found?.asked === asked ? sentOf(found, names) : undefined
  if (before !== undefined) return before
  const privateKeyPem = generateKey(keyType).export({ format: 'pem', type: 'pkcs8' }).toString()
  const pending = { name: `countersign-${randomBytes(16).toString('hex')}`, privateKeyPem, asked }
  await store.keepPending(pending)
  return { ...pending, request: requestOf(privateKeyPem, names) }
}

function digestOf(options: RequestOptions): string {
  const { signerName, keyType, expirationSeconds, annotations, usages, names } = options
  const sorted = Object.entries(annotations).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const asked = [signerName, keyType, expirationSeconds, usages, sorted]
  return hash('sha256', JSON.stringify(names === undefined ? asked : [...asked, names]))
}

/** Undefined where its key is none, or signs nothing: nothing will ever be issued for it. */
function sentOf(
  { name, privateKeyPem }: Pending,
  names: RequestOptions['names'],
): Sent | undefined {
  if (!/^countersign-[0-9a-f]{32}$/.test(name)) return undefined
  try {
    return { name, privateKeyPem, request: requestOf(privateKeyPem, names) }
  } catch {
    return undefined
  }
}

/** Base64 of PEM. */
export function requestOf(privateKeyPem: string, names?: RequestOptions['names']): string {
  const der = writeCertificateRequest(createPrivateKey(privateKeyPem), names)
  return Buffer.from(formatPem('CERTIFICATE REQUEST', der)).toString('base64')
}

/** One that stands there already was sent before: `answerOf` looks whether by us. */
async function send(options: RequestOptions, { name, request }: Sent): Promise<void> {
  const { client, signerName, expirationSeconds, annotations, usages, signal } = options
  const lifetime = expirationSeconds === undefined ? {} : { expirationSeconds }
  const spec = { signerName, request, usages, ...lifetime }
  try {
    await createCertificateSigningRequest(client, { name, annotations, spec, signal })
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error
  }
}

const gone = {
  kind: 'gone',
  why: 'it was deleted before it was answered, or another stands under its name',
} as const

/** The request once it is answered; undefined when it is not there any more, or another stands there. */
async function answerOf(
  options: RequestOptions,
  sent: Sent,
): Promise<CertificateSigningRequest | undefined> {
  const { client, delay, random, signal, waits } = options
  for (let looks = 1; ; looks += 1) {
    await delay(backoffMilliseconds(lookBackoff, looks, random), signal)
    const found = await readObject(client, certificateSigningRequests, {
      name: sent.name,
      signal,
    })
    if (found === undefined || !isOurs(found, options.signerName, sent)) return undefined
    if (endOf(found) !== undefined || found.status.certificate !== '') return found
    waits(found.metadata.creationTimestamp, sent.name)
  }
}

/** Whatever answer another signer gives, or one to another key, is none to us. */
export function isOurs(
  { spec }: CertificateSigningRequest,
  signerName: string,
  sent: Pick<Sent, 'request'>,
): boolean {
  if (spec.signerName !== signerName) return false
  try {
    return keyOf(spec.request) === keyOf(sent.request)
  } catch {
    return false
  }
}

function keyOf(request: string): string {
  return parseCertificateRequestPem(Buffer.from(request, 'base64').toString('utf8')).key.sha256
}

/** Why it never has a certificate. */
export function endOf({
  status,
}: CertificateSigningRequest): Exclude<Answered, { readonly kind: 'issued' }> | undefined {
  for (const [type, kind] of [
    ['Denied', 'denied'],
    ['Failed', 'failed'],
  ] as const) {
    const found = status.conditions.find((condition) => condition['type'] === type)
    if (found === undefined) continue
    const { reason, message } = found
    const told = [reason, message].map((each) => quoted(typeof each === 'string' ? each : '', 1024))
    return { kind, why: told.join(': ') }
  }
  return undefined
}
