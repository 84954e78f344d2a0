import { hash } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import { annotationKeys } from '../identity/governance-key.ts'
import { workloadSpiffeId } from '../identity/spiffe-id.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { Named } from '../identity/workload-identity.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { certificateSigningRequests } from '../kubernetes/certificate-signing-request.ts'
import type { IssuedCertificate } from '../kubernetes/issued-certificate.ts'
import { readObject } from '../kubernetes/objects.ts'
import type { Metadata } from '../kubernetes/resource.ts'
import { secrets } from '../kubernetes/secret.ts'
import { serviceAccounts } from '../kubernetes/workloads.ts'
import type { Revocable } from '../pki/revocation.ts'
import { endOf, isOurs, requestOf } from '../renewal/request-certificate.ts'
import { verifyCredential } from '../renewal/verify-credential.ts'
import { isOf, readKept, requestNameOf, type Current, type Kept, type Pending } from './kept.ts'
import type { Held, RequestSeen, Seen } from './next-step.ts'
import { lookAtBounce } from './restart.ts'
import { lookForRevocation, revokedBy, type RevokedOptions } from './revoked.ts'

/** One that is nearly over when it comes, because its CA is, is no reason to ask again at once. */
const renewSecondsMin = 60

export interface LookOptions extends RevokedOptions {
  readonly client: ApiClient
  readonly signerName: string
  readonly trustDomain: TrustDomain
  /** Of its life, after which another certificate is asked for: up to a tenth of it later. */
  readonly renewPercent: number
  /** PEM of the anchors as they are published now. Throws `renewal/trust-bundle` and `pki/bundle`. */
  readonly anchors: (signal: AbortSignal) => Promise<string>
  /** Whether pods may be restarted. */
  readonly bouncePods: boolean
  readonly now: () => number
}

/** What is there of one IssuedCertificate now, all of it read from the API server. */
export interface Look extends Seen {
  /** Of the Secret, where there is one of ours. */
  readonly secret: Metadata | undefined
  /** The service account that is asked for, where it is to be asked for. */
  readonly account: Named | undefined
}

export async function look(
  options: LookOptions,
  certificate: IssuedCertificate,
  signal: AbortSignal,
): Promise<Look> {
  const { client, now } = options
  const { namespace } = certificate.metadata
  const name = certificate.spec.issuedCertificateSecret
  const secret = await readObject(client, secrets, { namespace, name, signal })
  const isForeign = secret !== undefined && !isOf(secret, certificate)
  const kept: Kept = secret === undefined || isForeign ? {} : readKept(secret)
  const { pending, current } = kept
  const revocation = lookForRevocation(kept, { ...options, next: nextOf(options, certificate) })
  const held = current && heldOf(options, certificate, current)
  const request = pending && (await requestSeen(options, { certificate, pending, signal }))
  const isAsked = pending === undefined ? held === undefined : request?.kind === 'absent'
  const seen = {
    certificate,
    held,
    request,
    revocation,
    ...(await accountSeen(options, certificate, { isAsked, signal })),
    now: now(),
    secret: isForeign ? undefined : secret?.metadata,
  }
  const nothing = { hasOtherAnchors: false, bounce: undefined }
  if (isForeign) return { ...seen, kept: 'foreign', ...nothing }
  if (held === undefined || pending !== undefined || current === undefined) {
    return { ...seen, kept, ...nothing }
  }
  return {
    ...seen,
    kept,
    hasOtherAnchors: await isBehind(options, current, signal),
    bounce: await lookAtBounce(options, certificate, { bounce: current.bounce, signal }),
  }
}

async function accountSeen(
  options: LookOptions,
  certificate: IssuedCertificate,
  { isAsked, signal }: { readonly isAsked: boolean; readonly signal: AbortSignal },
): Promise<Pick<Look, 'account' | 'problem'>> {
  const name = accountOf(certificate, options.trustDomain)
  const problem = name === undefined ? hostProblem(certificate, options) : askedProblem(certificate)
  if (name === undefined || problem !== undefined) return { account: undefined, problem }
  if (!isAsked) return { account: undefined, problem: undefined }
  const { namespace } = certificate.metadata
  const found = await readObject(options.client, serviceAccounts, { namespace, name, signal })
  if (found !== undefined) {
    return { account: { name, uid: found.metadata.uid }, problem: undefined }
  }
  return {
    account: undefined,
    problem: `hosts: there is no service account ${namespace}/${name}`,
  }
}

/** The request would have them, too: of another name they may mean something to others who read requests, and the API server may refuse them. */
const askedKeys: readonly string[] = [
  annotationKeys.role,
  annotationKeys.models,
  annotationKeys.toolScopes,
]

