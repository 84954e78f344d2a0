import { join } from 'node:path'
import { createLog } from '../../src/cli/create-log.ts'
import { startSigningThreads } from '../../src/cli/gateway/signing-thread.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createMetrics } from '../../src/metrics.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { parseCredentialBundle, type CredentialSource } from '../../src/pki/credential.ts'
import type { BundleSource } from '../../src/pki/bundle.ts'
import { createAuthorizer, type Authorizer } from '../../src/policy/authorizer.ts'
import { openDecisionLog, type DecisionLog } from '../../src/policy/decision-log.ts'
import { openPolicyBase } from '../../src/policy/engine.ts'
import { grants, type Running, type Setting } from './contest.ts'

/** What the gateway and the necessary work have in common, as production has it. */
export interface Parts {
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  readonly authorizer: Authorizer
  readonly decisionLog: DecisionLog
  readonly log: ReturnType<typeof createLog>
  readonly metrics: ReturnType<typeof createMetrics>
}

/** The file below the folder of a contestant that has a line a call. */
export const decisionLogFile = 'decisions.ndjson'

/** The shipped policy, a decision log on disk, metrics, and a log of refusals. */
export async function openParts(setting: Setting): Promise<Parts> {
  const log = createLog({ level: 'warn' })
  const metrics = createMetrics()
  const base = await openPolicyBase({ engine: setting.engine })
  const engine = base.engineWith([{ name: 'grants', value: { grants: setting.grants ?? grants } }])
  const credential = parseCredentialBundle(setting.credentialPem)
  const bundle = parseBundle(setting.bundlePem, parseTrustDomain(setting.trustDomain))
  return {
    credential: { current: () => credential, onChange: () => () => {} },
    trustBundle: { current: () => bundle, onChange: () => () => {} },
    authorizer: createAuthorizer(engine, { metrics }),
    decisionLog: await openDecisionLog({
      file: join(setting.folder, decisionLogFile),
      engine,
      labels: () => ({ id: 'bench' }),
      now: Date.now,
      log,
      metrics,
    }),
    log,
    metrics,
  }
}

/** The product as a whole. */
export async function runGateway(setting: Setting): Promise<Running> {
  const parts = await openParts(setting)
  const unchanging = { onChange: () => () => {} }
  const { listSecondsMax, upstreamStreamsMax } = setting
  const limits = {
    ...(listSecondsMax === undefined ? {} : { listSecondsMax }),
    ...(upstreamStreamsMax === undefined ? {} : { upstreamStreamsMax }),
  }
  const gateway = await createGateway({
    ...parts,
    listen: { host: '127.0.0.1', port: 0 },
    upstreams: [
      {
        server: 'tools',
        url: `https://127.0.0.1:${setting.upstreamPort}/mcp`,
        spiffeId: parseSpiffeId(setting.upstreamSpiffeId),
        eras: setting.eras ?? ['modern'],
      },
    ],
    revocations: { find: () => undefined, staleSeconds: 0, ...unchanging },
    pods: { alive: () => true, staleSeconds: 0, ...unchanging },
    namespaces: { drift: () => undefined, staleSeconds: 0, ...unchanging },
    hosts: ['gateway.bench'],
    origins: [],
    startSigningThread: startSigningThreads(parts.log),
    drain: { graceSeconds: 0 },
    limits,
    now: Date.now,
  })
  return {
    port: gateway.port,
    async close() {
      await gateway.close()
      await parts.decisionLog[Symbol.asyncDispose]()
    },
  }
}
