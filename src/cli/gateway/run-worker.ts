import type { FromWorker, ToWorker } from '../../gateway/workers/messages.ts'
import { createCarriedHistory, type HistoryAnswer } from '../../gateway/history/carried-history.ts'
import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { createMetrics } from '../../metrics.ts'
import { createLog } from '../create-log.ts'
import { pagesOf } from './gateway-pages.ts'
import { openGateway } from './run-gateway.ts'
import type { WorkerSettings } from './run-workers.ts'
import type { Terminal } from '../terminal.ts'

const stateMilliseconds = 500

/** The process that this one was started by. */
interface Primary {
  readonly settings: Promise<WorkerSettings>
  /** Resolves when this process is to end. */
  readonly ended: Promise<void>
  onCount(answer: (ask: number) => void): void
  /** What is answered to what was carried there. */
  onCarried(hear: (message: unknown) => void): void
  tell(message: FromWorker): Promise<void>
}

/** One of the gateway's processes: a whole gateway, but for the admin listener. What it is, it is told. */
export async function runWorker(terminal: Terminal): Promise<void> {
  const primary = openPrimary(terminal)
  process.on('SIGHUP', () => {})
  const { number, config, ofThisStart } = await primary.settings
  const log = createLog({ ...config.log, name: 'gateway', worker: number })
  try {
    const settings = { log, now: Date.now, ofThisStart: Buffer.from(ofThisStart) }
    const tellsStatus = number === 1
    const labels = { worker: String(number) }
    const history = createCarriedHistory({
      send: (message) => void primary.tell({ kind: 'carried', message }),
    })
    primary.onCarried((message) => history.hear(message as HistoryAnswer))
    await serve({ ...settings, history, primary, config, labels, tellsStatus })
  } catch (error) {
    log.debug({ error }, 'ended by an error')
    await primary.tell({ kind: 'failed', failure: failureOf(error) })
  }
  process.disconnect()
}

async function serve({
  primary,
  config,
  ...options
}: {
  readonly primary: Primary
  readonly log: Log
  readonly now: () => number
} & Pick<WorkerSettings, 'config'> &
  Pick<
    Parameters<typeof openGateway>[1],
    'ofThisStart' | 'labels' | 'tellsStatus' | 'history'
  >): Promise<void> {
  const metrics = createMetrics({ process: true })
  await using opened = new AsyncDisposableStack()
  const stop = new AbortController()
  const { signal } = stop
  void primary.ended.then(() => stop.abort())
  const gateway = await openGateway(config, { ...options, metrics, signal }).catch((error) => {
    // A start that was given up because it was told to end is no failure.
    if (signal.aborted) return undefined
    throw error
  })
  if (gateway === undefined) return
  const shown = Object.entries(pagesOf(() => gateway))
  const say = (): void => {
    const pages = Object.fromEntries(shown.map(([path, page]) => [path, page()]))
    void primary.tell({ kind: 'state', conditions: gateway.conditions(), pages })
  }
  const timer = setInterval(say, stateMilliseconds)
  // Said until the last: the drain takes its time, and silence would be taken for the end.
  opened.defer(() => clearInterval(timer))
  opened.use(gateway)
  primary.onCount((ask) => {
    gateway.measure()
    void metrics.snapshot().then((snapshot) => primary.tell({ kind: 'counted', ask, snapshot }))
  })
  say()
  globalThis.gc?.()
  await Promise.race([primary.ended, gateway.ended])
}

function openPrimary({ signal }: Terminal): Primary {
  const begin = Promise.withResolvers<WorkerSettings>()
  const end = Promise.withResolvers<void>()
  let count = (_ask: number): void => {}
  let carried = (_message: unknown): void => {}
  signal.addEventListener('abort', () => end.resolve(), { once: true })
  process.on('message', (message: ToWorker<WorkerSettings>) => {
    if (message.kind === 'begin') begin.resolve(message.settings)
    else if (message.kind === 'end') end.resolve()
    else if (message.kind === 'carried') carried(message.message)
    else count(message.ask)
  })
  const tell = (message: FromWorker): Promise<void> =>
    new Promise((resolve) => {
      if (process.send === undefined || !process.connected) resolve()
      else process.send(message, undefined, {}, () => resolve())
    })
  void tell({ kind: 'here' })
  return {
    settings: begin.promise,
    ended: end.promise,
    onCount(answer) {
      count = answer
    },
    onCarried(hear) {
      carried = hear
    },
    tell,
  }
}

function failureOf(error: unknown): Extract<FromWorker, { kind: 'failed' }>['failure'] {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof CountersignError)) return { code: undefined, message, hint: undefined }
  const { code, hint } = error
  return { code, message, hint }
}
