import { openDecisionLog, type DecisionLogFile } from '../../policy/decision-log.ts'
import type { PolicyEngine } from '../../policy/engine.ts'
import { openUpload, type Upload } from '../../policy/upload/upload.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Condition } from '../../readiness.ts'
import type { GatewayConfig } from './gateway-configuration.ts'

/** Some ten thousand calls that wait to be recorded. */
const bufferOctetsMin = 8 * 1024 * 1024

/** The log of a gateway, with what sends it where that is configured. */
export interface OpenDecisionLog extends AsyncDisposable {
  readonly decisionLog: DecisionLogFile
  readonly upload: Upload | undefined
}

/** Throws `policy/log`, `policy/upload`. */
export async function openOwnDecisionLog(
  config: GatewayConfig,
  parts: {
    /** Of the process, in its events. */
    readonly labels?: Readonly<Record<string, string>>
    readonly id: () => string
    readonly engine: PolicyEngine
    readonly inputOctetsMax: number
    readonly now: () => number
    readonly log: Log
    readonly metrics: Metrics
  },
): Promise<OpenDecisionLog> {
  const { labels, id, inputOctetsMax, engine, now, log, metrics } = parts
  const { upload: target, ...logged } = config.decisionLog
  await using opened = new AsyncDisposableStack()
  const upload =
    target === undefined
      ? undefined
      : opened.use(await openUpload(target, { file: logged.file, log, metrics }))
  const decisionLog = opened.use(
    await openDecisionLog({
      ...logged,
      engine,
      now,
      log,
      metrics,
      ...(upload === undefined ? {} : { moveAside: upload.moveAside }),
      rotation: logged,
      // Two of the largest, so that one can be taken while another is written.
      bufferOctetsMax: Math.max(bufferOctetsMin, 2 * inputOctetsMax),
      labels: () => ({ id: id(), ...labels }),
    }),
  )
  upload?.start()
  const all = opened.move()
  return { decisionLog, upload, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Calls are served without: what is not sent is kept, until the log has no room for it. */
export function uploadConditions({ upload }: OpenDecisionLog): readonly Condition[] {
  if (upload === undefined) return []
  const name = 'decision-log-upload'
  const { problem } = upload
  if (problem === undefined) return [{ name, ok: true, reason: 'decisions are sent' }]
  const reason = `decisions are kept, and not sent: ${problem.message}`
  return [{ name, ok: false, optional: true, reason }]
}
