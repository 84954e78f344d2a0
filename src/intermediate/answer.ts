import { CountersignError } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import {
  answerCertificateSigningRequest,
  certificateSigningRequests,
  judgeCertificateSigningRequest,
  type CertificateSigningRequest,
} from '../kubernetes/certificate-signing-request.ts'
import { readObject } from '../kubernetes/objects.ts'
import type { Metadata } from '../kubernetes/resource.ts'
import { pods, serviceAccounts } from '../kubernetes/workloads.ts'
import { concluded } from '../ledger/concluded.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { AuthorityVerdict } from '../ledger/record.ts'
import type { Authority } from '../pki/authority.ts'
import { parseCaCertificate, type CaCertificate } from '../pki/ca-certificate.ts'
import { newSerial } from '../pki/certificate-write.ts'
import { prepareIntermediate, signIntermediate, type Intermediate } from '../pki/intermediate.ts'
import { formatCertificates, parsePem } from '../pki/pem.ts'
import { denialRecord, intentRecord } from './records.ts'
import {
  isOfRequester,
  judgeKey,
  judgeRequester,
  readAsked,
  type Asked,
  type Denial,
  type IntermediateRules,
} from './judge.ts'

export interface AnswerOptions {
  readonly client: ApiClient
  readonly rules: IntermediateRules
  /** Throws `pki/authority-unavailable` while there is none. */
  readonly authority: () => Authority
  /** Why nothing may be signed now: the clock may be wrong. */
  readonly unfit: () => string | undefined
  readonly ledger: Pick<Ledger, 'append'>
  /** What was begun and not seen to end, by the request's UID. */
  readonly open: Map<string, AuthorityVerdict>
  /** By SHA-256 of a key: UID of the request that a CA was issued to for it. */
  readonly keys: Map<string, string>
  /** Takes one of those of the hour; undefined: there is one, else seconds until then. */
  readonly pace: () => number | undefined
  readonly replica: string
  readonly now: () => number
}

/** What became of a request. */
export type Answered =
  | { readonly kind: 'issued' | 'denied' | 'over'; readonly why: string }
  | { readonly kind: 'waits'; readonly why: string; readonly seconds?: number }

const over = (why: string): Answered => ({ kind: 'over', why })
type Waiting = Extract<Answered, { readonly kind: 'waits' }>
const waits = (why: string): Waiting => ({ kind: 'waits', why })

/** As long as an intent may be taken up again: what is published of it begins no earlier. */
const intentMillisecondsMax = 600_000

/**
 * Answers one request, as far as it goes now. What is written was recorded before, and each look begins with what the API server has: wherever
 * it is cut short, the next one goes on from there, and signs nothing else for the same request.
 */
export async function answerRequest(
  options: AnswerOptions,
  { name, uid }: Pick<Metadata, 'name' | 'uid'>,
  signal: AbortSignal,
): Promise<Answered> {
  const { client, rules, open } = options
  const request = await readObject(client, certificateSigningRequests, { name, signal })
  if (request?.metadata.uid !== uid) {
    const known = open.get(uid)
    if (known !== undefined) await conclude(options, known, { outcome: 'unknown' })
    return over('it is gone')
  }
  if (isAnswered(request.status)) return settled(options, request)
  if (request.spec.signerName !== rules.signerName) return over('it is of another signer')
  if (!isOfRequester(request.spec.username, rules)) return over('somebody else has asked')
  const unfit = options.unfit()
  if (unfit !== undefined) return waits(unfit)
  const judged = await judge(options, request, signal)
  if (judged.kind === 'deny') return denied(options, request, { denial: judged, signal })
  return issued(options, request, { asked: judged, signal })
}

/** It will have no other answer. An approval alone is none. */
export function isAnswered(status: CertificateSigningRequest['status']): boolean {
  return (
    status.certificate !== '' || hasCondition(status, 'Denied') || hasCondition(status, 'Failed')
  )
}

function hasCondition({ conditions }: CertificateSigningRequest['status'], type: string): boolean {
  return conditions.some((condition) => condition['type'] === type)
}