function askedProblem({ spec: { annotations } }: IssuedCertificate): string | undefined {
  const other = Object.keys(annotations).find((key) => !askedKeys.includes(key))
  if (other === undefined) return undefined
  return `annotations: want=${askedKeys.join('|')} got=${quoted(other, 320)}`
}

/** The service account that the host names, in the namespace of the resource and in our trust domain; undefined where it names none. */
function accountOf(
  { metadata: { namespace = '' }, spec: { hosts } }: IssuedCertificate,
  trustDomain: TrustDomain,
): string | undefined {
  const [host = '', ...more] = hosts
  const serviceAccount = host.slice(host.lastIndexOf('/') + 1)
  try {
    const { uri } = workloadSpiffeId({ trustDomain, namespace, serviceAccount })
    return uri === host && more.length === 0 ? serviceAccount : undefined
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return undefined
  }
}

/** What a certificate would say if it came at once: whoever wants it is its pod. */
function nextOf({ trustDomain, now }: LookOptions, certificate: IssuedCertificate): Revocable {
  const { namespace = '', uid } = certificate.metadata
  return {
    notBefore: new Date(now()),
    identity: {
      pod: { uid },
      namespace: { name: namespace },
      serviceAccount: { name: accountOf(certificate, trustDomain) ?? '' },
      tenant: certificate.spec.org,
      issuanceId: '',
    },
  }
}

function hostProblem(
  { metadata: { namespace = '' }, spec: { hosts } }: IssuedCertificate,
  { trustDomain }: LookOptions,
): string {
  const want = `spiffe://${trustDomain}/ns/${namespace}/sa/<service account>`
  return `hosts: want=${want} got=${quoted(hosts.join(', '), 640)}`
}

/** Undefined for what its own anchors vouch for no more: another one is asked for. */
function heldOf(
  options: LookOptions,
  certificate: IssuedCertificate,
  current: Current,
): Held | undefined {
  try {
    const { notBefore, notAfter } = verified(options, certificate, current)
    const jitter = hash('sha256', `${certificate.metadata.uid} ${notAfter.getTime()}`, 'buffer')
    const share = options.renewPercent / 100 + (jitter[0] ?? 0) / 2560
    const life = notAfter.getTime() - notBefore.getTime()
    const soonest = current.takenAt + renewSecondsMin * 1000
    return { notAfter, renewAt: Math.max(notBefore.getTime() + life * share, soonest) }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return undefined
  }
}

function verified(
  { trustDomain, identityExtensionOid, now }: LookOptions,
  { spec }: IssuedCertificate,
  { credentialBundle, trustBundle }: Pick<Current, 'credentialBundle' | 'trustBundle'>,
): { readonly notBefore: Date; readonly notAfter: Date } {
  const checks = { trustDomain, trustBundle, identityExtensionOid, now: now() }
  const accepted = verifyCredential(credentialBundle, checks)
  const [want] = spec.hosts
  if (accepted.subject === want) return accepted
  const got = quoted(accepted.subject, 640)
  throw new CountersignError(
    'renewal/certificate',
    `certificate is of another, want=${want} got=${got}`,
  )
}

async function isBehind(
  { anchors }: LookOptions,
  { trustBundle }: Current,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await anchors(signal)) !== trustBundle
  } catch (error) {
    // Those that it has are good until others are known.
    if (signal.aborted || !(error instanceof CountersignError)) throw error
    return false
  }
}

async function requestSeen(
  options: LookOptions,
  asked: {
    readonly certificate: IssuedCertificate
    readonly pending: Pending
    readonly signal: AbortSignal
  },
): Promise<RequestSeen> {
  const { client, signerName } = options
  const { certificate, pending, signal } = asked
  const name = requestNameOf(pending)
  if (name === undefined) return { kind: 'absent' }
  const found = await readObject(client, certificateSigningRequests, { name, signal })
  if (found === undefined) return { kind: 'absent' }
  const { privateKeyPem } = pending
  if (!isOurs(found, signerName, { request: requestOf(privateKeyPem) })) return { kind: 'other' }
  const end = endOf(found)
  if (end !== undefined) return { kind: 'refused', why: `${end.kind}: ${end.why}` }
  const chainPem = found.status.certificate
  if (chainPem === '') return { kind: 'waiting' }
  // Without anchors nobody can tell whether it is one: that is waited for.
  const trustBundle = await options.anchors(signal)
  const credentialBundle = `${privateKeyPem}${chainPem}`
  try {
    verified(options, certificate, { credentialBundle, trustBundle })
    const by = revokedBy(chainPem, options)
    if (by === undefined) return { kind: 'issued', chainPem }
    const problem = `the certificate that was issued is not taken: it is revoked by the Revocation ${by}`
    return { kind: 'issued', chainPem, problem }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const problem = `the certificate that was issued is not taken: ${error.message} (${error.code})`
    return { kind: 'issued', chainPem, problem }
  }
}
