import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { CountersignError } from '../errors.ts'
import { createGateway, type Gateway, type GatewayOptions } from '../gateway/gateway.ts'
import { watchPods } from '../gateway/peers/pod-watch.ts'
import type { PodSource, RevocationSource } from '../gateway/peers/revocation.ts'
import { watchRevocations } from '../gateway/peers/revocation-watch.ts'
import { gatewayRights } from '../gateway/rights.ts'
import { createApiClient } from '../kubernetes/api-client.ts'
import { watchRights, type RightsWatch } from '../kubernetes/rights-watch.ts'
import type { Log } from '../log.ts'
import { createMetrics, type Metrics } from '../metrics.ts'
import { openBundleFile } from '../pki/bundle.ts'
import { openCredentialFile } from '../pki/credential.ts'
import { parseIdentityExtensionOid } from '../pki/identity-extension-oid.ts'
import { isReady, type Condition } from '../readiness.ts'
import { createAuthorizer } from '../policy/authorizer.ts'
import { openDecisionLog } from '../policy/decision-log.ts'
import { openAdminListener } from './admin-listener.ts'
import type { GatewayConfig } from './gateway-configuration.ts'
import { openPolicy } from './open-policy.ts'
import type { Running } from './running.ts'

const sessionKeyOctets = 32

/** Puts a gateway together from its configuration and starts it. Whatever was opened is closed again when a later part fails. */
export async function runGateway(
  config: GatewayConfig,
  options: { readonly log: Log; readonly now?: () => number },
): Promise<Running & { readonly url: string }> {
  const { log, now = Date.now } = options
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics()
  const settings = await settingsOf(config)
  const { identityExtensionOid } = settings
  const credential = opened.use(
    await openCredentialFile({ file: config.credentialBundle, log, identityExtensionOid }),
  )
  const { trustDomain } = config
  const trustBundle = opened.use(
    await openBundleFile({ file: config.trustBundle, trustDomain, now, log }),
  )
  const policy = opened.use(await openPolicy(config.policy, { log, metrics }))
  const decisionLog = opened.use(
    await openDecisionLog({
      file: config.decisionLog.file,
      rotation: config.decisionLog,
      engine: policy.engine,
      labels: { id: credential.current().svid.spiffeId.uri },
      now,
      log,
      metrics,
    }),
  )
  const { revocations, pods, rights } = await openWatches(config, { log, metrics, now, opened })
  const gateway = await createGateway({
    ...settings,
    authorizer: createAuthorizer(policy.engine, { metrics }),
    credential,
    trustBundle,
    decisionLog,
    revocations,
    pods,
    now,
    log,
    metrics,
  })
  opened.defer(() => gateway.close())
  const fresh = ({ staleSeconds }: { readonly staleSeconds: number }): boolean =>
    staleSeconds <= config.staleSecondsMax
  const conditions = (): readonly Condition[] => [
    rights.condition(),
    policy.condition(),
    { name: 'decision-log', ok: decisionLog.available, reason: 'decisions can be recorded' },
    { name: 'revocations', ok: fresh(revocations), reason: 'the watch is fresh' },
    { name: 'pods', ok: fresh(pods), reason: 'the watch is fresh' },
    drainingOf(gateway),
  ]
  const admin = opened.use(
    await openAdminListener({
      ...config.admin,
      metrics,
      conditions,
      pages: { '/trust-bundle.pem': () => pemPage(trustBundle.current().pem) },
    }),
  )
  const parts = opened.move()
  return {
    url: gateway.url,
    adminUrl: admin.url,
    ready: () => isReady(conditions()),
    conditions,
    ended: new Promise(() => {}),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function drainingOf({ draining }: Gateway): Condition {
  const reason = draining ? 'told to end, calls are still served' : 'not told to end'
  return { name: 'draining', ok: !draining, reason }
}

function pemPage(body: string): { contentType: string; body: string } {
  return { contentType: 'application/x-pem-file', body }
}

type Settings =
  'listen' | 'hosts' | 'origins' | 'upstreams' | 'staleSecondsMax' | 'drain' | 'sessionKey'

/** What the configuration says by itself. Throws `cli/configuration`, `pki/identity-extension-oid`. */
async function settingsOf(
  config: GatewayConfig,
): Promise<Pick<GatewayOptions, Settings> & { readonly identityExtensionOid: string }> {
  const { listen, hosts, origins, staleSecondsMax, drain } = config
  const upstreams = config.upstreams.map(({ pins, ...upstream }) => ({
    ...upstream,
    ...(pins === undefined ? {} : { pins }),
  }))
  const identityExtensionOid = parseIdentityExtensionOid(config.identityExtensionOid, config)
  const sessionKey = await readSessionKey(config)
  const settings = { listen, hosts, origins, upstreams, staleSecondsMax, drain }
  return { ...settings, identityExtensionOid, sessionKey }
}

async function openWatches(
  config: GatewayConfig,
  parts: {
    readonly log: Log
    readonly metrics: Metrics
    readonly now: () => number
    readonly opened: AsyncDisposableStack
  },
): Promise<{
  readonly revocations: RevocationSource
  readonly pods: PodSource
  readonly rights: RightsWatch
}> {
  const { opened, ...rest } = parts
  const client = createApiClient({
    ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }),
    environment: process.env,
    userAgent: 'countersign-gateway',
  })
  opened.defer(() => client.close())
  const rights = opened.use(watchRights({ client, rights: gatewayRights }))
  const revocations = opened.use(await watchRevocations({ client, ...rest }))
  const pods = opened.use(await watchPods({ client, ...rest }))
  return { revocations, pods, rights }
}

/** Replicas behind one Service share the key, so that any of them can open a session id. */
async function readSessionKey({
  sessionKeyFile: file,
  production,
}: Pick<GatewayConfig, 'sessionKeyFile' | 'production'>): Promise<Buffer> {
  if (file === undefined && production) {
    throw new CountersignError('cli/configuration', 'sessionKeyFile: required in production', {
      hint: 'without it no session outlives a restart or is known to another replica; make one with: openssl rand -out session.key 32',
    })
  }
  if (file === undefined) return randomBytes(sessionKeyOctets)
  const key = await readFile(file)
  if (key.length === sessionKeyOctets) return key
  throw new CountersignError(
    'cli/configuration',
    `sessionKeyFile: want=${sessionKeyOctets} octets got=${key.length}`,
    { hint: 'make one with: openssl rand -out session.key 32' },
  )
}