/** What was begun for it has ended: whether as we began it, its answer tells. */
async function settled(
  options: AnswerOptions,
  request: CertificateSigningRequest,
): Promise<Answered> {
  const known = options.open.get(request.metadata.uid)
  if (known !== undefined) {
    const ca = issuedOf(request)
    const isOurs =
      known.verdict === 'denied'
        ? hasCondition(request.status, 'Denied')
        : ca?.certificate.serialNumber.toString('hex') === known.issuanceId
    const certificateSha256 = known.verdict === 'issued' && isOurs ? ca?.sha256 : undefined
    const outcome = isOurs ? 'published' : 'unpublished'
    await conclude(options, known, { outcome, certificateSha256 })
  }
  return over('it is answered already')
}

function issuedOf({ status }: CertificateSigningRequest): CaCertificate | undefined {
  if (status.certificate === '') return undefined
  try {
    const what = { code: 'pki/authority', what: 'certificate', charactersMax: 131_072 } as const
    const [first] = parsePem(status.certificate, what)
    return first && parseCaCertificate(first.der, 'pki/authority')
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
  }
}

async function judge(
  { client, rules, keys }: AnswerOptions,
  request: CertificateSigningRequest,
  signal: AbortSignal,
): Promise<Asked | Denial> {
  const asked = readAsked(request, rules)
  if (asked.kind === 'deny') return asked
  const { namespace, serviceAccount } = rules.requester
  const [account, pod] = await Promise.all([
    readObject(client, serviceAccounts, { namespace, name: serviceAccount, signal }),
    readObject(client, pods, { namespace, name: asked.podName, signal }),
  ])
  const found = pod && {
    uid: pod.metadata.uid,
    serviceAccountName: pod.serviceAccountName,
    isOver:
      pod.metadata.deletionTimestamp !== undefined ||
      pod.phase === 'Succeeded' ||
      pod.phase === 'Failed',
  }
  const evidence = { accountUid: account?.metadata.uid, pod: found }
  return (
    judgeRequester(asked, request, { evidence, rules }) ??
    judgeKey(asked, request.metadata, keys) ??
    asked
  )
}

async function issued(
  options: AnswerOptions,
  request: CertificateSigningRequest,
  { asked, signal }: { readonly asked: Asked; readonly signal: AbortSignal },
): Promise<Answered> {
  const { client, rules, now } = options
  const authority = options.authority()
  const begun = await intentOf(options, request, { asked, authority })
  if ('kind' in begun) return begun
  const { record, intermediate } = begun
  // The record took its time, and evidence is what is so now.
  const again = await judge(options, request, signal)
  const unfit = options.unfit()
  if (again.kind === 'deny' || unfit !== undefined) {
    await conclude(options, record, { outcome: 'unpublished' })
    return waits(unfit ?? 'what proves it has changed meanwhile')
  }
  const approved = hasCondition(request.status, 'Approved')
    ? request
    : await judgeCertificateSigningRequest(client, {
        metadata: request.metadata,
        conditions: request.status.conditions,
        condition: {
          type: 'Approved',
          reason: record.reason,
          message: record.message,
          time: wholeSeconds(now()),
        },
        signal,
      })
  const ca = await signIntermediate(authority, intermediate, now)
  const certificateChain = formatCertificates([ca.der, ...authority.chain])
  const { metadata } = approved
  await answerCertificateSigningRequest(client, { metadata, certificateChain, signal })
  await conclude(options, record, { outcome: 'published', certificateSha256: ca.sha256 })
  return { kind: 'issued', why: `CA ${ca.sha256} of ${rules.trustDomain}` }
}

