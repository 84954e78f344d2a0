import { CountersignError } from '../../errors.ts'
import type { IssuanceApproval, IssuanceResult } from '../../ledger/record.ts'
import { publishedLeaf } from '../../pki/published-leaf.ts'
import type { OpenIntent } from './history.ts'
import type { JudgingOptions } from './issuance-options.ts'
import type {
  PodCertificateRequest,
  TerminalStatus,
} from '../../kubernetes/pod-certificate-request.ts'
import { concluded } from '../../ledger/concluded.ts'
import { recordedMessage, resultRecord } from './records.ts'
import type { Conclusion, RecordHead } from './records.ts'

/*
 * Every intent gets its result: at once, when the ledger is back, or after a restart. An intent whose write was never answered
 * is settled by the request itself, which says under which serial number it was issued.
 */

export function headNow(options: JudgingOptions, issuanceId: string): RecordHead {
  return {
    time: new Date(options.now()).toISOString(),
    replica: options.replica,
    issuanceId,
  }
}

/** Records the result. False while the ledger does not take it: the conclusion is kept and recorded by the next call. */
export async function conclude(
  options: JudgingOptions,
  open: OpenIntent,
  conclusion: Conclusion,
): Promise<boolean> {
  const { intent } = open
  const latencySeconds = Math.max(0, (options.now() - Date.parse(intent.time)) / 1000)
  const head = { time: new Date(options.now()).toISOString(), replica: options.replica }
  open.concluded ??= resultRecord(head, open, { conclusion, latencySeconds })
  return record(options, open, open.concluded)
}

async function record(
  options: JudgingOptions,
  open: OpenIntent,
  result: IssuanceResult,
): Promise<boolean> {
  const { intent } = open
  try {
    await options.ledger.append(result)
  } catch (error) {
    const code = error instanceof CountersignError ? error.code : 'ledger/unavailable'
    options.metrics.count('countersign_signer_errors_total', { code })
    options.log.error(
      { error, request: intent.request },
      'the result of an issuance is not recorded',
    )
    return false
  }
  options.history.intents.close(intent.issuanceId)
  return true
}

/** The request as it is now, which nobody can tell while the API server does not answer. */
export async function readBack(
  options: JudgingOptions,
  target: PodCertificateRequest,
  signal: AbortSignal,
): Promise<PodCertificateRequest | 'gone' | 'no-answer'> {
  try {
    return (await options.ports.read(target.metadata, signal)) ?? 'gone'
  } catch (error) {
    signal.throwIfAborted()
    options.log.warn({ error, name: target.metadata.name }, 'the request could not be read back')
    return 'no-answer'
  }
}

/** Records what was concluded while the ledger was not available. */
export async function flush(options: JudgingOptions, requestUid: string): Promise<boolean> {
  let recorded = true
  for (const open of options.history.intents.of(requestUid)) {
    if (open.concluded === undefined) continue
    recorded = (await record(options, open, open.concluded)) && recorded
  }
  return recorded
}

/** The request is terminal: each of its open intents was what it says, or was not. True when all are recorded. */
export async function settleTerminal(
  options: JudgingOptions,
  requestUid: string,
  terminal: TerminalStatus,
): Promise<boolean> {
  const opens = options.history.intents.of(requestUid)
  if (opens.length === 0) return true
  const leaf = publishedLeaf(terminal.certificateChain)
  let recorded = true
  for (const open of opens) {
    const ours = leaf !== undefined && sameSerial(leaf.serialNumber, open.intent.serialNumber)
    const conclusion: Conclusion = ours
      ? {
          outcome: 'published',
          detail: 'read back from the request',
          certificateSha256: leaf.certificateSha256,
          chainSha256: leaf.chainSha256,
        }
      : { outcome: 'unpublished', detail: `request is ${terminal.condition} otherwise` }
    recorded = (await conclude(options, open, conclusion)) && recorded
  }
  return recorded
}

/** Nobody can tell any more whether kubelet had read the certificate: it counts as issued until it expires. */
export async function settleGone(options: JudgingOptions, requestUid: string): Promise<void> {
  for (const open of options.history.intents.of(requestUid)) {
    const conclusion: Conclusion = { outcome: 'unknown', detail: 'request is gone' }
    if (await conclude(options, open, conclusion)) continue
    throw new CountersignError('ledger/unavailable', 'result of an issuance is not recorded')
  }
  const approval = options.history.approvals.get(requestUid)
  if (approval !== undefined && !(await concludeApproval(options, approval, 'unknown'))) {
    throw new CountersignError('ledger/unavailable', 'result of an approval is not recorded')
  }
  options.history.refusals.delete(requestUid)
}

/** Records what became of it. False while the ledger does not take that. */
export async function concludeApproval(
  options: JudgingOptions,
  approval: IssuanceApproval,
  outcome: IssuanceApproval['outcome'],
): Promise<boolean> {
  try {
    await options.ledger.append(concluded(approval, outcome, options.now()))
  } catch (error) {
    const code = error instanceof CountersignError ? error.code : 'ledger/unavailable'
    options.metrics.count('countersign_signer_errors_total', { code })
    options.log.error(
      { error, request: approval.request },
      'the end of an approval is not recorded',
    )
    return false
  }
  options.history.approvals.delete(approval.request.uid)
  return true
}

/** The request is over: it has the words of our approval, or never will. */
export async function settleApproval(
  options: JudgingOptions,
  { metadata, stated }: PodCertificateRequest,
): Promise<boolean> {
  const approval = options.history.approvals.get(metadata.uid)
  if (approval === undefined) return true
  const isOurs = stated?.conditions.some(
    ({ type, message }) =>
      type === 'Approved' && recordedMessage(String(message)) === approval.message,
  )
  return concludeApproval(options, approval, isOurs === true ? 'published' : 'unpublished')
}

/** Hex digits of the same integer: leading zeros and case are spelling. */
function sameSerial(left: string, right: string): boolean {
  return BigInt(`0x${left}`) === BigInt(`0x${right}`)
}
