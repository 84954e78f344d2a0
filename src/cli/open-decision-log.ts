import { createPublicKey } from 'node:crypto'
import type { CheckpointOptions } from '../policy/checkpoints/signed-lines.ts'
import { openDecisionLog, type DecisionLogFile } from '../policy/decision-log.ts'
import type { PolicyEngine } from '../policy/engine.ts'
import type { ListDetail } from '../policy/event.ts'
import { openUpload, type Upload } from '../policy/upload/upload.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Condition } from '../readiness.ts'
import { logFolderOf } from '../tlog/log-folder.ts'
import { readLogKey } from '../tlog/log-key.ts'
import { createVerifier, formatVerifierKey } from '../tlog/note.ts'
import type { DecisionLogConfig } from './decision-log.ts'

/** Some ten thousand calls that wait to be recorded. */
const bufferOctetsMin = 8 * 1024 * 1024

/** The decision log of a gateway or a signer, with what sends it where that is configured. */
export interface OpenDecisionLog extends AsyncDisposable {
  readonly decisionLog: DecisionLogFile
  readonly upload: Upload | undefined
}

/** Throws `policy/log`, `policy/upload`, `ledger/log-key`, and `ledger/corrupt` for checkpoints of another key. */
export async function openOwnDecisionLog(
  config: DecisionLogConfig & { readonly lists?: ListDetail },
  parts: {
    /** Who writes, in each event. */
    readonly labels: () => Readonly<Record<string, string>>
    /** The name of its checkpoints, where none is configured. */
    readonly origin: string
    /** Which of several that write logs of that name. */
    readonly worker?: string | undefined
    readonly engine: PolicyEngine
    /** Of what policy is asked, where that has a bound. */
    readonly inputOctetsMax?: number
    readonly now: () => number
    readonly log: Log
    readonly metrics: Metrics
  },
): Promise<OpenDecisionLog> {
  const { inputOctetsMax = 0, origin, worker, ...others } = parts
  const { log, metrics } = parts
  const { upload: target, ...logged } = config
  await using opened = new AsyncDisposableStack()
  const upload =
    target === undefined
      ? undefined
      : opened.use(await openUpload(target, { file: logged.file, log, metrics }))
  const checkpoints = await checkpointsOf(config, { origin, worker, log })
  const decisionLog = opened.use(
    await openDecisionLog({
      ...logged,
      ...others,
      checkpoints,
      ...(upload === undefined ? {} : { moveAside: upload.moveAside }),
      rotation: logged,
      // Two of the largest, so that one can be taken while another is written.
      bufferOctetsMax: Math.max(bufferOctetsMin, 2 * inputOctetsMax),
    }),
  )
  upload?.start()
  const all = opened.move()
  return { decisionLog, upload, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Each log is named for its one writer: two logs of one name would be two histories. */
async function checkpointsOf(
  { checkpoints, file }: DecisionLogConfig,
  {
    origin,
    worker,
    log,
  }: { readonly origin: string; readonly worker: string | undefined; readonly log: Log },
): Promise<CheckpointOptions | undefined> {
  if (checkpoints === undefined) return undefined
  const { keyFile, makeKey, everySeconds } = checkpoints
  const privateKey = await readLogKey(keyFile, { make: makeKey })
  const own = checkpoints.origin ?? origin
  const name = worker === undefined ? own : `${own}/${worker}`
  const signer = { ...createVerifier(name, createPublicKey(privateKey)), privateKey }
  const verifierKey = formatVerifierKey(signer)
  log.info({ folder: logFolderOf(file), verifierKey }, 'the decision log is signed')
  return { signer, everySeconds }
}

/** What is decided is decided without: what is not sent is kept, until the log has no room for it. */
export function uploadConditions({ upload }: OpenDecisionLog): readonly Condition[] {
  if (upload === undefined) return []
  const name = 'decision-log-upload'
  const { problem } = upload
  if (problem === undefined) return [{ name, ok: true, reason: 'decisions are sent' }]
  const reason = `decisions are kept, and not sent: ${problem.message}`
  return [{ name, ok: false, optional: true, reason }]
}
