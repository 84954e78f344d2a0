import { createIntermediates, type Intermediates } from '../../intermediate/intermediates.ts'
import { createApiClient } from '../../kubernetes/api-client.ts'
import { createServerClock } from '../../kubernetes/server-clock.ts'
import { openLedger, readLedger } from '../../ledger/ledger.ts'
import type { Log } from '../../log.ts'
import { createMetrics } from '../../metrics.ts'
import { openAuthorityFiles } from '../../pki/authority-files.ts'
import { dnsSuffixesOf } from '../../pki/authority.ts'
import { isReady, type Condition } from '../../readiness.ts'
import { openAdminListener } from '../admin-listener.ts'
import { openCarrying } from '../open-carrying.ts'
import { beginning, type Running } from '../running.ts'
import type { IntermediateConfig } from './intermediate-configuration.ts'

const userAgent = 'countersign-intermediates'

/**
 * Signs CAs for another cluster from its configuration. What has to be ours (the ledger, the admin port) is an error at once; that cluster and
 * the CA are waited for.
 */
export async function runIntermediates(
  config: IntermediateConfig,
  options: { readonly log: Log; readonly now?: () => number; readonly signal?: AbortSignal },
): Promise<Running> {
  const { log, now = Date.now, signal } = options
  const { trustDomain, kubeconfig, signerName, requester, keyTypes, lifetimeSecondsMax } = config
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  let intermediates: Intermediates | undefined
  let carried: () => readonly Condition[] = () => []
  const conditions = (): readonly Condition[] =>
    intermediates === undefined ? [beginning] : [...intermediates.conditions(), ...carried()]
  const admin = opened.use(await openAdminListener({ ...config.admin, metrics, conditions }))
  const clock = createServerClock()
  const client = createApiClient({
    serverClock: clock,
    kubeconfig,
    environment: process.env,
    userAgent,
  })
  opened.defer(() => client.close())
  const { file } = config.ledger
  const reading = signal === undefined ? {} : { signal }
  const ledger = opened.use(await openLedger({ file, now, log, metrics, ...reading }))
  const dnsSuffixes = dnsSuffixesOf(config.clusterDomain)
  const { certificate, privateKey } = config.authority.files
  const authorities = opened.use(
    await openAuthorityFiles({
      certificateFile: certificate,
      privateKeyFile: privateKey,
      trustDomain,
      dnsSuffixes,
      now,
      log,
      awaited: true,
    }),
  )
  intermediates = createIntermediates({
    client,
    rules: { signerName, trustDomain, dnsSuffixes, requester, keyTypes, lifetimeSecondsMax },
    authorities,
    ledger,
    records: readLedger(file),
    replica: config.replica,
    clockProblem: () => clock.problem(),
    log,
    metrics,
    now,
  })
  carried = openCarrying(config, { client, log, userAgent }, opened)
  const stop = new AbortController()
  const ended = intermediates.run(stop.signal)
  // Registered last, so disposed first: what is under way is recorded before the ledger closes.
  opened.defer(async () => {
    stop.abort()
    await ended.catch(() => {})
  })
  const running = opened.move()
  return {
    adminUrl: admin.url,
    ready: () => isReady(conditions()),
    conditions,
    ended,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
