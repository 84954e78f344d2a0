import { CountersignError } from '../../errors.ts'
import { createApiClient, type ApiClient } from '../../kubernetes/api-client.ts'
import type { Log } from '../../log.ts'
import { createMetrics, silentMetrics, type Metrics } from '../../metrics.ts'
import { requestedUsages } from '../../pki/certificate-request.ts'
import { verifyServing } from '../../pki/node-serving.ts'
import { addressOctets } from '../../pki/requested-names.ts'
import { isReady } from '../../readiness.ts'
import { openCredentialFolder, readCredentialFiles } from '../../renewal/credential-folder.ts'
import { createKeeper, type Keeper, type KeeperOptions } from '../../renewal/keep-credential.ts'
import { readAnchorFile, readAnchors, readServingAnchors } from '../../renewal/published-anchors.ts'
import { verifyCredential } from '../../renewal/verify-credential.ts'
import { openAdminListener } from '../admin-listener.ts'
import type { Running } from '../running.ts'
import type { AgentConfig, KubeletServingConfig } from './agent-configuration.ts'
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
  const files = await readCredentialFiles(config.folder)
  if (files === undefined) {
    throw new CountersignError('renewal/certificate', 'there is no credential in the folder', {
      hint: 'countersign agent --config <file> --once writes one',
    })
  }
  const { verify } = keptOf(config, () => now)
  return verify(files.credentialBundle, files.trustBundle).notAfter
}

function clientOf({ kubeconfig }: AgentConfig): ApiClient {
  return createApiClient({
    kubeconfig,
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
  const { groupReadable, kubeletServing, memory } = config
  const split = kubeletServing !== undefined
  const folder = await openCredentialFolder(config.folder, { groupReadable, split, memory })
  const { client } = parts
  const now = Date.now
  const changed = (): void => parts.hook.changed()
  const kept = keptOf(config, now)
  const anchors = (signal: AbortSignal): Promise<string> => kept.anchors(client, signal)
  const renewPercent = config.renewPercent ?? kept.renewPercent
  return createKeeper({ ...config, ...parts, ...kept, folder, anchors, renewPercent, changed, now })
}

/** What is asked for, and what is taken. */
interface Kept extends Pick<KeeperOptions, 'signerName' | 'usages' | 'names' | 'verify'> {
  readonly renewPercent: number
  anchors(client: ApiClient, signal: AbortSignal): Promise<string>
}

function keptOf(config: AgentConfig, now: () => number): Kept {
  const { kubeletServing, trustDomain } = config
  if (kubeletServing !== undefined) return servingOf(config, kubeletServing, now)
  if (trustDomain === undefined) throw new TypeError('no trust domain')
  const { signerName, trustBundle: file, identityExtensionOid } = config
  return {
    signerName,
    usages: requestedUsages,
    renewPercent: 50,
    async anchors(client, signal) {
      const bundle = await (file === undefined
        ? readAnchors({ client, signerName, trustDomain, signal })
        : readAnchorFile(file, trustDomain))
      return bundle.pem
    },
    verify: (credentialBundle, trustBundle) => {
      const checks = { trustDomain, trustBundle, identityExtensionOid, now: now() }
      return verifyCredential(credentialBundle, checks)
    },
  }
}

function servingOf(
  { trustBundle: file = '' }: AgentConfig,
  { node: nodeName, dnsNames, addresses }: KubeletServingConfig,
  now: () => number,
): Kept {
  return {
    signerName: 'kubernetes.io/kubelet-serving',
    usages: ['digital signature', 'server auth'],
    names: {
      commonName: `system:node:${nodeName}`,
      organizations: ['system:nodes'],
      dnsNames,
      ipAddresses: addresses.map(addressOctets),
    },
    renewPercent: 80,
    anchors: () => readServingAnchors(file),
    verify: (credentialBundle, trustBundle) => {
      const names = { nodeName, dnsNames, addresses }
      return verifyServing(credentialBundle, { names, trustBundle, now: now() })
    },
  }
}

const noHook: ChangeHook = { changed: () => {}, idle: () => Promise.resolve() }

function hookOf({ afterChange }: AgentConfig, log: Log, signal: AbortSignal): ChangeHook {
  return afterChange === undefined ? noHook : createChangeHook(afterChange, { log, signal })
}
