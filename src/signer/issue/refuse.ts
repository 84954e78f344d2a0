import { CountersignError } from '../../errors.ts'
import { cutToOctets, deniedStatus } from '../verdict/condition.ts'
import { notRecorded } from './issuance-options.ts'
import type { JudgingOptions, Outcome } from './issuance-options.ts'
import { askingPod, type PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { UnwrittenAnswer } from './ports.ts'
import { createdAt, refusalRecord } from './records.ts'
import { headNow, settleTerminal } from './settle.ts'
import type { DenyVerdict } from '../verdict/verdict.ts'

/** The whole of it is in the ledger, in the request and in the event. */
export const logOctetsMax = 1024

/**
 * Says no, for good: the refusal is recorded before the Denied is written, and whatever goes wrong with either leaves the
 * request pending. The queue comes again, and then the evidence is looked at again.
 */
export async function refuse(
  options: JudgingOptions,
  request: PodCertificateRequest,
  refusal: { readonly verdict: DenyVerdict; readonly signal: AbortSignal },
): Promise<Outcome> {
  const { verdict, signal } = refusal
  if (!(await recordRefusal(options, request, verdict))) {
    return { kind: 'again', why: 'ledger is not available', grave: true }
  }
  const status = deniedStatus(verdict, new Date(options.now()))
  const answer = await options.ports.publish(request, status, signal)
  if (answer.kind === 'written') {
    const { namespace, name } = request.metadata
    const { pod } = request.spec
    const why = cutToOctets(verdict.message, logOctetsMax)
    const fields = { namespace, pod: pod.name, request: name, reason: verdict.reason, why }
    options.log.info(fields, 'request is denied')
    // A pod that is over has nobody who could do anything about it.
    if (verdict.reason !== 'PodEnded') {
      options.ports.emitEvent({
        pod: askingPod(request),
        type: 'Warning',
        reason: 'CertificateDenied',
        message: `${verdict.reason}: ${verdict.message}`,
      })
    }
    return settled(options, request)
  }
  return notWritten(options, request, { answer, what: 'Denied' })
}

/** Whoever changes the request is seen at once. */
const leftSeconds = 1800

/** What comes of a condition that could not be written. */
export function notWritten(
  options: JudgingOptions,
  request: PodCertificateRequest,
  written: { readonly answer: UnwrittenAnswer; readonly what: 'Approved' | 'Denied' },
): Outcome {
  const { answer, what } = written
  const { kind, detail } = answer
  if (kind === 'gone') return { kind: 'done', as: 'gone' }
  if (kind === 'left') {
    return {
      kind: 'again',
      why: `${what} is not written: ${detail}`,
      grave: true,
      seconds: leftSeconds,
    }
  }
  // The next call reads the request as it is then, and finds one that was written after all.
  if (kind === 'conflict' || kind === 'unknown') {
    return { kind: 'again', why: `${what} is not written: ${kind}` }
  }
  const code = kind === 'not-permitted' ? 'signer/not-permitted' : 'signer/rejected'
  options.metrics.count('countersign_signer_errors_total', { code })
  options.log.error({ request: request.metadata.name, detail, code }, 'a verdict cannot be written')
  const why = `a verdict cannot be written: ${detail} (${code})`
  if (kind !== 'not-permitted') return { kind: 'again', why, grave: true, seconds: 60 }
  options.permission?.doubt()
  return { kind: 'again', why, grave: true }
}

async function recordRefusal(
  options: JudgingOptions,
  request: PodCertificateRequest,
  verdict: DenyVerdict,
): Promise<boolean> {
  const { uid } = request.metadata
  const { refusals } = options.history
  const known = refusals.get(uid)
  const issuanceId = known?.issuanceId ?? options.randomBytes(16).toString('hex')
  const latencySeconds = Math.max(0, (options.now() - createdAt(request)) / 1000)
  const head = headNow(options, issuanceId)
  const record = refusalRecord(head, request, { verdict, latencySeconds })
  // A Denied that could not be written is tried again, and is still the same refusal.
  if (known?.reason === record.reason && known.message === record.message) return true
  try {
    await options.ledger.append(record)
    refusals.set(uid, record)
    return true
  } catch (error) {
    notTaken(options, request.metadata.name, error)
    return false
  }
}

/** The Denied stands; an earlier certificate whose write was never answered was not published after all. */
async function settled(options: JudgingOptions, request: PodCertificateRequest): Promise<Outcome> {
  const terminal = { condition: 'Denied', certificateChain: '' }
  await settleRefusal(options, request.metadata.uid, terminal.condition)
  if (!(await settleTerminal(options, request.metadata.uid, terminal))) return notRecorded
  return { kind: 'done', as: 'denied' }
}

/** Says how a recorded refusal ended: the same record again, with its outcome. */
export async function settleRefusal(
  options: JudgingOptions,
  requestUid: string,
  condition: string,
): Promise<void> {
  const { refusals } = options.history
  const record = refusals.get(requestUid)
  if (record === undefined) return
  refusals.delete(requestUid)
  const outcome = condition === 'Denied' ? 'published' : 'unpublished'
  try {
    await options.ledger.append({ ...record, ...headNow(options, record.issuanceId), outcome })
  } catch (error) {
    // The refusal itself is on record: what is missing is only that it was also written.
    notTaken(options, record.request.name, error)
  }
}

function notTaken(options: JudgingOptions, request: string, error: unknown): void {
  const code = error instanceof CountersignError ? error.code : 'ledger/unavailable'
  options.metrics.count('countersign_signer_errors_total', { code })
  options.log.error({ error, request }, 'the ledger does not take records')
}
