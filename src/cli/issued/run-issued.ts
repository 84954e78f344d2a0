import { watchRevocations } from '../../gateway/caller/revocation-watch.ts'
import { createIssuedKeeper } from '../../issued/controller.ts'
import { createApiClient } from '../../kubernetes/api-client.ts'
import { trustBundleName } from '../../kubernetes/cluster-trust-bundle.ts'
import type { Log } from '../../log.ts'
import { createMetrics } from '../../metrics.ts'
import { isReady, type Condition } from '../../readiness.ts'
import { readAnchorFile, readAnchors } from '../../renewal/published-anchors.ts'
import { openAdminListener } from '../admin-listener.ts'
import type { Running } from '../running.ts'
import type { IssuedConfig } from './issued-configuration.ts'

const lostSecondsMax = 60

/** Keeps what IssuedCertificates ask for until it is disposed. */
export async function runIssued(config: IssuedConfig, log: Log): Promise<Running> {
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  const { kubeconfig, signerName, trustDomain, trustBundle: file } = config
  const client = createApiClient({
    kubeconfig,
    environment: process.env,
    userAgent: 'countersign-issued-certificates',
  })
  opened.defer(() => client.close())
  const watch = { client, log, metrics, firstListSeconds: 0 }
  const revocations = config.revocations ? opened.use(await watchRevocations(watch)) : undefined
  const keeper = createIssuedKeeper({
    ...config,
    revocations,
    client,
    anchorsFrom: file === undefined ? trustBundleName(signerName, trustDomain) : undefined,
    async anchors(signal) {
      const bundle = await (file === undefined
        ? readAnchors({ client, signerName, trustDomain, signal })
        : readAnchorFile(file, trustDomain))
      return bundle.pem
    },
    log,
    metrics,
    now: Date.now,
  })
  const conditions = (): readonly Condition[] => [
    ...keeper.conditions(),
    ...(revocations === undefined ? [] : [revocations.condition(lostSecondsMax)]),
  ]
  const admin = opened.use(await openAdminListener({ ...config.admin, metrics, conditions }))
  const stop = new AbortController()
  const ended = keeper.run(stop.signal)
  opened.defer(async () => {
    stop.abort()
    await ended.catch(() => {})
  })
  const parts = opened.move()
  return {
    adminUrl: admin.url,
    ready: () => isReady(conditions()),
    conditions,
    ended,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
