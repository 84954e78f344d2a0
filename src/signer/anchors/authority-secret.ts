import { CountersignError } from '../../errors.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { isConflict } from '../../kubernetes/api-error.ts'
import { mergeObject, readObject } from '../../kubernetes/objects.ts'
import type { Metadata } from '../../kubernetes/resource.ts'
import { secrets, type Secret } from '../../kubernetes/secret.ts'
import {
  activeOf,
  formatJournal,
  parseJournal,
  preparedOf,
  type AuthorityKind,
  type Journal,
} from '../../pki/authority-journal.ts'
import { createSelfSignedAuthority } from '../../pki/authority.ts'
import { parseCaCertificate, type CaCertificate } from '../../pki/ca-certificate.ts'
import { parsePem } from '../../pki/pem.ts'
import { formatPending, parsePending, type Pending } from '../../renewal/pending.ts'
import { onceMoreRefused, refusedAnnotation } from './refused-requests.ts'

/** Beside `tls.crt` and `tls.key`, which are those of the active one. */
const journalKey = 'authorities.json'
const preparedKey = 'prepared.key'
/** Of a requested one: what was asked, with the key that it was asked for. */
const pendingKey = 'pending.json'

/** Of `tls.crt`; a Secret holds 1 MiB. */
const charactersMax = 1024 * 1024

export interface SecretPlace {
  readonly client: ApiClient
  readonly namespace: string
  readonly name: string
  readonly trustDomain: TrustDomain
  /** Self-signed unless told. */
  readonly kind?: AuthorityKind
}

