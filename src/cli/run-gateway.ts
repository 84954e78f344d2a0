import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { CountersignError } from '../errors.ts'
import { createGateway } from '../gateway/gateway.ts'
import { watchPods } from '../gateway/pod-watch.ts'
import { watchRevocations } from '../gateway/revocation-watch.ts'
import { createApiClient } from '../kubernetes/api-client.ts'
import type { Log } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { openBundleFile } from '../pki/bundle.ts'
import { openCredentialFile } from '../pki/credential.ts'
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
  const extension =
    config.extensionArc === undefined ? {} : { extensionOid: `${config.extensionArc}.1` }
  const credential = opened.use(
    await openCredentialFile({ file: config.credentialBundle, log, ...extension }),
  )
  const { trustDomain } = config
  const trustBundle = opened.use(
    await openBundleFile({ file: config.trustBundle, trustDomain, now, log }),
  )
  const engine = await openPolicy(config.policy)
  const decisionLog = opened.use(
    await openDecisionLog({
      file: config.decisionLog.file,
      engine,
      labels: { id: credential.current().svid.spiffeId.uri },
      now,
      log,
      metrics,
    }),
  )
  const client = createApiClient({
    ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }),
    userAgent: 'countersign-gateway',
  })
  opened.defer(() => client.close())
  const revocations = opened.use(await watchRevocations({ client, log, metrics, now }))
  const pods = opened.use(await watchPods({ client, log, metrics, now }))
  const gateway = await createGateway({
    listen: config.listen,
    hosts: config.hosts,
    origins: config.origins,
    upstreams: config.upstreams.map(({ pins, ...upstream }) => ({
      ...upstream,
      ...(pins === undefined ? {} : { pins }),
    })),
    sessionKey: await readSessionKey(config.sessionKeyFile),
    staleSecondsMax: config.staleSecondsMax,
    authorizer: createAuthorizer(engine, { metrics }),
    credential,
    trustBundle,
    decisionLog,
    revocations,
    pods,
    now,
    log,
    metrics,
    ...extension,
  })
  opened.defer(() => gateway.close())
  const ready = (): boolean => decisionLog.available
  const bundlePage = (): { contentType: string; body: string } => ({
    contentType: 'application/x-pem-file',
    body: trustBundle.current().pem,
  })
  const admin = opened.use(
    await openAdminListener({
      ...config.admin,
      metrics,
      ready,
      pages: { '/trust-bundle.pem': bundlePage },
    }),
  )
  const parts = opened.move()
  return {
    url: gateway.url,
    adminUrl: admin.url,
    ready,
    ended: new Promise(() => {}),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Replicas behind one Service share the key, so that any of them can open a session id. */
async function readSessionKey(file: string | undefined): Promise<Buffer> {
  if (file === undefined) return randomBytes(sessionKeyOctets)
  const key = await readFile(file)
  if (key.length === sessionKeyOctets) return key
  throw new CountersignError(
    'cli/configuration',
    `sessionKeyFile: want=${sessionKeyOctets} octets got=${key.length}`,
    { hint: 'make one with: openssl rand -out session.key 32' },
  )
}
