import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { createMetrics, silentMetrics, type Metrics } from '../../metrics.ts'
import { isReady } from '../../readiness.ts'
import { openCredentialFolder, readCredentialFiles } from '../../renewal/credential-folder.ts'
import { standingOf } from '../../renewal/credential-source.ts'
import { createKeeper, type Keeper } from '../../renewal/keep-credential.ts'
import { openAdminListener } from '../admin-listener.ts'
import type { Running } from '../running.ts'
import type { AgentConfig } from './agent-configuration.ts'
import { createChangeHook, type ChangeHook } from './change-hook.ts'
import { keptOf } from './kept.ts'
import { openSources } from './open-sources.ts'

/** Keeps a credential until it is disposed. */
export async function runAgent(config: AgentConfig, log: Log): Promise<Running> {
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  const stop = new AbortController()
  const hook = hookOf(config, log, stop.signal)
  const keeper = await openKeeper(config, opened, { log, metrics, hook })
  const conditions = (): ReturnType<Keeper['conditions']> => keeper.conditions()
  const admin = opened.use(await openAdminListener({ ...config.admin, metrics, conditions }))
  const ended = keeper.run(stop.signal)
  opened.defer(async () => {
    stop.abort()
    await ended.catch(() => {})
    await hook.idle()
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

/** Waits for one credential that needs no renewal, and ends. */
export async function runAgentOnce(
  config: AgentConfig,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  await using opened = new AsyncDisposableStack()
  const hook = hookOf(config, log, signal)
  const keeper = await openKeeper(config, opened, { log, metrics: silentMetrics, hook })
  await keeper.run(signal, { once: true })
  await hook.idle()
}

/** A credential that is good. */
interface Checked {
  readonly until: Date
  /** Said of one that is not of the source that is to be used. */
  readonly standsIn: string | undefined
}

/** Until when the credential in the folder is good, and whether it stands in. Throws what is wrong with it: `renewal/certificate`, `pki/…`. */
export async function checkCredential(config: AgentConfig, now: number): Promise<Checked> {
  const files = await readCredentialFiles(config.folder)
  if (files === undefined) {
    throw new CountersignError('renewal/certificate', 'there is no credential in the folder', {
      hint: 'countersign agent --config <file> --once writes one',
    })
  }
  const { source = 'csr' } = files
  const known = config.sources.find((each) => each === source)
  if (known === undefined) {
    const why = `the credential in the folder is of a source that is not used, got=${source}`
    throw new CountersignError('renewal/certificate', why)
  }
  const { verify } = keptOf(config, () => now)
  const { notAfter } = verify(files.credentialBundle, files.trustBundle)
  const { ok, reason } = standingOf(known, config.sources[0])
  return { until: notAfter, standsIn: ok ? undefined : reason }
}

async function openKeeper(
  config: AgentConfig,
  opened: AsyncDisposableStack,
  parts: { readonly log: Log; readonly metrics: Metrics; readonly hook: ChangeHook },
): Promise<Keeper> {
  const { groupReadable, kubeletServing, memory, fallBackSeconds } = config
  const { log, metrics, hook } = parts
  const split = kubeletServing !== undefined
  const folder = await openCredentialFolder(config.folder, { groupReadable, split, memory })
  const now = Date.now
  const kept = keptOf(config, now)
  const sources = await openSources(config, opened, { kept, folder, log, now })
  const renewPercent = config.renewPercent ?? kept.renewPercent
  const changed = (): void => hook.changed()
  const { verify } = kept
  const common = { sources, fallBackSeconds, folder, verify, renewPercent, changed }
  return createKeeper({ ...common, log, metrics, now })
}

const noHook: ChangeHook = { changed: () => {}, idle: () => Promise.resolve() }

function hookOf({ afterChange }: AgentConfig, log: Log, signal: AbortSignal): ChangeHook {
  return afterChange === undefined ? noHook : createChangeHook(afterChange, { log, signal })
}
