import { randomUUID } from 'node:crypto'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { createIssuancePolicy, type IssuancePolicy } from '../../policy/issuance-policy.ts'
import { loggedIssuance } from '../../policy/logged-issuance.ts'
import { shadowedIssuance } from '../../policy/shadow/shadowed-issuance.ts'
import { tellDifferences } from '../../policy/shadow/shadowed-log.ts'
import type { UploadStatus } from '../../policy/upload/upload.ts'
import type { Condition } from '../../readiness.ts'
import { decisionLogState } from '../decision-log.ts'
import { openOwnDecisionLog, uploadConditions } from '../open-decision-log.ts'
import type { OpenPolicy } from '../open-policy.ts'
import type { SignerConfig } from './signer-configuration.ts'

/** The issuance policy, with the log of its decisions where there is one. */
export interface OpenIssuance extends AsyncDisposable {
  readonly policy: IssuancePolicy
  conditions(): readonly Condition[]
  /** Undefined where its decisions are sent nowhere. */
  uploadStatus(): UploadStatus | undefined
}

/** Puts the log and the candidate beside the policy in force. Throws `policy/log`, `policy/upload`. */
export async function openIssuance(
  config: Pick<SignerConfig, 'cluster' | 'decisionLog' | 'replica' | 'signerName' | 'trustDomain'>,
  parts: {
    readonly policy: Pick<OpenPolicy, 'engine' | 'candidate'>
    readonly log: Log
    readonly metrics: Metrics
    readonly now: () => number
  },
): Promise<OpenIssuance> {
  const { policy, log, metrics, now } = parts
  const { engine } = policy
  const shadow = policy.candidate?.shadow
  if (config.decisionLog === undefined) {
    return {
      policy: shadowedIssuance(createIssuancePolicy(engine), shadow),
      conditions: () => [],
      uploadStatus: () => undefined,
      [Symbol.asyncDispose]: async () => {},
    }
  }
  const { cluster, replica: id, signerName: signer, trustDomain } = config
  const origin = `${trustDomain}/decisions/${cluster}/${id}`
  const labels = (): Readonly<Record<string, string>> => ({ id, signer })
  const writer = { labels, origin }
  const kept = await openOwnDecisionLog(config.decisionLog, {
    ...writer,
    engine,
    now,
    log,
    metrics,
  })
  const { decisionLog, upload } = kept
  if (shadow !== undefined) tellDifferences(decisionLog, shadow)
  const logged = loggedIssuance(engine, decisionLog, { newDecisionId: randomUUID })
  return {
    policy: shadowedIssuance(logged, shadow),
    conditions: () => [
      { ...decisionLogState(decisionLog), name: 'decision-log' },
      ...uploadConditions(kept),
    ],
    uploadStatus: () => upload?.status(),
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  }
}
