import { CountersignError } from '../../errors.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { IssuanceIntent } from '../../ledger/record.ts'
import type { IssuanceRequest, IssuedCertificate, Prepared } from '../../pki/issue.ts'
import { cutToOctets, issuedStatus, refusalMessage } from '../verdict/condition.ts'
import { denied } from '../verdict/evaluate.ts'
import type { DenyVerdict, IssueVerdict } from '../verdict/verdict.ts'
import { askingPod, type PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { rememberIntent } from './history.ts'
import type { OpenIntent } from './history.ts'
import { notRecorded } from './issuance-options.ts'
import type { IssuanceOptions, Outcome } from './issuance-options.ts'
import type { PublishAnswer } from './ports.ts'
import { createdAt, intentRecord } from './records.ts'
import type { Conclusion } from './records.ts'
import { logOctetsMax, notWritten, refuse } from './refuse.ts'
import { conclude, headNow, readBack, settleTerminal } from './settle.ts'

/** A certificate whose notBefore is older is signed anew: the API server takes less than five minutes, strictly. */
const staleSeconds = 240

/** The same octets are sent so often before the request goes back to the queue. */
const publishAttemptsMax = 4

interface Step {
  readonly verdict: IssueVerdict
  readonly signal: AbortSignal
}

/** From a verdict to a published certificate: approve where that is asked for, prepare, record the intent, sign, publish, record the result. */
export async function issue(
  options: IssuanceOptions,
  asked: PodCertificateRequest,
  step: Step,
): Promise<Outcome> {
  const { verdict, signal } = step
  const issuanceId = options.randomBytes(16).toString('hex')
  let prepared: Prepared
  try {
    prepared = options.issuer.prepare(issuanceRequest(options, step, issuanceId))
  } catch (error) {
    return notPrepared(options, asked, { ...step, error })
  }
  // Last of all that may refuse: an approval cannot be taken back.
  const approval = await options.ports.approve?.(asked, verdict, signal)
  if (approval?.kind === 'awaited') return { kind: 'again', why: approval.why }
  if (approval !== undefined && approval.kind !== 'approved') {
    return notWritten(options, asked, { answer: approval, what: 'Approved' })
  }
  const request = approval?.request ?? asked
  const intent = intentRecord(headNow(options, issuanceId), {
    verdict,
    prepared,
  })
  // Before the append waits: of two pods with one key in the same moment the second finds it taken.
  const { keys } = options.history
  rememberIntent(options.history, intent)
  if (keys.ownerOf(intent.spkiSha256) !== intent.pod.uid) {
    return { kind: 'again', why: 'key was taken by another pod' }
  }
  const open = await recordIntent(options, intent)
  if (open === undefined) return { kind: 'again', why: 'ledger is not available', grave: true }
  // The record took its time. What it says has to be true of the moment in which the key moves.
  const undeclared = await options.ports.undeclared?.(verdict, signal)
  const changed = undeclared ?? options.ports.changed(verdict)
  if (changed !== undefined) {
    await conclude(options, open, { outcome: 'unpublished', detail: `not signed: ${changed}` })
    return { kind: 'again', why: changed }
  }
  let issued: IssuedCertificate
  try {
    issued = await options.issuer.issue(prepared)
  } catch (error) {
    return notSigned(options, open, error)
  }
  return publish(options, request, { ...step, open, issued })
}

function issuanceRequest(
  options: IssuanceOptions,
  { verdict }: Step,
  issuanceId: string,
): IssuanceRequest {
  return {
    identity: identityOf(verdict, { cluster: options.profile.cluster, issuanceId }),
    dnsNames: verdict.dnsNames,
    key: verdict.claims.key,
    lifetimeSeconds: verdict.lifetimeSeconds,
  }
}

/** Who the certificate says that the pod is. */
export function identityOf(
  verdict: IssueVerdict,
  parts: { readonly cluster: string; readonly issuanceId: string },
): WorkloadIdentity {
  const { role, tenant, claim } = verdict
  return {
    spiffeId: verdict.spiffeId,
    ...parts,
    namespace: verdict.namespace,
    serviceAccount: verdict.serviceAccount,
    pod: verdict.pod,
    node: verdict.node,
    evidenceDigest: verdict.evidenceDigest,
    policyDigest: verdict.policy.digest,
    ...(role === undefined ? {} : { role }),
    ...(tenant === undefined ? {} : { tenant }),
    ceiling: verdict.ceiling,
    ...(claim === undefined ? {} : { claim }),
  }
}

/** Nothing was signed. Only a ceiling too large for any certificate is the request's own fault. */
async function notPrepared(
  options: IssuanceOptions,
  request: PodCertificateRequest,
  step: Step & { readonly error: unknown },
): Promise<Outcome> {
  const { error, signal } = step
  if (!(error instanceof CountersignError)) throw error
  if (error.code === 'pki/ceiling-too-large') {
    return refuse(options, request, { verdict: tooLarge(step.verdict, error), signal })
  }
  countError(options, error.code)
  const { namespace, name } = request.metadata
  options.log.error({ error, namespace, request: name }, 'no certificate can be signed')
  const why = `no certificate can be signed: ${error.message} (${error.code})`
  return { kind: 'again', why, grave: true }
}

export function tooLarge({ ceiling }: IssueVerdict, { message }: CountersignError): DenyVerdict {
  const { models, toolScopes } = ceiling
  return denied({
    reason: 'InvalidUnverifiedUserAnnotations',
    fields: [
      {
        field: 'userAnnotations',
        asked: `${models.length} models and ${toolScopes.length} tool scopes`,
        proved: message,
        change: 'ask for fewer models, or for tool scopes with a prefix',
      },
    ],
  })
}

/** No record, no signature. */
async function recordIntent(
  options: IssuanceOptions,
  intent: IssuanceIntent,
): Promise<OpenIntent | undefined> {
  try {
    const { index } = await options.ledger.append(intent)
    const open = { index, intent }
    options.history.intents.add(open)
    return open
  } catch (error) {
    const code = error instanceof CountersignError ? error.code : 'ledger/unavailable'
    countError(options, code)
    options.log.error({ error, request: intent.request }, 'the ledger does not take records')
    return undefined
  }
}

async function notSigned(
  options: IssuanceOptions,
  open: OpenIntent,
  error: unknown,
): Promise<Outcome> {
  const code = error instanceof CountersignError ? error.code : 'unexpected error'
  countError(options, code)
  options.log.error({ error, request: open.intent.request }, 'signing gave no certificate')
  await conclude(options, open, { outcome: 'unpublished', detail: `not signed: ${code}` })
  return { kind: 'again', why: `signing gave no certificate: ${code}` }
}

interface Publication extends Step {
  readonly open: OpenIntent
  readonly issued: IssuedCertificate
}

/** Sends the same octets until the API server took them, or until it is proved that it never will. */
async function publish(
  options: IssuanceOptions,
  request: PodCertificateRequest,
  publication: Publication,
): Promise<Outcome> {
  const { open, issued, signal } = publication
  const status = issuedStatus(issued, new Date(options.now()))
  let target = request
  /** An answer was lost, so a write may still be on its way: no record may say that nothing was published. */
  let unsure = false
  let answer: PublishAnswer = { kind: 'unknown', status: undefined, detail: 'not sent' }
  for (let attempt = 1; attempt <= publishAttemptsMax; attempt += 1) {
    answer = await options.ports.publish(target, status, signal)
    if (answer.kind === 'written') return published(options, publication)
    unsure ||= answer.kind === 'unknown'
    if (answer.kind === 'not-permitted') break
    const current = answer.kind === 'gone' ? 'gone' : await readBack(options, target, signal)
    if (current === 'gone') {
      await conclude(options, open, notPublished(answer, unsure))
      return { kind: 'done', as: 'gone' }
    }
    if (current !== 'no-answer') {
      const { terminal } = current.status
      if (terminal !== undefined) {
        const settled = await settleTerminal(options, current.metadata.uid, terminal)
        return settled ? { kind: 'done', as: 'settled' } : notRecorded
      }
      if (answer.kind === 'stale' || answer.kind === 'rejected') break
      target = current
    }
    if (unsure && attempt < publishAttemptsMax) await options.delay(100 * 2 ** attempt, signal)
    if (options.now() - issued.notBefore.getTime() > staleSeconds * 1000) break
  }
  if (!unsure) await conclude(options, open, notPublished(answer, unsure))
  return givenUp(options, open, answer)
}

function notPublished(answer: PublishAnswer, unsure: boolean): Conclusion {
  return {
    outcome: unsure ? 'unknown' : 'unpublished',
    detail: answer.kind === 'written' ? '' : `${answer.kind}: ${answer.detail}`,
    ...(answer.kind === 'written' ? {} : { apiStatus: answer.status }),
  }
}

/** What a failed write means for whoever runs the signer, and when to come again. */
const givenUpAs = {
  'not-permitted': {
    code: 'signer/not-permitted',
    message: 'this signer may not write its certificates',
    // The next look begins with what the API server then says of our rights.
    pace: {},
  },
  rejected: {
    code: 'signer/rejected',
    message: 'the API server rejects what was signed',
    pace: { seconds: 60 },
  },
  // At the pace of the queue's back-off: with a skewed clock the next certificate is stale too.
  stale: {
    code: 'signer/stale',
    message: 'notBefore is too far from the clock of the API server',
    pace: {},
  },
} as const

/** The intent of an unsure write stays open: the request itself will tell, when it is terminal or gone. */
function givenUp(options: IssuanceOptions, open: OpenIntent, answer: PublishAnswer): Outcome {
  if (answer.kind !== 'not-permitted' && answer.kind !== 'rejected' && answer.kind !== 'stale') {
    return { kind: 'again', why: `certificate is not published: ${answer.kind}` }
  }
  const { code, message, pace } = givenUpAs[answer.kind]
  countError(options, code)
  options.log.error({ request: open.intent.request, detail: answer.detail, code }, message)
  if (answer.kind === 'not-permitted') options.permission?.doubt()
  return { kind: 'again', why: `${message}: ${answer.detail} (${code})`, grave: true, ...pace }
}

async function published(options: IssuanceOptions, publication: Publication): Promise<Outcome> {
  const { open, issued, verdict } = publication
  const { asked } = verdict.claims
  const { metadata, spec } = asked
  const { namespace } = metadata
  // By the API server's clock it may have been made after ours says that it is answered.
  const seconds = Math.max(0, (options.now() - createdAt(asked)) / 1000)
  options.metrics.observe('countersign_signer_issuance_seconds', seconds)
  const fields = {
    namespace,
    pod: spec.pod.name,
    request: metadata.name,
    spiffeId: verdict.spiffeId.uri,
    serialNumber: issued.serialNumber,
    notAfter: issued.notAfter.toISOString(),
  }
  options.log.info(fields, 'certificate is issued')
  tellPod(options, publication)
  await conclude(options, open, {
    outcome: 'published',
    detail: '',
    certificateSha256: issued.sha256,
    chainSha256: issued.chainSha256,
    apiStatus: 200,
  })
  // An earlier certificate of an unsure write can no longer be the one. This one is tried once more if the ledger failed it.
  const terminal = { condition: 'Issued', certificateChain: issued.chainPem }
  const settled = await settleTerminal(options, metadata.uid, terminal)
  return settled ? { kind: 'done', as: 'issued' } : notRecorded
}

/** One event a certificate: that it was issued, or what of it would be denied where the namespace is enforced. */
function tellPod({ ports, log }: IssuanceOptions, { verdict, issued }: Publication): void {
  const { asked } = verdict.claims
  const { namespace, name: request } = asked.metadata
  const pod = askingPod(asked)
  const { serialNumber, notAfter } = issued
  const certificate = `certificate ${serialNumber} for ${verdict.spiffeId.uri} until ${notAfter.toISOString()}`
  if (verdict.wouldDeny === undefined) {
    ports.emitEvent({
      pod,
      type: 'Normal',
      reason: 'CertificateIssued',
      message: certificate,
    })
    return
  }
  const { reason } = verdict.wouldDeny
  const message = refusalMessage(verdict.wouldDeny)
  const why = cutToOctets(message, logOctetsMax)
  const fields = { namespace, pod: pod.name, request, serialNumber, reason, why }
  log.warn(fields, 'a certificate was issued without what would be denied')
  ports.emitEvent({
    pod,
    type: 'Warning',
    reason: 'CertificateWouldBeDenied',
    message: `issued without what an enforced namespace is denied for: ${reason}: ${message}. It is ${certificate}`,
  })
}

function countError(options: IssuanceOptions, code: string): void {
  options.metrics.count('countersign_signer_errors_total', { code })
}