export interface AuthoritySecretOptions extends SecretPlace {
  /** Of a new authority. */
  readonly lifetimeSeconds: number
  /** Below which every DNS name is that its certificates have. */
  readonly dnsSuffixes: readonly string[]
  /** Whether the URIs of a new authority are constrained to the trust domain. */
  readonly constrainUris?: boolean
  /** Why the clock here is not to be gone by, once the API server has answered: a CA that has not begun yet would stand there for good. */
  readonly clockProblem?: (() => string | undefined) | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** What the Secret of an authority says, all of it of one moment. */
export interface AuthorityContents {
  readonly metadata: Metadata
  readonly journal: Journal
  /** PEM of the key that signs. */
  readonly activeKeyPem: string
  /** PEM of the key of the one that is prepared. */
  readonly preparedKeyPem?: string | undefined
  readonly pending?: Pending | undefined
}

/** What a Secret says in which no CA is yet. */
export interface NoAuthority {
  readonly metadata: Metadata
  readonly journal?: never
  readonly pending?: Pending | undefined
}

/**
 * Reads an authority whose key is kept in a Secret that is there already, by the names of a `kubernetes.io/tls` Secret, and has been filled
 * by whichever replica came first. Without a journal the one that is there is active. Undefined when it is empty. Throws `pki/authority`
 * when the Secret is not there or holds something else; what it holds is never replaced.
 */
export async function readAuthority(
  options: SecretPlace,
): Promise<AuthorityContents | NoAuthority> {
  const secret = await readSecret(options)
  if (!isEmpty(secret, options)) return readContents(secret, options)
  return { metadata: secret.metadata, pending: pendingOf(secret) }
}

/** The same, of a Secret that is filled when it is empty. */
export async function openAuthority(options: AuthoritySecretOptions): Promise<AuthorityContents> {
  const found = await readSecret(options)
  return readContents(isEmpty(found, options) ? await fillSecret(found, options) : found, options)
}

/**
 * Writes a step: the journal with the keys that it needs, in one write over the very Secret that was read, so that there is no moment at
 * which they disagree. A key that signs no more is gone. A concurrent step is an `ApiError` 409.
 */
export async function writeAuthority(
  next: AuthorityContents,
  { client, kind = 'selfSigned' }: Pick<SecretPlace, 'client' | 'kind'>,
): Promise<void> {
  const { metadata, journal, activeKeyPem, preparedKeyPem, pending } = next
  const active = activeOf(journal)?.certificatePem
  if (active === undefined) throw new CountersignError('pki/authority', 'authority has no key')
  const data = {
    [journalKey]: encode(formatJournal(journal)),
    'tls.crt': encode(active),
    'tls.key': encode(activeKeyPem),
    // Null takes it away.
    [preparedKey]: preparedKeyPem === undefined ? null : encode(preparedKeyPem),
    ...(kind === 'requested' ? dataOf(pending) : {}),
  }
  // One was issued: what was refused before keeps nobody waiting any more.
  const annotations = kind === 'requested' ? { [refusedAnnotation]: null } : undefined
  await mergeObject(client, secrets, { metadata, patch: { data }, annotations })
}

/**
 * Writes what is asked, or that nothing is, because there is no CA for it, over the very Secret that was read; gives what stands there then.
 */
export async function writePending(
  metadata: Metadata,
  pending: Pending | undefined,
  { client, now }: Pick<AuthoritySecretOptions, 'client' | 'now'>,
): Promise<Metadata> {
  const patch = { data: dataOf(pending) }
  const refused = { [refusedAnnotation]: onceMoreRefused(metadata.annotations, now()) }
  const annotations = pending === undefined ? refused : undefined
  return (await mergeObject(client, secrets, { metadata, patch, annotations })).metadata
}

function dataOf(pending: Pending | undefined): Readonly<Record<string, string | null>> {
  return { [pendingKey]: pending === undefined ? null : encode(formatPending(pending)) }
}

function readContents(secret: Secret, options: SecretPlace): AuthorityContents {
  const certificatePem = decode(secret, 'tls.crt', options)
  const activeKeyPem = decode(secret, 'tls.key', options)
  const { metadata } = secret
  const { kind = 'selfSigned' } = options
  if (kind === 'selfSigned' && secret.data[journalKey] === undefined) {
    const since = metadata.creationTimestamp?.getTime() ?? 0
    const certificate = firstOf(certificatePem)
    const { notAfter } = certificate
    const first = { certificatePem, certificate, anchor: certificate, notAfter }
    return { metadata, journal: [{ state: 'active', since, ...first }], activeKeyPem }
  }
  const journal = parseJournal(decode(secret, journalKey, options), options.trustDomain, kind)
  if (activeOf(journal)?.certificatePem !== certificatePem) {
    throw new CountersignError(
      'pki/authority',
      `secret ${options.namespace}/${options.name}: tls.crt is not the authority that ${journalKey} calls active`,
      { hint: 'put back what the signer wrote, or take all of it away to begin anew' },
    )
  }
  const preparedKeyPem =
    preparedOf(journal) === undefined ? undefined : decode(secret, preparedKey, options)
  return { metadata, journal, activeKeyPem, preparedKeyPem, pending: pendingOf(secret) }
}

/** One that cannot be read is none: its key is lost, and another one is asked for. */
function pendingOf({ data }: Secret): Pending | undefined {
  const text = data[pendingKey]
  return text === undefined ? undefined : parsePending(Buffer.from(text, 'base64').toString('utf8'))
}

/** Of a Secret that people have filled: more certificates may follow the one that signs, which whoever takes the key judges. */
function firstOf(certificatePem: string): CaCertificate {
  const what = 'authority of the Secret'
  const blocks = parsePem(certificatePem, { code: 'pki/authority', what, charactersMax })
  const first = blocks.find(({ label }) => label === 'CERTIFICATE')
  if (first !== undefined) return parseCaCertificate(first.der, 'pki/authority')
  throw new CountersignError('pki/authority', `${what} has no certificate`)
}

async function readSecret(options: SecretPlace): Promise<Secret> {
  const { client, namespace, name } = options
  const secret = await readObject(client, secrets, { namespace, name })
  if (secret !== undefined) return secret
  throw new CountersignError('pki/authority', `secret ${namespace}/${name}: not found`, {
    hint: `the chart makes it, empty; by hand: kubectl -n ${namespace} create secret generic ${name}`,
  })
}

/** What is left of a CA is not filled up with another one. Where CAs are requested, one may be asked for already. */
function isEmpty({ data }: Secret, { kind = 'selfSigned' }: SecretPlace): boolean {
  const keys = ['tls.crt', 'tls.key', journalKey, preparedKey]
  const own = kind === 'selfSigned' ? [...keys, pendingKey] : keys
  return own.every((key) => data[key] === undefined)
}

/** A write over what was read: of two replicas that start at once one wins, and the other reads the winner's. */
async function fillSecret({ metadata }: Secret, options: AuthoritySecretOptions): Promise<Secret> {
  const { client, trustDomain, lifetimeSeconds, dnsSuffixes, constrainUris = false, now } = options
  const clockProblem = options.clockProblem?.()
  if (clockProblem !== undefined) throw new CountersignError('pki/authority', clockProblem)
  const made = createSelfSignedAuthority({
    trustDomain,
    lifetimeSeconds,
    dnsSuffixes,
    constrainUris,
    now,
  })
  const data = { 'tls.crt': encode(made.certificatePem), 'tls.key': encode(made.privateKeyPem) }
  try {
    return await mergeObject(client, secrets, { metadata, patch: { data } })
  } catch (error) {
    if (!isConflict(error)) throw error
  }
  return readSecret(options)
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

function decode(secret: Secret, key: string, options: SecretPlace): string {
  const value = secret.data[key]
  if (value !== undefined) return Buffer.from(value, 'base64').toString('utf8')
  throw new CountersignError(
    'pki/authority',
    `secret ${options.namespace}/${options.name}: ${key}: required`,
    {
      hint: 'it holds something that is not ours; name another one in the configuration of the authority',
    },
  )
}
