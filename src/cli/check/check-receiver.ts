import { ok, problem, type Judgement } from '../../doctor/check.ts'
import { reachReceiver } from '../../policy/upload/reach.ts'
import type { UploadConfig } from '../../policy/upload/upload.ts'
import { messageOf } from './check-files.ts'

/** Whoever does not answer is not waited for. */
const connectMilliseconds = 5_000

/** Connects to the receiver of decisions, and sends nothing. */
export async function checkReceiver(upload: UploadConfig, signal: AbortSignal): Promise<Judgement> {
  try {
    await reachReceiver(upload, { signal, milliseconds: connectMilliseconds })
    return ok(`${upload.url} can be reached; whether it takes decisions shows when some are sent`)
  } catch (error) {
    return problem(messageOf(error), {
      evidence: [`decisionLog.upload.url: ${upload.url}`],
      hint: 'decisionLog.upload.tls and .credentials, and whether a NetworkPolicy lets the gateway through',
    })
  }
}
