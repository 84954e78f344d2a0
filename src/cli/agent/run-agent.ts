import { CountersignError } from '../../errors.ts'
import { createApiClient, type ApiClient } from '../../kubernetes/api-client.ts'
import type { Log } from '../../log.ts'
import { createMetrics, silentMetrics, type Metrics } from '../../metrics.ts'
import { parseBundle } from '../../pki/bundle.ts'
import { isReady } from '../../readiness.ts'
import { openCredentialFolder, readCredentialFiles } from '../../renewal/credential-folder.ts'
import { createKeeper, type Keeper } from '../../renewal/keep-credential.ts'
import { readAnchorFile, readAnchors } from '../../renewal/published-anchors.ts'
import { verifyCredential } from '../../renewal/verify-credential.ts'
import { openAdminListener } from '../admin-listener.ts'
import type { Running } from '../running.ts'
import type { AgentConfig } from './agent-configuration.ts'
import { createChangeHook, type ChangeHook } from './change-hook.ts'

/** Keeps a credential until it is disposed. */
export async function runAgent(config: AgentConfig, log: Log): Promise<Running> {
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  const client = opened.adopt(clientOf(config), (each) => each.close())
  const stop = new AbortController()
  const hook = hookOf(config, log, stop.signal)
  const keeper = await keeperOf(config, { client, log, metrics, hook })
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
  const client = clientOf(config)
  try {
    const hook = hookOf(config, log, signal)
    const keeper = await keeperOf(config, { client, log, metrics: silentMetrics, hook })
    await keeper.run(signal, { once: true })
    await hook.idle()
  } finally {
    client.close()
  }
}

/** Until when the credential in the folder is good. Throws what is wrong with it: `renewal/certificate`, `pki/…`. */
export async function checkCredential(config: AgentConfig, now: number): Promise<Date> {
  const { trustDomain, identityExtensionOid } = config
  const files = await readCredentialFiles(config.folder)
  if (files === undefined) {
    throw new CountersignError('renewal/certificate', 'there is no credential in the folder', {
      hint: 'countersign agent --config <file> --once writes one',
    })
  }
  const bundle = parseBundle(files.trustBundle, trustDomain)
  const { svid } = verifyCredential(files.credentialBundle, { bundle, identityExtensionOid, now })
  return svid.notAfter
}

function clientOf({ kubeconfig }: AgentConfig): ApiClient {
  return createApiClient({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    environment: process.env,
    userAgent: 'countersign-agent',
  })
}

async function keeperOf(
  config: AgentConfig,
  parts: {
    readonly client: ApiClient
    readonly log: Log
    readonly metrics: Metrics
    readonly hook: ChangeHook
  },
): Promise<Keeper> {
  const { groupReadable, trustBundle } = config
  const folder = await openCredentialFolder(config.folder, { groupReadable })
  return createKeeper({
    ...config,
    ...parts,
    folder,
    anchors: (signal) =>
      trustBundle === undefined
        ? readAnchors({ ...config, client: parts.client, signal })
        : readAnchorFile(trustBundle, config.trustDomain),
    changed: () => parts.hook.changed(),
    now: Date.now,
  })
}

const noHook: ChangeHook = { changed: () => {}, idle: () => Promise.resolve() }

function hookOf({ afterChange }: AgentConfig, log: Log, signal: AbortSignal): ChangeHook {
  return afterChange === undefined ? noHook : createChangeHook(afterChange, { log, signal })
}
