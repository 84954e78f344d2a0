import cluster, { type Worker } from 'node:cluster'
import { serveHistory, type HistoryAsk } from '../../gateway/history/carried-history.ts'
import { createKeptHistory } from '../../gateway/history/kept-history.ts'
import { limitsOfWorker } from '../../gateway/limits.ts'
import type { FromWorker, ToWorker, WorkerProcess } from '../../gateway/workers/messages.ts'
import { createWorkers, type Workers } from '../../gateway/workers/workers.ts'
import type { Log } from '../../log.ts'
import { createMetrics, formatMetrics } from '../../metrics.ts'
import { parseIdentityExtensionOid } from '../../pki/identity-extension-oid.ts'
import { isReady, type Condition } from '../../readiness.ts'
import { openAdminListener } from '../admin-listener.ts'
import type { GatewayConfig } from './gateway-configuration.ts'
import { pagePaths } from './gateway-pages.ts'
import { keyOfThisStart } from './handle-keys.ts'
import { beginning, type Running } from '../running.ts'

/** What a worker needs to be one. */
export interface WorkerSettings {
  readonly number: number
  readonly config: GatewayConfig
  readonly ofThisStart: Uint8Array
}

/** Beside the times of the drain: to close what is open. */
const endMillisecondsMore = 10_000

/**
 * Starts a gateway of several processes. This one has the admin listener and hands connections out in turn, so that their handshakes are
 * spread; each of the others is a whole gateway, with its share of what is counted for all. Each watches the cluster itself: what one
 * knows is true at once, and cannot be held up between two processes.
 */
export async function runWorkers(
  config: GatewayConfig,
  options: { readonly log: Log; readonly now?: () => number },
): Promise<Running> {
  const { log, now = Date.now } = options
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  const histories = createKeptHistory({ ...config.limits, now })
  let workers: Workers | undefined
  const conditions = (): readonly Condition[] => workers?.conditions() ?? [beginning]
  const admin = opened.use(
    await openAdminListener({
      ...config.admin,
      conditions,
      metrics: {
        contentType: metrics.contentType,
        page: async () => {
          metrics.set('countersign_gateway_history_identities', histories.size)
          const [own, others] = await Promise.all([metrics.snapshot(), workers?.snapshots()])
          return formatMetrics([own, ...(others ?? [])])
        },
      },
      pages: Object.fromEntries(pagePaths.map((path) => [path, () => workers?.page(path)])),
    }),
  )
  // What each of them would find wrong is told once, here.
  parseIdentityExtensionOid(config.identityExtensionOid, config)
  const ofThisStart = await keyOfThisStart(config, log)
  const { graceSeconds, callSecondsMax } = config.drain
  cluster.schedulingPolicy = cluster.SCHED_RR
  cluster.setupPrimary({ serialization: 'advanced' })
  const history = serveHistory(histories)
  const all = createWorkers<WorkerSettings>({
    count: config.workers,
    fork: forkWorker,
    settingsOf: (number) => ({ number, config: configOfWorker(config, number), ofThisStart }),
    carried: (number, message, answer) =>
      void history.hear(number, message as HistoryAsk, answer).catch((error: unknown) => {
        log.error({ error, worker: number }, 'histories are not known')
      }),
    gone: (number) => history.gone(number),
    endMilliseconds: (graceSeconds + callSecondsMax) * 1000 + endMillisecondsMore,
    now,
    log,
    metrics,
  })
  workers = all
  opened.defer(() => all.end())
  await all.begun
  const stack = opened.move()
  return {
    adminUrl: admin.url,
    ready: () => isReady(conditions()),
    conditions,
    // Whoever ends is started again.
    ended: new Promise(() => {}),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

function configOfWorker(config: GatewayConfig, number: number): GatewayConfig {
  const { decisionLog, limits, workers } = config
  return {
    ...config,
    limits: limitsOfWorker(limits, workers),
    decisionLog: { ...decisionLog, file: fileOfWorker(decisionLog.file, number) },
  }
}

/** `decisions.jsonl` is `decisions-2.jsonl` of the second: two processes never write, or put aside, one file. */
function fileOfWorker(file: string, number: number): string {
  return file.replace(/(\.[^./]*)?$/, (extension) => `-${number}${extension}`)
}

function forkWorker(): WorkerProcess<WorkerSettings> {
  const worker: Worker = cluster.fork()
  return {
    send(message: ToWorker<WorkerSettings>) {
      // One that is ending takes no more; that it has ended is heard.
      if (worker.isConnected()) worker.send(message, () => {})
    },
    onMessage: (listener) =>
      void worker.on('message', (message) => listener(message as FromWorker)),
    onExit: (listener) =>
      void worker.once('exit', (code: number | null, signal: string | null) =>
        listener(signal === null ? `exit code ${code}` : `signal ${signal}`),
      ),
    kill: () => void worker.process.kill('SIGKILL'),
  }
}