/** The one that was begun for this request where that still stands, so that a request has never two; else a new one. */
async function intentOf(
  options: AnswerOptions,
  request: CertificateSigningRequest,
  { asked, authority }: { readonly asked: Asked; readonly authority: Authority },
): Promise<Waiting | { readonly record: AuthorityVerdict; readonly intermediate: Intermediate }> {
  const { rules, ledger, open, keys, now, replica } = options
  const { uid } = request.metadata
  const before = open.get(uid)
  const issuerSha256 = authority.certificate.sha256
  if (before !== undefined) {
    const going = goesOn(before, { asked, issuerSha256, rules, now: now() })
    if (going !== undefined) return { record: before, intermediate: going }
    await conclude(options, before, { outcome: 'unpublished' })
  }
  const { key, lifetimeSeconds } = asked
  const serial = newSerial()
  const intermediate = prepareIntermediate(authority, {
    key,
    serial,
    dnsSuffixes: rules.dnsSuffixes,
    lifetimeSeconds,
    now: now(),
  })
  const seconds = options.pace()
  if (seconds !== undefined)
    return { ...waits('its cluster has had as many CAs as it may within an hour'), seconds }
  const head = headOf(request, { issuanceId: serial.toString('hex'), now: now(), replica })
  const { trustDomain } = rules
  const record = intentRecord(request, head, { asked, intermediate, trustDomain, issuerSha256 })
  await ledger.append(record)
  open.set(uid, record)
  keys.set(key.sha256, uid)
  return { record, intermediate }
}

function goesOn(
  { verdict, time, issuanceId, spkiSha256, authority }: AuthorityVerdict,
  at: {
    readonly asked: Asked
    readonly issuerSha256: string
    readonly rules: IntermediateRules
    readonly now: number
  },
): Intermediate | undefined {
  const { asked, issuerSha256, rules, now } = at
  if (verdict !== 'issued' || authority === undefined) return undefined
  const isSame =
    authority.issuerSha256 === issuerSha256 &&
    authority.trustDomain === rules.trustDomain &&
    authority.dnsSuffixes.join() === rules.dnsSuffixes.join() &&
    spkiSha256 === asked.key.sha256 &&
    Math.abs(now - Date.parse(time)) <= intentMillisecondsMax
  if (!isSame) return undefined
  return {
    key: asked.key,
    serial: Buffer.from(issuanceId, 'hex'),
    dnsSuffixes: authority.dnsSuffixes,
    notBefore: new Date(authority.notBefore),
    notAfter: new Date(authority.notAfter),
  }
}

async function denied(
  options: AnswerOptions,
  request: CertificateSigningRequest,
  { denial, signal }: { readonly denial: Denial; readonly signal: AbortSignal },
): Promise<Answered> {
  const { client, ledger, open, now, replica } = options
  const { metadata, status } = request
  const { reason, message } = denial
  // An approval stands for ever, and what was approved is not to be signed.
  if (hasCondition(status, 'Approved'))
    return waits(`${message}; it is approved, and is not signed`)
  let record = open.get(metadata.uid)
  if (record?.verdict !== 'denied' || record.message !== message) {
    if (record !== undefined) await conclude(options, record, { outcome: 'unpublished' })
    const seconds = options.pace()
    if (seconds !== undefined) return { ...waits(message), seconds }
    const issuanceId = newSerial().toString('hex')
    record = denialRecord(request, headOf(request, { issuanceId, now: now(), replica }), denial)
    await ledger.append(record)
    open.set(metadata.uid, record)
  }
  await judgeCertificateSigningRequest(client, {
    metadata,
    conditions: status.conditions,
    condition: { type: 'Denied', reason, message: record.message, time: wholeSeconds(now()) },
    signal,
  })
  await conclude(options, record, { outcome: 'published' })
  return { kind: 'denied', why: `${reason}: ${message}` }
}

async function conclude(
  { ledger, open, now }: AnswerOptions,
  record: AuthorityVerdict,
  end: {
    readonly outcome: AuthorityVerdict['outcome']
    readonly certificateSha256?: string | undefined
  },
): Promise<void> {
  const { outcome, certificateSha256 } = end
  await ledger.append({
    ...concluded(record, outcome, now()),
    ...(certificateSha256 === undefined ? {} : { certificateSha256 }),
  })
  open.delete(record.request.uid)
}

function headOf(
  { metadata }: CertificateSigningRequest,
  at: { readonly issuanceId: string; readonly now: number; readonly replica: string },
): Pick<AuthorityVerdict, 'time' | 'replica' | 'issuanceId' | 'latencySeconds'> {
  const { issuanceId, now, replica } = at
  const created = metadata.creationTimestamp?.getTime() ?? now
  const latencySeconds = Math.max(0, (now - created) / 1000)
  return { time: new Date(now).toISOString(), replica, issuanceId, latencySeconds }
}

function wholeSeconds(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}
