import { CountersignError } from '../../errors.ts'
import type { IssuanceApproval } from '../../ledger/record.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { DerWriter } from '../../pki/der-write.ts'
import { writeIdentityExtension } from '../../pki/identity-extension.ts'
import { approvalMessage } from '../verdict/condition.ts'
import type { DenyVerdict, IssueVerdict } from '../verdict/verdict.ts'
import { rememberApproval } from './history.ts'
import { notRecorded } from './issuance-options.ts'
import type { JudgingOptions, Outcome } from './issuance-options.ts'
import { identityOf, tooLarge } from './issue.ts'
import { approvalRecord, createdAt, recordedMessage } from './records.ts'
import { notWritten, refuse } from './refuse.ts'
import { concludeApproval, headNow } from './settle.ts'

/** More than the largest identity extension. */
const extensionOctetsMax = 32 * 1024

/**
 * From a verdict to an approval, which stands for ever: recorded first, and written only while what proved it holds. Whoever signs proves it
 * once more, for time passes in between.
 */
export async function approve(
  options: JudgingOptions,
  request: PodCertificateRequest,
  step: { readonly verdict: IssueVerdict; readonly signal: AbortSignal },
): Promise<Outcome> {
  const { verdict, signal } = step
  const { history, ports } = options
  const { name, namespace } = request.metadata
  const issuanceId = options.randomBytes(16).toString('hex')
  const refusal = uncertifiable(options, verdict, issuanceId)
  if (refusal !== undefined) return refuse(options, request, { verdict: refusal, signal })
  const approval = approvalOf(options, { request, verdict, issuanceId })
  // Before the append waits: of two pods with one key in the same moment the second finds it taken.
  rememberApproval(history, approval)
  if (history.keys.ownerOf(approval.spkiSha256) !== approval.pod.uid) {
    return { kind: 'again', why: 'key was taken by another pod' }
  }
  if (!(await recordApproval(options, approval))) {
    return { kind: 'again', why: 'ledger is not available', grave: true }
  }
  const changed = (await ports.undeclared?.(verdict, signal)) ?? ports.changed(verdict)
  if (changed !== undefined) {
    await concludeApproval(options, approval, 'unpublished')
    return { kind: 'again', why: changed }
  }
  const answer = await ports.approve?.(request, verdict, signal)
  if (answer?.kind === 'awaited') return { kind: 'again', why: answer.why }
  if (answer !== undefined && answer.kind !== 'approved') {
    if (answer.kind === 'gone') await concludeApproval(options, approval, 'unpublished')
    return notWritten(options, request, { answer, what: 'Approved' })
  }
  history.pace.note(approval.pod.uid, options.now())
  const { spiffeId, pod } = verdict
  const fields = { namespace, pod: pod.name, request: name, spiffeId: spiffeId.uri }
  options.log.info(fields, 'request is approved')
  const isRecorded = await concludeApproval(options, approval, 'published')
  return isRecorded ? { kind: 'done', as: 'approved' } : notRecorded
}

/** What could be signed for nobody, which its signer could not deny any more. */
function uncertifiable(
  { profile: { cluster } }: JudgingOptions,
  verdict: IssueVerdict,
  issuanceId: string,
): DenyVerdict | undefined {
  try {
    const writer = new DerWriter(extensionOctetsMax)
    writeIdentityExtension(writer, identityOf(verdict, { cluster, issuanceId }))
    return undefined
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code !== 'pki/ceiling-too-large') throw error
    return tooLarge(verdict, error)
  }
}

/** One that could not be written is tried again, and is still the same. */
function approvalOf(
  options: JudgingOptions,
  {
    request,
    verdict,
    issuanceId,
  }: {
    readonly request: PodCertificateRequest
    readonly verdict: IssueVerdict
    readonly issuanceId: string
  },
): IssuanceApproval {
  const message = recordedMessage(approvalMessage(verdict))
  const known = options.history.approvals.get(request.metadata.uid)
  if (known?.message === message && known.evidenceDigest === verdict.evidenceDigest) return known
  const latencySeconds = Math.max(0, (options.now() - createdAt(request)) / 1000)
  return approvalRecord(headNow(options, issuanceId), { verdict, message, latencySeconds })
}

/** No record, no approval. */
async function recordApproval(
  options: JudgingOptions,
  approval: IssuanceApproval,
): Promise<boolean> {
  const { approvals } = options.history
  const { uid, name } = approval.request
  if (approvals.get(uid) === approval) return true
  try {
    await options.ledger.append(approval)
  } catch (error) {
    const code = error instanceof CountersignError ? error.code : 'ledger/unavailable'
    options.metrics.count('countersign_signer_errors_total', { code })
    options.log.error({ error, request: name }, 'the ledger does not take records')
    return false
  }
  approvals.set(uid, approval)
  return true
}
